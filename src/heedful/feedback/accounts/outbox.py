"""Events for the world outside, written in the transaction of what they tell of: either both are there or neither.

    with store.writing() as connection:
        ...                                            # the change
        outbox.add(connection, "judgement.stored", {"judgement": id})

What is done with them, and when, is the business of `webhooks` and of whoever sends.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, select

from heedful.feedback import account_tables as tables
from heedful.feedback import rows

EVENTS: Mapping[str, str] = {
    "judgement.stored": "Somebody answered (imports are not told of). `judgement`, `question`, `annotator`,"
    " `campaign`.",
    "judgement.withdrawn": "An answer was taken back. `judgement` (of the withdrawal), `supersedes`, `question`,"
    " `annotator`, `campaign`.",
    "campaign.finished": "A campaign has all the answers that it wants. `campaign`.",
    "campaign.changed": "A campaign's settings or state changed. `campaign`, `state`.",
    "guidelines.published": "A campaign has new guidelines. `campaign`, `version`.",
    "annotator.standing": "An annotator was qualified, failed, paused or reinstated. `annotator`, `campaign`, `state`,"
    " `reason` (empty where a person wrote it).",
    "annotator.retracted": "An annotator's answers no longer count. `annotator`, `snapshots`, `models`.",
    "batch.opened": "A batch of questions was opened. `batch`, `campaign`.",
    "batch.usable": "A batch has its minimum of judgements. `batch`, `campaign`, `judgements`.",
    "batch.full": "A batch has its maximum of judgements. `batch`, `campaign`, `judgements`.",
    "batch.expired": "A batch's time to live is over. `batch`, `campaign`.",
    "batch.cancelled": "A batch was cancelled. `batch`, `campaign`.",
    "ping": "Sent on request, to try a webhook. `webhook`.",
}
"""Every event by its name, with what it means and the fields of its payload."""


def add(connection: Connection, event: str, payload: Mapping[str, Any]) -> str:
    """Write an event, and a delivery for every active webhook that wants it; returns the event's id.

    Raises:
        ValueError: the event has no place in `EVENTS`.
        Problem: the payload is not JSON.
    """
    if event not in EVENTS:
        raise ValueError(f"{event!r} is no event; add it to EVENTS with its meaning")
    now, name = time.time(), str(uuid.uuid4())
    body = rows.plain(payload, f'event "{event}"')
    connection.execute(_EVENT, {"id": name, "event": event, "payload": body, "created": now})
    deliveries = [
        {"webhook_id": hook.id, "outbox_id": name, "attempts": 0, "due": now, "error": ""}
        for hook in connection.execute(_HOOKS)
        if event in hook.events
    ]
    if deliveries:
        connection.execute(insert(tables.deliveries), deliveries)
    return name


_EVENT = insert(tables.outbox)
_HOOKS = select(tables.webhooks.c.id, tables.webhooks.c.events).where(tables.webhooks.c.active == 1)
