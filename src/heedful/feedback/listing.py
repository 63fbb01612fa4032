"""Records a page at a time, for readers who cannot take everything at once.

    page = listing.judgements(store, campaign="round-1", limit=100)
    page = listing.judgements(store, campaign="round-1", limit=100, after=page.after)

Pages follow the order of arrival, so what comes in meanwhile stands on later pages and nothing is listed twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Table, func, select

from heedful.errors import Problem
from heedful.feedback import answers, intake, rows, tables
from heedful.feedback.questions import withdrawn
from heedful.feedback.store import Purpose, Store
from heedful.records import Completion, Judgement, Prompt, Question

T = TypeVar("T")

LAST = 2**31 - 1
"""The largest place in an order of arrival."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some records, and where to go on."""

    items: tuple[T, ...]
    after: int | None
    """What the next page comes after; None when this was the last."""


@dataclass(frozen=True, slots=True)
class SnapshotLine:
    """A snapshot and its size."""

    hash: str
    judgements: int


def prompts(store: Store, *, after: int = 0, limit: int = 100) -> Page[Prompt]:
    """Prompts in order of arrival.

    Raises:
        Problem: `after` or `limit` is out of range, as for the other functions here.
    """
    return _page(store, tables.prompts, after, limit, lambda _, found: [rows.prompt_of(row) for row in found])


def completions(
    store: Store, *, after: int = 0, limit: int = 100, policy: str | None = None, prompt_id: str | None = None
) -> Page[Completion]:
    """Completions in order of arrival: all, of a policy, of a prompt."""
    table = tables.completions
    chosen = _equal((table.c.policy, policy), (table.c.prompt_id, prompt_id))
    return _page(store, table, after, limit, lambda _, found: [rows.completion_of(row) for row in found], *chosen)


def questions(
    store: Store,
    *,
    after: int = 0,
    limit: int = 100,
    campaign: str | None = None,
    kind: str | None = None,
    purpose: Purpose | None = None,
) -> Page[Question]:
    """Questions in order of arrival: all, of a campaign, kind, purpose."""
    table = tables.questions

    def read(connection: Connection, found: Sequence[Row[Any]]) -> list[Question]:
        shown = intake.completion_ids_of(connection, (row.id for row in found))
        return [rows.question_of(row, shown[row.id]) for row in found]

    chosen = _equal((table.c.campaign, campaign), (table.c.kind, kind), (table.c.purpose, purpose))
    return _page(store, table, after, limit, read, *chosen)


def judgements(
    store: Store,
    *,
    after: int = 0,
    limit: int = 100,
    campaign: str | None = None,
    annotator_id: str | None = None,
    question_id: str | None = None,
    current: bool = True,
) -> Page[Judgement]:
    """Judgements in order of arrival: all, of a campaign, annotator, question.

    Args:
        store: where they are.
        after: as the page before says.
        limit: at most so many; with `current` a page may hold fewer and still not be the last.
        campaign: of the question.
        annotator_id: whose.
        question_id: to which question.
        current: only what holds, as in `Store.judgements`; otherwise every event.
    """
    table, asked = tables.judgements, tables.questions
    chosen = _equal((table.c.annotator_id, annotator_id), (table.c.question_id, question_id))
    if campaign is not None:
        chosen.append(table.c.question_id.in_(select(asked.c.id).where(asked.c.campaign == campaign)))
    if current:
        chosen += answers.holding()

    def read(_: Connection, found: Sequence[Row[Any]]) -> list[Judgement]:
        events = [rows.judgement_of(row) for row in found]
        return [event for event in events if not (current and withdrawn(event.answer))]

    return _page(store, table, after, limit, read, *chosen)


def times_of(store: Store, judgement_ids: Sequence[str]) -> dict[str, str]:
    """Judgement -> when it was made (UTC, ISO 8601), for those that are stored: what is sent again keeps its time."""
    table = tables.judgements
    with store.reading() as connection:
        found = intake.rows_by(connection, table.c.id, judgement_ids, table.c.id, table.c.created)
    return {name: row.created for name, row in found.items()}


def known_annotator(store: Store, annotator_id: str) -> bool:
    """Whether there is such an annotator, retracted or not."""
    people = tables.annotators
    with store.reading() as connection:
        return connection.execute(select(people.c.id).where(people.c.id == annotator_id)).first() is not None


def snapshots(store: Store, *, after: int = 0, limit: int = 100) -> Page[SnapshotLine]:
    """Snapshots in the order in which they were first taken."""
    members = tables.snapshot_judgements

    def read(connection: Connection, found: Sequence[Row[Any]]) -> list[SnapshotLine]:
        counting = (
            select(members.c.snapshot, func.count())
            .where(members.c.snapshot.in_([row.hash for row in found]))
            .group_by(members.c.snapshot)
        )
        sizes = {row[0]: int(row[1]) for row in connection.execute(counting)}
        return [SnapshotLine(row.hash, sizes.get(row.hash, 0)) for row in found]

    return _page(store, tables.snapshots, after, limit, read)


def _page(
    store: Store,
    table: Table,
    after: int,
    limit: int,
    read: Callable[[Connection, Sequence[Row[Any]]], list[T]],
    *chosen: ColumnElement[bool],
) -> Page[T]:
    if not 0 <= after <= LAST:
        raise Problem("there is no such place in the list", where="after", mend="take it from the page before")
    if not 1 <= limit <= intake.CHUNK:
        raise Problem(f"a page holds 1 to {intake.CHUNK} records", where="limit", mend="ask for fewer")
    query = select(table).where(table.c.number > after, *chosen).order_by(table.c.number).limit(limit + 1)
    with store.reading() as connection:
        found = connection.execute(query).all()
        shown = found[:limit]
        return Page(tuple(read(connection, shown)), shown[-1].number if len(found) > limit else None)


def _equal(*pairs: tuple[Any, str | None]) -> list[ColumnElement[bool]]:
    return [column == value for column, value in pairs if value is not None]
