"""How many answers each question has and wants by now: counters beside the events, kept in their transactions.

`given` counts the answers that hold: submitted, and not set aside. `wanted` is never below it, and a question is
open, that is, still asked, while `given < wanted`; an index holds the open ones, so that finding work costs the same
however many are finished. Whoever changes an assignment's `state` (to or from submitted) or `counts` calls `recount`
under the question's lock.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, Select, bindparam, func, select, update

from heedful.feedback import steering_tables, tables
from heedful.feedback.intake import chunks
from heedful.records import Metadata

_questions, _assignments, _events = tables.questions, tables.assignments, tables.judgements


@dataclass(frozen=True, slots=True)
class Said:
    """An answer that holds, as `quality.reliability.sureness` weighs it."""

    annotator_id: str
    answer: Metadata
    shown: tuple[int, ...]


def recount(connection: Connection, question_ids: Collection[str]) -> set[str]:
    """Bring the counters of some questions up to their assignments; returns the questions that were closed by it.

    A gold item wants nothing; a stopped question wants what it has. Every other wants its overlap, and where its
    campaign's overlap is dynamic and the answers leave us unsure, one more, up to the maximum.
    """
    closed: set[str] = set()
    for chunk in chunks(sorted(set(question_ids))):
        found = _rows(connection, chunk)
        given = _given(connection, chunk)
        wanted = _wanted(connection, found, given)
        changed = [
            {"at": row.number, "now_given": given.get(row.id, 0), "now_wanted": wanted[row.id]}
            for row in found
            if (row.given, row.wanted) != (given.get(row.id, 0), wanted[row.id])
        ]
        if changed:
            connection.execute(_CHANGE, changed)
        closed |= {row.id for row in found if row.given < row.wanted and given.get(row.id, 0) >= wanted[row.id]}
    return closed


def answers_that_hold(connection: Connection, question_ids: Sequence[str]) -> dict[str, list[Said]]:
    """Question -> the newest answer of each person whose answer counts; for at most `intake.CHUNK` questions."""
    query = (
        select(_events.c.question_id, _events.c.annotator_id, _events.c.answer, _events.c.shown)
        .join(
            _assignments,
            (_assignments.c.question_id == _events.c.question_id)
            & (_assignments.c.annotator_id == _events.c.annotator_id),
        )
        .where(_events.c.question_id.in_(question_ids), _assignments.c.state == "submitted", _assignments.c.counts == 1)
        .order_by(_events.c.number)
    )
    newest: dict[str, dict[str, Said]] = {}
    for row in connection.execute(query):
        said = Said(row.annotator_id, row.answer, tuple(row.shown))
        newest.setdefault(row.question_id, {})[row.annotator_id] = said
    return {name: list(answers.values()) for name, answers in newest.items()}


def _rows(connection: Connection, ids: Sequence[str]) -> Sequence[Row[Any]]:
    return connection.execute(_COUNTED, {"wanted": ids}).all()


def _given(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    return {row.question_id: row.given for row in connection.execute(_GIVEN, {"wanted": ids})}


def _wanted(connection: Connection, found: Iterable[Row[Any]], given: Mapping[str, int]) -> dict[str, int]:
    wanted, full = {}, []
    for row in found:
        count = given.get(row.id, 0)
        wanted[row.id] = 0 if row.use else count if row.stopped else max(row.overlap, count)
        if not (row.use or row.stopped) and count >= row.overlap:
            full.append(row)
    rules = _dynamic(connection, {row.campaign for row in full})
    unsettled = [row for row in full if row.campaign in rules and given[row.id] < rules[row.campaign][0]]
    if unsettled:
        from heedful.feedback.quality.reliability import sureness  # it is needed seldom, and brings SciPy

        answers = answers_that_hold(connection, [row.id for row in unsettled])
        for row in unsettled:
            if sureness(answers.get(row.id, [])) < rules[row.campaign][1]:
                wanted[row.id] = given[row.id] + 1
    return wanted


def _dynamic(connection: Connection, campaigns: Collection[str]) -> dict[str, tuple[int, float]]:
    """Campaign -> (maximum overlap, how sure to be), for those whose overlap is dynamic."""
    if not campaigns:
        return {}
    return {
        name: (settings["maximum_overlap"], settings["sure"])
        for name, settings in connection.execute(_SETTINGS, {"wanted": sorted(campaigns)})
        if settings.get("maximum_overlap")
    }


# The statements, each made once: to make one takes several times as long as to run it.

_some: BindParameter[Any] = bindparam("wanted", expanding=True)
_gold, _campaigns = steering_tables.gold, steering_tables.campaigns
_columns: list[Any] = [
    _questions.c[name] for name in ("number", "id", "campaign", "overlap", "given", "wanted", "stopped")
]
_COUNTED: Select[Any] = (
    select(*_columns, _gold.c.use)
    .outerjoin(_gold, _gold.c.question_id == _questions.c.id)
    .where(_questions.c.id.in_(_some))
)
_GIVEN = (
    select(_assignments.c.question_id, func.count().label("given"))
    .where(_assignments.c.question_id.in_(_some), _assignments.c.state == "submitted", _assignments.c.counts == 1)
    .group_by(_assignments.c.question_id)
)
_SETTINGS = select(_campaigns.c.name, _campaigns.c.settings).where(_campaigns.c.name.in_(_some))
_CHANGE = (
    update(_questions)
    .where(_questions.c.number == bindparam("at"))
    .values(given=bindparam("now_given"), wanted=bindparam("now_wanted"))
)
