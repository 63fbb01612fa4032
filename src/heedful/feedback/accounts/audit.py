"""The audit log: who did what, and when; append-only.

An entry names accounts, campaigns and records by their ids. Names, logins, addresses and texts never go into one,
so that nothing about a person is left in it when the person's data are deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from heedful.feedback import account_tables as tables
from heedful.feedback.store import Store
from heedful.records import Metadata


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log."""

    number: int
    at: str
    """UTC, ISO 8601."""
    account_id: str
    """Who did it; empty: the server itself."""
    action: str
    """noun.verb: `campaign.pause`."""
    target: str
    """The id of what it was done to."""
    detail: Metadata


def record(
    place: Connection | Store,
    account_id: str,
    action: str,
    target: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write an entry, in the transaction of `place`, or where `place` is a store in one of its own."""
    values = {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "account_id": account_id,
        "action": action,
        "target": target,
        "detail": dict(detail or {}),
    }
    if isinstance(place, Store):
        with place.writing() as connection:
            connection.execute(insert(tables.audit).values(**values))
    else:
        place.execute(insert(tables.audit).values(**values))


def entries(
    store: Store, limit: int = 100, before: int | None = None, *, action: str = "", account_id: str | None = None
) -> list[Entry]:
    """The newest entries first.

    Args:
        store: where the log is.
        limit: at most so many.
        before: only those with a smaller number; for the next page.
        action: only those whose action begins with it: `campaign.` or `campaign.pause`.
        account_id: only those of one account.
    """
    table = tables.audit
    query = select(table).order_by(table.c.number.desc()).limit(limit)
    if before is not None:
        query = query.where(table.c.number < before)
    if action:
        query = query.where(table.c.action.startswith(action, autoescape=True))
    if account_id is not None:
        query = query.where(table.c.account_id == account_id)
    with store.reading() as connection:
        return [
            Entry(row.number, row.at, row.account_id, row.action, row.target, row.detail)
            for row in connection.execute(query)
        ]


def actions(store: Store) -> list[str]:
    """Every action that the log holds, sorted."""
    with store.reading() as connection:
        return sorted(connection.execute(select(tables.audit.c.action).distinct()).scalars())
