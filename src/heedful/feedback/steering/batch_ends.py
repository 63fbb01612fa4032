"""When batches end: full, out of time, or cancelled; their questions are then asked no more.

A batch is locked before its questions, everywhere, so that no two transactions wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, bindparam, case, func, select, update

from heedful.feedback import answers, places, steering_tables, tables
from heedful.feedback.accounts import outbox
from heedful.feedback.intake import chunks

_batches, _members, _questions = steering_tables.batches, steering_tables.batch_questions, tables.questions

State = Literal["running", "usable", "full", "expired", "cancelled"]


_RUNNING = (
    select(_batches.c.id)
    .join(_members, _members.c.batch_id == _batches.c.id)
    .where(_members.c.question_id == bindparam("question"), _batches.c.closed.is_(None))
)
_DUE = select(_batches.c.id).where(
    _batches.c.campaign == bindparam("campaign"), _batches.c.closed.is_(None), _batches.c.expires <= bindparam("now")
)


def running_with(connection: Connection, question_id: str) -> list[str]:
    """The batches with a question that are not over."""
    return sorted(connection.execute(_RUNNING, {"question": question_id}).scalars())


def lock(connection: Connection, batch_ids: Sequence[str], *, skip_locked: bool = False) -> list[str]:
    """Let nobody else settle these batches until the transaction ends; taken before any lock on their questions."""
    if connection.dialect.name != "postgresql" or not batch_ids:
        return list(batch_ids)
    query = select(_batches.c.id).where(_batches.c.id.in_(batch_ids)).order_by(_batches.c.id)
    return list(connection.execute(query.with_for_update(skip_locked=skip_locked, key_share=True)).scalars())


def counts(connection: Connection, batch_ids: Sequence[str]) -> tuple[dict[str, int], bool]:
    """(batch -> its judgements now, whether one more answer can end one of the batches)."""
    if not batch_ids:
        return {}, False
    found = rows_of(connection, *batch_ids)
    last = any(row.judgements + 1 >= row.maximum or row.waiting <= 1 for row in found)
    return {row.id: row.judgements for row in found}, last


def tell(
    connection: Connection, batch_ids: Sequence[str], before: dict[str, int], now: float, *, may_end: bool
) -> None:
    """After answers came in: say which batches became usable by them, and end those that are over.

    Args:
        connection: the transaction of the answers, which has locked the batches.
        batch_ids: the batches of the answered questions.
        before: how many judgements each had, from `counts`.
        now: seconds since 1970, UTC.
        may_end: whether the transaction may lock the batches' other questions (`answers.lock_many`).
    """
    if not batch_ids:
        return
    found = rows_of(connection, *batch_ids)
    for row in found:
        if before[row.id] < row.minimum <= row.judgements:
            payload = {"batch": row.id, "campaign": row.campaign, "judgements": row.judgements}
            outbox.add(connection, "batch.usable", payload)
    if may_end:
        settle(connection, found, now)


def expire(connection: Connection, campaign: str, now: float) -> None:
    """End the batches of a campaign whose time is over."""
    ids = list(connection.execute(_DUE, {"campaign": campaign, "now": now}).scalars())
    if ids:
        settle(connection, rows_of(connection, *lock(connection, ids, skip_locked=True)), now)


def settle(connection: Connection, found: Sequence[Row[Any]], now: float) -> None:
    """End those of some batches that are full, or whose time is over; they are locked."""
    for row in found:
        state = state_of(row, now)
        if row.closed is None and state in ("full", "expired"):
            close(connection, row, state)


def counted() -> Select[Any]:
    """Batches, each with its questions, its judgements, and how many questions are still asked."""
    still = case((_questions.c.given < _questions.c.wanted, 1), else_=0)
    return (
        select(
            _batches,
            func.count().label("questions"),
            func.sum(_questions.c.given).label("judgements"),
            func.sum(still).label("waiting"),
        )
        .join(_members, _members.c.batch_id == _batches.c.id)
        .join(_questions, _questions.c.id == _members.c.question_id)
        .group_by(_batches.c.number)
    )


def rows_of(connection: Connection, *batch_ids: str) -> Sequence[Row[Any]]:
    """The rows of `counted` for some batches, in order of arrival."""
    return connection.execute(counted().where(_batches.c.id.in_(batch_ids)).order_by(_batches.c.number)).all()


def state_of(row: Row[Any], now: float) -> State:
    """The state of a batch (a row of `counted`) at a moment."""
    if row.closed is not None:
        return str(row.closed)  # type: ignore[return-value]  # one of the three words that `_close` writes
    if row.judgements >= row.maximum or not row.waiting:
        return "full"
    if row.expires is not None and row.expires <= now:
        return "expired"
    return "usable" if row.judgements >= row.minimum else "running"


def close(connection: Connection, row: Row[Any], state: State) -> None:
    """End a batch: its questions are asked no more, but for those that another batch still asks."""
    connection.execute(update(_batches).where(_batches.c.id == row.id).values(closed=state))
    running = select(_batches.c.id).where(_batches.c.closed.is_(None))
    elsewhere = select(_members.c.question_id).where(_members.c.batch_id.in_(running))
    mine = select(_members.c.question_id).where(_members.c.batch_id == row.id, _members.c.question_id.not_in(elsewhere))
    ids = list(connection.execute(mine).scalars())
    answers.lock_rows(connection, _questions, ids)
    for chunk in chunks(ids):
        connection.execute(update(_questions).where(_questions.c.id.in_(chunk)).values(stopped=1))
    places.recount(connection, ids)
    payload = {"batch": row.id, "campaign": row.campaign}
    if state == "full":
        payload["judgements"] = int(row.judgements)
    outbox.add(connection, f"batch.{state}", payload)
