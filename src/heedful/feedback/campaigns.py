"""Who is asked what: leases on questions, never more of them than answers are wanted.

    assignment:  leased -> submitted | skipped | expired        (expired: lapsed, given back, or answer withdrawn)

A question has as many places as answers are wanted of it (see `places`). A place is taken by a submitted answer or a
lease that still runs; a skip gives it back, and the same person is not asked again. A lease that ran out is given to
the next who asks, and to the same person only when nothing else is left for them. `claim` looks and takes in one
transaction (BEGIN IMMEDIATE on SQLite, a row lock with SKIP LOCKED on PostgreSQL), so processes that claim at once
cannot overshoot.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, func, insert, or_, select, update

from heedful.errors import Problem
from heedful.feedback import answers, offers, rows, steering_tables, tables
from heedful.feedback.intake import completion_ids_of
from heedful.feedback.offers import ran_out
from heedful.feedback.store import Store
from heedful.records import Question
from heedful.seeds import generator

_questions, _assignments = tables.questions, tables.assignments


@dataclass(frozen=True, slots=True)
class Assignment:
    """A question that one annotator holds for a while."""

    question: Question
    annotator_id: str
    shown: tuple[int, ...]
    """The display order drawn for this annotator: `(1, 0)` shows the second completion first."""
    leased_until: float
    """Seconds since 1970, UTC."""
    supersedes: str | None = None
    """The annotator's withdrawn answer, which the new one must supersede."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a campaign has come; gold items are not counted."""

    questions: int
    wanted: int
    """Answers that the questions have or still want; `given` reaches it when nothing is asked any more."""
    given: int
    """Answers that hold; skips do not count."""
    annotators: int
    """People with at least one answer that holds."""


def display_order(question: Question, annotator_id: str, seed: int) -> tuple[int, ...]:
    """A random order of the question's completions: a pure function of the seed, the question and the annotator."""
    count = len(question.completion_ids)
    return tuple(int(i) for i in generator(seed, "display", question.id, annotator_id).permutation(count))


def claim(
    store: Store,
    annotator_id: str,
    campaign: str | None = None,
    lease_s: float = 1800,
    seed: int = 0,
    now: float | None = None,
) -> Assignment | None:
    """Lease the next question that has a place free and that this annotator has not answered or skipped.

    This is the bare queue; `steering.desk` gives out work by the rules of the campaigns.

    Args:
        store: where the questions are.
        annotator_id: who asks for work.
        campaign: only questions of this campaign.
        lease_s: for how long nobody else gets the place, in seconds.
        seed: of the display order.
        now: seconds since 1970, UTC; the clock's when it is left out.

    Returns:
        None when there is nothing left for this annotator.

    Raises:
        Problem: the annotator is unknown or was retracted.
    """
    moment = time.time() if now is None else now
    with store.writing() as connection:
        answers.lock_rows(connection, tables.annotators, [annotator_id], shared=True)
        _standing(connection, annotator_id)
        row = offers.next_open(connection, annotator_id, campaign, moment)
        return None if row is None else lease(connection, row, annotator_id, seed, moment, lease_s)


def release(store: Store, assignment: Assignment) -> None:
    """Give an unanswered question back before its lease runs out. Nothing happens when it is no longer leased."""
    with store.writing() as connection:
        answers.lock_rows(connection, _questions, [assignment.question.id])
        connection.execute(
            update(_assignments)
            .where(
                _assignments.c.question_id == assignment.question.id,
                _assignments.c.annotator_id == assignment.annotator_id,
                _assignments.c.state == "leased",
            )
            .values(state="expired", leased_until=None)
        )


def held(store: Store, annotator_id: str, campaign: str | None = None, now: float | None = None) -> list[Assignment]:
    """The questions that an annotator holds now and has not answered, oldest lease first."""
    with store.reading() as connection:
        return held_by(connection, annotator_id, campaign, time.time() if now is None else now)


def held_by(
    connection: Connection, annotator_id: str, campaign: str | None, now: float, question_id: str | None = None
) -> list[Assignment]:
    """As `held`, inside the caller's transaction; with `question_id` only that question."""
    query = _HELD
    if campaign is not None:
        query = query.where(_questions.c.campaign == campaign)
    if question_id is not None:
        query = query.where(_questions.c.id == question_id)
    values = {"annotator": annotator_id, "now": now}
    found = connection.execute(query, values).all()
    if not found:
        return []
    ids = [row.question_id for row in found]
    questions, newest = answers.questions_by_id(connection, ids), answers.newest(connection, ids)
    return [
        Assignment(
            question=questions[row.question_id],
            annotator_id=annotator_id,
            shown=tuple(row.shown),
            leased_until=row.leased_until,
            supersedes=newest.get((row.question_id, annotator_id)),
        )
        for row in found
    ]


def progress(store: Store, campaign: str | None = None) -> Progress:
    """How many answers a campaign (or all of them) wants and has."""
    known = select(steering_tables.gold.c.question_id)
    chosen = [_questions.c.id.not_in(known), *([_questions.c.campaign == campaign] if campaign is not None else [])]
    with store.reading() as connection:
        count, wanted, given = connection.execute(
            select(
                func.count(),
                func.coalesce(func.sum(_questions.c.wanted), 0),
                func.coalesce(func.sum(_questions.c.given), 0),
            ).where(*chosen)
        ).one()
        people = connection.execute(
            select(func.count(func.distinct(_assignments.c.annotator_id)))
            .join(_questions, _questions.c.id == _assignments.c.question_id)
            .where(_assignments.c.state == "submitted", _assignments.c.counts == 1, *chosen)
        ).scalar_one()
    return Progress(count, int(wanted), int(given), people)


def taken_places(connection: Connection, question_ids: list[str], now: float) -> dict[str, list[str]]:
    """Question -> the annotators who take a place of it at the moment `now`; for at most `intake.CHUNK` questions."""
    found: dict[str, list[str]] = {name: [] for name in question_ids}
    query = select(_assignments.c.question_id, _assignments.c.annotator_id).where(
        _assignments.c.question_id.in_(question_ids), _takes_a_place(now)
    )
    for question_id, annotator_id in connection.execute(query):
        found[question_id].append(annotator_id)
    return found


def lease(
    connection: Connection,
    row: Row[Any],
    annotator_id: str,
    seed: int,
    now: float,
    lease_s: float,
    order: tuple[int, ...] | None = None,
) -> Assignment:
    """Lease a question (a row of `questions`) inside the caller's transaction, which has seen that it may.

    The display order is `order` or drawn; an annotator who had the question before keeps the one of that time.
    """
    until = now + lease_s
    connection.execute(_LAPSE, {"question": row.id, "now": now})
    question = rows.question_of(row, completion_ids_of(connection, [row.id])[row.id])
    mine = {"question": row.id, "annotator": annotator_id}
    before = connection.execute(_MINE, mine).first()
    if before is None:
        shown = display_order(question, annotator_id, seed) if order is None else order
        values = {"question_id": row.id, "annotator_id": annotator_id, "shown": list(shown)}
        connection.execute(insert(_assignments), {**values, "state": "leased", "leased_until": until})
        return Assignment(question, annotator_id, shown, until)
    connection.execute(_LEASE, {**mine, "until": until})
    supersedes = answers.newest(connection, [row.id]).get((row.id, annotator_id))
    return Assignment(question, annotator_id, tuple(before.shown), until, supersedes)


def _standing(connection: Connection, annotator_id: str) -> None:
    table = tables.annotators
    row = connection.execute(select(table.c.retracted).where(table.c.id == annotator_id)).first()
    if row is None:
        raise Problem(f'there is no annotator "{annotator_id}"', mend="add the annotator to the store first")
    if row.retracted:
        raise Problem(f'the annotator "{annotator_id}" was retracted', mend="nothing is given to them any more")


def _takes_a_place(now: float) -> ColumnElement[bool]:
    return or_(
        and_(_assignments.c.state == "submitted", _assignments.c.counts == 1),
        and_(_assignments.c.state == "leased", _assignments.c.leased_until > now),
    )


# The statements of the desk, each made once: to make one takes several times as long as to run it.

_HELD = (
    select(_assignments)
    .join(_questions, _questions.c.id == _assignments.c.question_id)
    .where(
        _assignments.c.annotator_id == bindparam("annotator"),
        _assignments.c.state == "leased",
        _assignments.c.leased_until > bindparam("now"),
    )
    .order_by(_assignments.c.number)
)
_its = and_(_assignments.c.question_id == bindparam("question"), _assignments.c.state == "leased")
_LAPSE = update(_assignments).where(_its, ran_out(bindparam("now"))).values(state="expired", leased_until=None)
_mine = and_(_assignments.c.question_id == bindparam("question"), _assignments.c.annotator_id == bindparam("annotator"))
_MINE = select(_assignments.c.shown).where(_mine)
_LEASE = update(_assignments).where(_mine).values(state="leased", leased_until=bindparam("until"))
