"""Batches: so many judgements of these questions, within this time. Whoever opens one need not wait for it.

    opened -> running -> usable (the minimum is there) -> full (the maximum is) | expired | cancelled

What has come in can be read at any time, whatever the state.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from heedful.errors import Problem
from heedful.feedback import answers, places, rows, steering_tables, tables
from heedful.feedback.accounts import audit, outbox
from heedful.feedback.intake import chunks, rows_by
from heedful.feedback.kind import skipped, withdrawn
from heedful.feedback.steering import batch_ends as ends
from heedful.feedback.steering.batch_ends import State
from heedful.feedback.steering.moments import stamp
from heedful.feedback.steering.tasks import CHAT
from heedful.feedback.store import Store
from heedful.records import Judgement, Metadata

_batches, _members, _questions = steering_tables.batches, steering_tables.batch_questions, tables.questions


@dataclass(frozen=True, slots=True)
class Batch:
    """Questions that are asked together."""

    id: str
    campaign: str
    question_ids: tuple[str, ...]
    minimum: int
    maximum: int
    expires: float | None
    """Seconds since 1970, UTC; None: never."""
    metadata: Metadata
    created: str
    """UTC, ISO 8601."""


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """How far a batch has come."""

    id: str
    campaign: str
    state: State
    judgements: int
    """Answers to its questions that hold; skips do not count."""
    minimum: int
    maximum: int
    expires: float | None
    questions: int
    waiting: int
    """Questions that are still asked."""

    @property
    def usable(self) -> bool:
        """Whether the minimum is there."""
        return self.judgements >= self.minimum

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.state in ("full", "expired", "cancelled")


def open_batch(
    store: Store,
    campaign: str,
    question_ids: Sequence[str],
    minimum: int,
    maximum: int,
    ttl_s: float | None = None,
    metadata: Metadata | None = None,
    by: str = "",
    now: float | None = None,
) -> Batch:
    """Open a batch of questions of a campaign.

    Args:
        store: where the questions are.
        campaign: theirs.
        question_ids: one or more; a question may be in several batches.
        minimum: judgements with which it is usable.
        maximum: judgements with which it is full: its questions are asked no more. Those who hold one already may
            still answer it.
        ttl_s: time to live in seconds, after which its questions are asked no more; None: no limit.
        metadata: kept with it.
        by: the account that opens it, for the audit log.
        now: seconds since 1970, UTC; the clock's when it is left out.

    Raises:
        Problem: there is no question, one is unknown, of another campaign or a gold item, or the numbers contradict
            each other.
    """
    moment = time.time() if now is None else now
    ids = list(dict.fromkeys(question_ids))
    if not ids:
        raise Problem("a batch has one question or more", where="batch", mend="name its questions")
    if not (0 <= minimum <= maximum and maximum >= 1) or (ttl_s is not None and not ttl_s > 0):
        raise Problem(
            f"a batch of {minimum} to {maximum} judgements within {ttl_s} s cannot be",
            where="batch",
            mend="let 0 <= minimum <= maximum, the maximum be 1 or more, and the time to live positive or left out",
        )
    expires = None if ttl_s is None else moment + ttl_s
    made = Batch(
        str(uuid.uuid4()), campaign, tuple(ids), minimum, maximum, expires, dict(metadata or {}), stamp(moment)
    )
    with store.writing() as connection:
        answers.lock_rows(connection, _questions, ids)
        _check(connection, campaign, ids)
        values = {"minimum": minimum, "maximum": maximum, "expires": expires, "created": made.created}
        body = rows.plain(made.metadata, "metadata of the batch")
        connection.execute(insert(_batches).values(id=made.id, campaign=campaign, metadata=body, **values))
        for chunk in chunks(ids):
            connection.execute(insert(_members), [{"batch_id": made.id, "question_id": name} for name in chunk])
            connection.execute(update(_questions).where(_questions.c.id.in_(chunk)).values(stopped=0))
        places.recount(connection, ids)
        audit.record(connection, by, "batch.open", made.id, {"campaign": campaign, "questions": len(ids)})
        outbox.add(connection, "batch.opened", {"batch": made.id, "campaign": campaign})
        ends.settle(connection, ends.rows_of(connection, made.id), moment)
    return made


def status(store: Store, batch_id: str, now: float | None = None) -> BatchStatus:
    """How far a batch has come.

    Raises:
        Problem: there is no such batch.
    """
    with store.reading() as connection:
        [row] = _one(connection, batch_id)
        return _status(row, time.time() if now is None else now)


def statuses(store: Store, campaign: str | None = None, now: float | None = None) -> list[BatchStatus]:
    """Every batch (of a campaign), the newest first."""
    moment = time.time() if now is None else now
    query = ends.counted().order_by(_batches.c.number.desc())
    if campaign is not None:
        query = query.where(_batches.c.campaign == campaign)
    with store.reading() as connection:
        return [_status(row, moment) for row in connection.execute(query)]


def batches_of(store: Store, campaign: str) -> list[Batch]:
    """Every batch of a campaign as it was opened, the newest first."""
    query = select(_batches).where(_batches.c.campaign == campaign).order_by(_batches.c.number.desc())
    with store.reading() as connection:
        found = connection.execute(query).all()
        ids: dict[str, list[str]] = {row.id: [] for row in found}
        members = select(_members.c.batch_id, _members.c.question_id).join(_questions).order_by(_questions.c.number)
        for batch_id, question_id in connection.execute(members.where(_questions.c.campaign == campaign)):
            ids[batch_id].append(question_id)
    return [
        Batch(row.id, campaign, tuple(ids[row.id]), row.minimum, row.maximum, row.expires, row.metadata, row.created)
        for row in found
    ]


def partial(store: Store, batch_id: str) -> list[Judgement]:
    """The answers to a batch's questions that hold now, skips left out, in order of arrival.

    Raises:
        Problem: there is no such batch.
    """
    events = tables.judgements
    members = select(_members.c.question_id).where(_members.c.batch_id == batch_id)
    query = select(events).where(events.c.question_id.in_(members), *answers.holding()).order_by(events.c.number)
    with store.reading() as connection:
        _one(connection, batch_id)
        found = [rows.judgement_of(row) for row in connection.execute(query)]
    return [each for each in found if not (skipped(each.answer) or withdrawn(each.answer))]


def cancel(store: Store, batch_id: str, by: str = "") -> None:
    """Ask its questions no more; what came in stays. Nothing happens to a batch that is over.

    Raises:
        Problem: there is no such batch.
    """
    with store.writing() as connection:
        ends.lock(connection, [batch_id])
        [row] = _one(connection, batch_id)
        if row.closed is None:
            ends.close(connection, row, "cancelled")
            audit.record(connection, by, "batch.cancel", batch_id, {"campaign": row.campaign})


def _check(connection: Connection, campaign: str, ids: Sequence[str]) -> None:
    known = rows_by(connection, _questions.c.id, ids, _questions.c.id, _questions.c.campaign, _questions.c.metadata)
    gold = rows_by(connection, steering_tables.gold.c.question_id, ids, steering_tables.gold.c.question_id)
    for name in ids:
        where = f'batch, question "{name}"'
        if name not in known:
            raise Problem(f'there is no question "{name}"', where=where, mend="add the question first")
        if known[name].campaign != campaign:
            raise Problem(f'it is of the campaign "{known[name].campaign}"', where=where, mend="open a batch there")
        if CHAT in known[name].metadata:
            raise Problem("a turn of a live chat is judged there", where=where, mend="leave it out")
        if name in gold:
            raise Problem("a gold item is no work", where=where, mend="leave it out")


def _one(connection: Connection, batch_id: str) -> Sequence[Row[Any]]:
    found = ends.rows_of(connection, batch_id)
    if not found:
        raise Problem(f'there is no batch "{batch_id}"', mend="check the id")
    return found


def _status(row: Row[Any], now: float) -> BatchStatus:
    return BatchStatus(
        id=row.id,
        campaign=row.campaign,
        state=ends.state_of(row, now),
        judgements=int(row.judgements),
        minimum=row.minimum,
        maximum=row.maximum,
        expires=row.expires,
        questions=row.questions,
        waiting=int(row.waiting),
    )
