"""How records come into the store: checked, in bulk, once each, inside the caller's transaction.

A record whose id is already stored is left as it is, so that the same import can be repeated. Where its content
differs (another text under the same id), that is a mistake of whoever made the id, and is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, Row, Select, Table, bindparam, insert, select
from sqlalchemy.dialects import postgresql

from heedful.errors import Conflict, Problem
from heedful.feedback import rows, tables
from heedful.feedback.questions import kind_of
from heedful.records import Annotator, Completion, Model, Prompt, Question

Item = TypeVar("Item")

CHUNK = 5000
"""Ids or rows in one statement; both databases take several times as many."""


def chunks(values: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """`values` in slices of at most CHUNK."""
    return (values[start : start + CHUNK] for start in range(0, len(values), CHUNK))


def rows_by(
    connection: Connection, column: Column[Any], values: Iterable[Any], *columns: Column[Any]
) -> dict[Any, Row[Any]]:
    """The rows (all columns of the table, or `columns`) where the unique `column` is one of `values`, by it."""
    wanted = list(dict.fromkeys(values))
    found: dict[Any, Row[Any]] = {}
    for chunk in chunks(wanted):
        found |= {row._mapping[column]: row for row in connection.execute(_by(column, columns), {"wanted": chunk})}
    return found


@cache
def _by(column: Column[Any], columns: tuple[Column[Any], ...]) -> Select[Any]:
    return select(*(columns or column.table.c)).where(column.in_(bindparam("wanted", expanding=True)))


def add_annotators(connection: Connection, annotators: Sequence[Annotator]) -> int:
    """Store annotators; returns how many are new."""
    return len(_add(connection, tables.annotators, [rows.of_annotator(annotator) for annotator in annotators], ()))


def add_prompts(connection: Connection, prompts: Sequence[Prompt]) -> int:
    """Store prompts; returns how many are new."""
    return len(_add(connection, tables.prompts, [rows.of_prompt(prompt) for prompt in prompts], ("text", "messages")))


def add_completions(connection: Connection, completions: Sequence[Completion]) -> int:
    """Store completions of stored prompts; returns how many are new."""
    found = [rows.of_completion(completion) for completion in completions]
    _require(connection, tables.prompts, ((row["prompt_id"], f'completion "{row["id"]}"') for row in found))
    return len(_add(connection, tables.completions, found, ("prompt_id", "text")))


def add_questions(connection: Connection, questions: Sequence[Question]) -> int:
    """Store questions about stored prompts and completions; returns how many are new."""
    for question in questions:
        kind_of(question).validate_question(question)
    found = [rows.of_question(question) for question in questions]
    _require(connection, tables.prompts, ((row["prompt_id"], f'question "{row["id"]}"') for row in found))
    shown = [(name, f'question "{question.id}"') for question in questions for name in question.completion_ids]
    owners = _require(connection, tables.completions, shown, tables.completions.c.prompt_id)
    for question in questions:
        for completion_id in question.completion_ids:
            if owners[completion_id].prompt_id != question.prompt_id:
                raise Problem(
                    f'the completion "{completion_id}" belongs to another prompt',
                    where=f'question "{question.id}", field "completion_ids"',
                    mend="ask about completions of the question's own prompt",
                )
    new = {row["id"] for row in _add(connection, tables.questions, found, ("kind", "prompt_id"))}
    positions = [
        {"question_id": question.id, "position": position, "completion_id": completion_id}
        for question in {question.id: question for question in questions if question.id in new}.values()
        for position, completion_id in enumerate(question.completion_ids)
    ]
    _insert(connection, tables.question_completions, positions)
    _same_completions(connection, questions)
    return len(new)


def add_model(connection: Connection, model: Model) -> bool:
    """Store a model; False when this very model is stored already.

    Raises:
        Problem: its parent or snapshot is unknown, another model has its id, or its snapshot holds a judgement of
            an `evaluate` question, on which nothing may be trained.
    """
    row = rows.of_model(model)
    where = f'model "{model.id}"'
    stored = rows_by(connection, tables.models.c.id, [model.id, *([model.parent] if model.parent else [])])
    if model.id in stored:
        if any(stored[model.id]._mapping[name] != value for name, value in row.items()):
            raise Problem("another model is stored under this id", where=where, mend="give it an id of its own")
        return False
    if model.parent is not None and model.parent not in stored:
        raise Problem(
            f'there is no model "{model.parent}"', where=f'{where}, field "parent"', mend="add the parent first"
        )
    if model.snapshot is not None:
        _refuse_evaluation(connection, model.snapshot, where)
    connection.execute(insert(tables.models).values(**row))
    return True


_shown = tables.question_completions
_COMPLETIONS = (
    select(_shown.c.question_id, _shown.c.completion_id)
    .where(_shown.c.question_id.in_(bindparam("wanted", expanding=True)))
    .order_by(_shown.c.question_id, _shown.c.position)
)


def completion_ids_of(connection: Connection, question_ids: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The completions of each question, in its order."""
    found: dict[str, list[str]] = {name: [] for name in question_ids}
    for chunk in chunks(list(found)):
        for question_id, completion_id in connection.execute(_COMPLETIONS, {"wanted": chunk}):
            found[question_id].append(completion_id)
    return {name: tuple(ids) for name, ids in found.items()}


def _same_completions(connection: Connection, questions: Sequence[Question]) -> None:
    stored = completion_ids_of(connection, [question.id for question in questions])
    for question in questions:
        if stored[question.id] != question.completion_ids:
            raise _differs("question", question.id, "completion_ids")


def _add(
    connection: Connection, table: Table, found: Sequence[rows.Values], content: tuple[str, ...]
) -> Sequence[rows.Values]:
    """Insert the rows whose ids are new, and give them back; `content` names what may not differ under one id."""
    stored: dict[str, Mapping[Any, Any]] = {
        name: dict(row._mapping)
        for name, row in rows_by(
            connection, table.c.id, (row["id"] for row in found), table.c.id, *(table.c[name] for name in content)
        ).items()
    }
    new = []
    for row in found:
        known = stored.get(row["id"])
        if known is None:
            stored[row["id"]] = row
            new.append(row)
            continue
        for name in content:
            if known[name] != row[name]:
                raise _differs(table.name.removesuffix("s"), row["id"], name)
    _insert(connection, table, new)
    return new


def _insert(connection: Connection, table: Table, new: Sequence[rows.Values]) -> None:
    """Insert in bulk. On PostgreSQL somebody else may have inserted the same ids meanwhile; theirs stay."""
    statement: Any = insert(table)
    if connection.dialect.name == "postgresql":
        statement = postgresql.insert(table).on_conflict_do_nothing()
    for chunk in chunks(new):
        connection.execute(statement, chunk)


def _require(
    connection: Connection, table: Table, wanted: Iterable[tuple[str, str]], *columns: Column[Any]
) -> dict[Any, Row[Any]]:
    """The rows with the wanted (id, who wants it); a `Problem` for the first that is missing."""
    pairs = list(wanted)
    found = rows_by(connection, table.c.id, (name for name, _ in pairs), table.c.id, *columns)
    for name, where in pairs:
        if name not in found:
            noun = table.name.removesuffix("s")
            raise Problem(
                f'there is no {noun} "{name}"', where=where, mend=f"add the {noun} first, or in the same call"
            )
    return found


def _refuse_evaluation(connection: Connection, hash_: str, where: str) -> None:
    members, events, asked = tables.snapshot_judgements, tables.judgements, tables.questions
    if connection.execute(select(tables.snapshots.c.hash).where(tables.snapshots.c.hash == hash_)).first() is None:
        raise Problem(
            f'there is no snapshot "{hash_}"', where=f'{where}, field "snapshot"', mend="freeze the judgements first"
        )
    query = (
        select(events.c.id)
        .join(members, members.c.judgement_id == events.c.id)
        .join(asked, asked.c.id == events.c.question_id)
        .where(members.c.snapshot == hash_, asked.c.purpose == "evaluate")
    )
    held_out = connection.execute(query).first()
    if held_out is not None:
        raise Problem(
            f'its snapshot holds the judgement "{held_out.id}" of an evaluate question',
            where=f'{where}, field "snapshot"',
            mend='freeze only judgements with purpose "train"',
        )


def _differs(noun: str, name: str, field: str) -> Problem:
    return Conflict(
        f"another {noun} is stored under this id",
        where=f'{noun} "{name}", field "{field}"',
        mend="give different content different ids",
    )
