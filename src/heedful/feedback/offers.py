"""Finding the next question for somebody, at the same small cost however many are finished or were theirs before.

Only open questions are looked at, by an index that holds nothing else (see `places`). Questions are given out in the
order of their arrival. Somebody who has answered many that are still open for others would have to pass over them
each time; so after the first `FRONT` open questions the search goes on behind the furthest question that they were
given, and only when there is nothing either does it look at the rest.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, bindparam, func, or_, select

from heedful.feedback import tables

_questions, _assignments = tables.questions, tables.assignments

FRONT = 200
"""Open questions that are offered in order of arrival before the search skips ahead."""

Range = Literal["all", "front", "ahead", "behind", "lapsed"]
"""Where to look: everywhere, among the first `FRONT`, after those and the furthest, in between, or at what was theirs
and lapsed."""

Moment = float | ColumnElement[float]


def ran_out(now: Moment) -> ColumnElement[bool]:
    """A lease that lapsed counts as expired from that moment; it is marked so when its question is next given out."""
    return or_(
        _assignments.c.state == "expired", and_(_assignments.c.state == "leased", _assignments.c.leased_until <= now)
    )


def next_open(
    connection: Connection, annotator_id: str, campaign: str | None, now: float, furthest: int = 0
) -> Row[Any] | None:
    """The row of the first question with a place free that is open to the annotator; those never given to them first.

    On PostgreSQL the row comes locked, and rows that others have locked are passed over.

    Args:
        connection: a write transaction.
        annotator_id: for whom.
        campaign: only its questions.
        now: seconds since 1970, UTC.
        furthest: the highest number of a question that they were given in this campaign; 0: search in order only.
    """
    passed: list[str] = []
    while True:
        row = _next(connection, annotator_id, campaign, now, passed, furthest)
        # On PostgreSQL the search may have seen the state before somebody else's claim; under the row's lock the
        # second look is exact.
        if row is None or _still_free(connection, row, annotator_id, now):
            return row
        passed.append(row.id)


def left(connection: Connection, annotator_id: str, campaign: str, furthest: int, limit: int) -> int:
    """How many open questions an annotator was never given, counted to `limit` at most.

    Those between the first `FRONT` and the furthest that they were given are not looked at.
    """
    bound = _front(connection, campaign)
    values = {"annotator": annotator_id, "campaign": campaign, **_bounds(bound, furthest)}
    ranges: tuple[Range, ...] = ("all",) if bound is None else ("front", "ahead")
    count = 0
    for where in ranges:
        if count < limit:
            count += connection.execute(_counting(where), {**values, "limit": limit - count}).scalar_one()
    return count


def _next(
    connection: Connection, annotator_id: str, campaign: str | None, now: float, passed: list[str], furthest: int
) -> Row[Any] | None:
    """The first question with a place free: in order of arrival, those never given to the annotator first."""
    bound = _front(connection, campaign)
    values = {"annotator": annotator_id, "campaign": campaign, "now": now, **_bounds(bound, furthest)}
    ranges: tuple[Range, ...] = ("all", "lapsed") if bound is None else ("front", "ahead", "behind", "lapsed")
    for where in ranges:
        query = _offered(where, anywhere=campaign is None, locking=connection.dialect.name == "postgresql")
        if passed:
            query = query.where(_questions.c.id.not_in(passed))
        row = connection.execute(query, values).first()
        if row is not None:
            return row
    return None


def _front(connection: Connection, campaign: str | None) -> int | None:
    """The number of the last of the first `FRONT` open questions; None when there are no more than these."""
    query = _numbers(anywhere=campaign is None)
    found = connection.execute(query, {"campaign": campaign, "skipped": FRONT - 1}).scalars().all()
    return found[0] if len(found) == 2 else None


def _bounds(bound: int | None, furthest: int) -> dict[str, int]:
    return {} if bound is None else {"bound": bound, "furthest": max(bound, furthest)}


def _still_free(connection: Connection, row: Row[Any], annotator_id: str, now: float) -> bool:
    """Whether the locked question has a place free and is open to the annotator."""
    values = {"question": row.id, "annotator": annotator_id, "now": now}
    return connection.execute(_second_look(), values).first() is not None


# The statements, each made once: to make one takes several times as long as to run it.


@cache
def _numbers(*, anywhere: bool) -> Select[Any]:
    query = select(_questions.c.number).where(*_open(anywhere=anywhere)).order_by(_questions.c.number)
    return query.offset(bindparam("skipped")).limit(2)


@cache
def _counting(where: Range) -> Select[Any]:
    query = select(_questions.c.number).where(*_open(anywhere=False), *_in(where), ~_given())
    return select(func.count()).select_from(query.limit(bindparam("limit")).subquery())


@cache
def _offered(where: Range, *, anywhere: bool, locking: bool) -> Select[Any]:
    """The first open question with a place free, in order of arrival."""
    free = _questions.c.given + _running() < _questions.c.wanted
    query = select(_questions).where(*_open(anywhere=anywhere), *_in(where), free)
    if where == "lapsed":
        query = query.where(
            _questions.c.id.in_(
                select(_assignments.c.question_id).where(
                    _assignments.c.annotator_id == bindparam("annotator"), ran_out(bindparam("now"))
                )
            )
        )
    else:
        query = query.where(~_given())
    query = query.order_by(_questions.c.number).limit(1)
    return query.with_for_update(of=_questions, skip_locked=True, key_share=True) if locking else query


@cache
def _second_look() -> Select[Any]:
    mine = and_(
        _assignments.c.question_id == _questions.c.id,
        _assignments.c.annotator_id == bindparam("annotator"),
        ~ran_out(bindparam("now")),
    )
    closed = select(_assignments.c.number).where(mine).exists()
    free = _questions.c.given + _running() < _questions.c.wanted
    return select(_questions.c.id).where(_questions.c.id == bindparam("question"), free, ~closed)


def _open(*, anywhere: bool) -> tuple[ColumnElement[bool], ...]:
    here = (_questions.c.given < _questions.c.wanted,)
    return here if anywhere else (_questions.c.campaign == bindparam("campaign"), *here)


def _in(where: Range) -> tuple[ColumnElement[bool], ...]:
    number = _questions.c.number
    match where:
        case "front":
            return (number <= bindparam("bound"),)
        case "ahead":
            return (number > bindparam("furthest"),)
        case "behind":
            return (number > bindparam("bound"), number <= bindparam("furthest"))
        case _:
            return ()


def _given() -> ColumnElement[bool]:
    """Whether the annotator was given the question before."""
    mine = _assignments.c.annotator_id == bindparam("annotator")
    return select(_assignments.c.number).where(_assignments.c.question_id == _questions.c.id, mine).exists()


def _running() -> ColumnElement[int]:
    """How many leases on the question still run."""
    here = _assignments.c.question_id == _questions.c.id
    runs = and_(_assignments.c.state == "leased", _assignments.c.leased_until > bindparam("now"))
    return select(func.count()).select_from(_assignments).where(here, runs).correlate(_questions).scalar_subquery()
