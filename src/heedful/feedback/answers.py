"""How answers come into the store: one transaction, each event once, checked against its question.

A judgement is an event. It is never changed; a later one supersedes it (an edit, or a withdrawal). One person has
one chain of events on a question: a second first answer, or a second successor, is refused. The assignment of
(question, annotator) follows its newest event: submitted, skipped, or expired when the answer was withdrawn.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    Table,
    bindparam,
    insert,
    select,
    text,
    tuple_,
    update,
)

from heedful.errors import Conflict, Problem
from heedful.feedback import places, rows, tables
from heedful.feedback.intake import chunks, completion_ids_of, rows_by
from heedful.feedback.questions import kind_of, skipped, withdrawn
from heedful.records import Judgement, Question


def submit(connection: Connection, judgements: Sequence[Judgement]) -> int:
    """Store the judgements that are new and move their assignments on; returns how many are new.

    Raises:
        Problem: an unknown question or annotator, a retracted annotator, an answer that is not of the question's
            kind, a display order that is no permutation, an id that carries another judgement already, a second
            answer that does not say which one it supersedes, or one that supersedes what is not the newest.
    """
    found = [rows.of_judgement(judgement) for judgement in judgements]
    lock_rows(connection, tables.annotators, {row["annotator_id"] for row in found}, shared=True)
    lock_rows(connection, tables.questions, {row["question_id"] for row in found})
    new = _new(connection, found)
    if not new:
        return 0
    known = _Known.of(connection, new)
    for row in new:
        known.check(row)
    for chunk in chunks(new):
        connection.execute(insert(tables.judgements), chunk)
    _move_assignments(connection, new)
    places.recount(connection, {row["question_id"] for row in new})
    return len(new)


def holding() -> list[ColumnElement[bool]]:
    """What is true of a row of `judgements` that holds: not superseded, nobody retracted, not set aside.

    A withdrawal is no such row's successor but the newest itself: leave it out by its answer.
    """
    table, later, held = tables.judgements, tables.judgements.alias("later"), tables.assignments
    gone = select(tables.annotators.c.id).where(tables.annotators.c.retracted.is_not(None))
    aside = select(held.c.question_id, held.c.annotator_id).where(held.c.counts == 0)
    return [
        ~select(later.c.id).where(later.c.supersedes == table.c.id).exists(),
        table.c.annotator_id.not_in(gone),
        tuple_(table.c.question_id, table.c.annotator_id).not_in(aside),
    ]


def questions_by_id(connection: Connection, ids: Sequence[str]) -> dict[str, Question]:
    """The stored questions among `ids`."""
    found = rows_by(connection, tables.questions.c.id, ids)
    completion_ids = completion_ids_of(connection, found)
    return {name: rows.question_of(row, completion_ids[name]) for name, row in found.items()}


def _new(connection: Connection, found: Sequence[rows.Values]) -> list[rows.Values]:
    """The rows that are not stored yet; the same id with another body is refused."""
    stored = {
        name: {key: value for key, value in row._mapping.items() if key != "number"}
        for name, row in rows_by(connection, tables.judgements.c.id, (row["id"] for row in found)).items()
    }
    new = []
    for row in found:
        if row["id"] not in stored:
            stored[row["id"]] = row
            new.append(row)
        elif different := [name for name, value in row.items() if stored[row["id"]][name] != value]:
            raise Conflict(
                "another judgement is stored under this id",
                where=f'judgement "{row["id"]}", field "{different[0]}"',
                mend="make a new UUID for each answer, and let a changed answer supersede the old one",
            )
    return new


@dataclass(frozen=True, slots=True)
class _Known:
    """What the store knows of the questions, annotators and earlier answers that new judgements speak of."""

    questions: dict[str, Question]
    texts: dict[str, str]
    annotators: dict[str, Row[Any]]
    newest: dict[tuple[str, str], str]
    """(question, annotator) -> the judgement that a further one must supersede."""

    @classmethod
    def of(cls, connection: Connection, new: Sequence[rows.Values]) -> _Known:
        ids = list(dict.fromkeys(row["question_id"] for row in new))
        questions = questions_by_id(connection, ids)
        completion_ids = [
            name for question in questions.values() if kind_of(question).reads_texts for name in question.completion_ids
        ]
        table = tables.completions
        texts = rows_by(connection, table.c.id, completion_ids, table.c.id, table.c.text)
        people = rows_by(
            connection,
            tables.annotators.c.id,
            (row["annotator_id"] for row in new),
            tables.annotators.c.id,
            tables.annotators.c.retracted,
        )
        return cls(questions, {name: row.text for name, row in texts.items()}, people, newest(connection, ids))

    def check(self, row: rows.Values) -> None:
        """Refuse a row that does not fit, else count it as the newest of its person and question."""
        where = f'judgement "{row["id"]}"'
        question = self.questions.get(row["question_id"])
        if question is None:
            raise Problem(f'there is no question "{row["question_id"]}"', where=f'{where}, field "question_id"')
        annotator = self.annotators.get(row["annotator_id"])
        if annotator is None:
            raise Problem(
                f'there is no annotator "{row["annotator_id"]}"',
                where=f'{where}, field "annotator_id"',
                mend="add the annotator first, or in the same call",
            )
        if annotator.retracted:
            raise Problem(f'the annotator "{annotator.id}" was retracted', where=where, mend="no answer was stored")
        if row["shown"] and sorted(row["shown"]) != list(range(len(question.completion_ids))):
            raise Problem(
                f"{row['shown']} is no order of {len(question.completion_ids)} completions",
                where=f'{where}, field "shown"',
                mend="name each position once, from 0",
            )
        try:
            texts = [self.texts[name] for name in question.completion_ids if name in self.texts]
            kind_of(question).validate(row["answer"], question, texts)
        except Problem as problem:
            raise Problem(problem.what, where=f"{where}, {problem.where}", mend=problem.mend) from None
        self._check_chain(row, where)

    def _check_chain(self, row: rows.Values, where: str) -> None:
        person = (row["question_id"], row["annotator_id"])
        last = self.newest.get(person)
        if row["supersedes"] is None and last is not None:
            raise Conflict(
                "this annotator has answered the question already",
                where=where,
                mend=f'to change the answer, send it with supersedes "{last}"',
            )
        if row["supersedes"] != last:
            raise Conflict(
                f'"{row["supersedes"]}" is not this annotator\'s newest answer to the question',
                where=f'{where}, field "supersedes"',
                mend=f'supersede "{last}"' if last else "leave supersedes out: there is no earlier answer",
            )
        if row["supersedes"] is None and withdrawn(row["answer"]):
            raise Problem("there is no answer to withdraw", where=where, mend="answer first, or send nothing")
        self.newest[person] = row["id"]


def newest(connection: Connection, question_ids: Sequence[str]) -> dict[tuple[str, str], str]:
    """(question, annotator) -> the id of the newest judgement, for some questions."""
    found: dict[tuple[str, str], str] = {}
    for chunk in chunks(question_ids):
        events = connection.execute(_EVENTS, {"wanted": chunk})
        found |= {(question, person): name for question, person, name in events}
    return found


_of_some: BindParameter[Any] = bindparam("wanted", expanding=True)
_events, _assignments = tables.judgements, tables.assignments
_EVENTS = (
    select(_events.c.question_id, _events.c.annotator_id, _events.c.id)
    .where(_events.c.question_id.in_(_of_some))
    .order_by(_events.c.number)
)
_ASSIGNMENTS = select(_assignments.c.question_id, _assignments.c.annotator_id, _assignments.c.number).where(
    _assignments.c.question_id.in_(_of_some)
)
_MOVE = (
    update(_assignments)
    .where(_assignments.c.number == bindparam("at"))
    .values(state=bindparam("to"), leased_until=None)
)


def lock_rows(connection: Connection, table: Table, ids: Collection[str], *, shared: bool = False) -> None:
    """Keep other transactions from changing some annotators or questions until this one ends.

    An assignment is only written under the lock of its question, and locks are taken in one order (annotators, then
    questions, each by id), so that no two transactions wait for each other. Who may come to lock further questions
    after a first one calls `lock_many` before. SQLite has one writer at a time anyway.
    """
    if connection.dialect.name != "postgresql":
        return
    if table is tables.questions and len(ids) > 1:
        lock_many(connection)
    for chunk in chunks(sorted(ids)):
        query = select(table.c.id).where(table.c.id.in_(chunk)).order_by(table.c.id)
        # Rows that merely point to a locked one, by a foreign key, can still be written.
        connection.execute(query.with_for_update(read=shared, key_share=not shared))


def lock_many(connection: Connection) -> None:
    """Be the only transaction that locks more than one question, until it ends."""
    lock_name(connection, "questions")


def lock_name(connection: Connection, name: str) -> None:
    """Hold, on PostgreSQL, a lock that stands for no row, until the transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK_NAME, {"name": f"heedful {name}"})


_LOCK_NAME = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")


def _move_assignments(connection: Connection, new: Sequence[rows.Values]) -> None:
    """Bring the assignments of the judged (question, annotator) pairs up to their newest answer."""
    states: dict[tuple[str, str], rows.Values] = {
        (row["question_id"], row["annotator_id"]): {
            "state": "expired" if withdrawn(row["answer"]) else "skipped" if skipped(row["answer"]) else "submitted",
            "shown": row["shown"],
        }
        for row in new
    }
    stored: dict[tuple[str, str], int] = {}
    for chunk in chunks(list(dict.fromkeys(question for question, _ in states))):
        known = connection.execute(_ASSIGNMENTS, {"wanted": chunk})
        stored |= {(question, person): number for question, person, number in known}
    moved = [{"at": stored[pair], "to": states[pair]["state"]} for pair in states if pair in stored]
    made = [
        {"question_id": pair[0], "annotator_id": pair[1], "leased_until": None, **values}
        for pair, values in states.items()
        if pair not in stored
    ]
    if moved:
        connection.execute(_MOVE, moved)
    for rows_made in chunks(made):
        connection.execute(insert(_assignments), rows_made)
