"""Unfinished answers, kept on the server: one for each annotator and question, the newest by the writer's clock."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from heedful.errors import Problem
from heedful.feedback import rows, steering_tables, tables
from heedful.feedback.steering.moments import is_moment, moment_of
from heedful.feedback.steering.standing import lock_annotator
from heedful.feedback.store import Store
from heedful.records import Metadata

_drafts, _assignments, _events = steering_tables.drafts, tables.assignments, tables.judgements


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer that is not handed in yet; its form is not checked."""

    question_id: str
    annotator_id: str
    answer: Metadata
    saved: float
    """Seconds since 1970, UTC, by the writer's clock."""


def save(store: Store, question_id: str, annotator_id: str, answer: Metadata, saved: float) -> bool:
    """Keep a draft; False when a newer one is kept, or when the answer was handed in after it was written.

    Raises:
        Problem: the question was never given to this annotator, or the draft cannot be kept as JSON.
    """
    where = f'draft of question "{question_id}"'
    if not math.isfinite(saved):
        raise Problem("the moment of a draft is a number of seconds", where=where)
    body = rows.plain(dict(answer), where)
    with store.writing() as connection:
        lock_annotator(connection, annotator_id)
        given = select(_assignments.c.state).where(
            _assignments.c.question_id == question_id, _assignments.c.annotator_id == annotator_id
        )
        state = connection.execute(given).scalar()
        if state is None:
            raise Problem("this question was not given to you", where=f'question "{question_id}"')
        if state in ("submitted", "skipped") and saved <= _handed_in(connection, question_id, annotator_id):
            return False
        return put(connection, Draft(question_id, annotator_id, body, saved))


def of(store: Store, question_id: str, annotator_id: str) -> Draft | None:
    """The draft of an annotator, if there is one."""
    with store.reading() as connection:
        return draft_of(connection, question_id, annotator_id)


def put(connection: Connection, draft: Draft) -> bool:
    """Keep a draft unless a newer one is kept."""
    mine = (_drafts.c.question_id == draft.question_id) & (_drafts.c.annotator_id == draft.annotator_id)
    kept = connection.execute(select(_drafts.c.saved).where(mine)).scalar()
    values = {"answer": dict(draft.answer), "saved": draft.saved}
    if kept is None:
        names = {"question_id": draft.question_id, "annotator_id": draft.annotator_id}
        connection.execute(insert(_drafts).values(**names, **values))
    elif kept <= draft.saved:
        connection.execute(update(_drafts).where(mine).values(**values))
    return kept is None or kept <= draft.saved


_mine = (_drafts.c.question_id == bindparam("question")) & (_drafts.c.annotator_id == bindparam("annotator"))
_DRAFT = select(_drafts).where(_mine)
_DROP = delete(_drafts).where(_mine)


def draft_of(connection: Connection, question_id: str, annotator_id: str) -> Draft | None:
    """As `of`, inside the caller's transaction."""
    row = connection.execute(_DRAFT, {"question": question_id, "annotator": annotator_id}).first()
    return None if row is None else Draft(row.question_id, row.annotator_id, row.answer, row.saved)


def drop(connection: Connection, question_id: str, annotator_id: str) -> None:
    """Forget a draft; nothing happens when there is none."""
    connection.execute(_DROP, {"question": question_id, "annotator": annotator_id})


def _handed_in(connection: Connection, question_id: str, annotator_id: str) -> float:
    """When the newest answer says it was made; the beginning of time where it says nothing."""
    query = (
        select(_events.c.created)
        .where(_events.c.question_id == question_id, _events.c.annotator_id == annotator_id)
        .order_by(_events.c.number.desc())
        .limit(1)
    )
    created = connection.execute(query).scalar() or ""
    return moment_of(created) if created and is_moment(created) else -math.inf
