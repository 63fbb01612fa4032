"""Where a model comes from: judgement -> snapshot -> reward model -> policy, and back when somebody is retracted.

A snapshot freezes the judgements that a training run saw: their ids in a fixed order, and a hash over what was
asked, of which texts, and what was answered. A model names its snapshot, its parent and its reward model; through
these every model can be traced to the people behind it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, insert, select, update

from heedful.errors import Problem
from heedful.feedback import answers, places, rows, tables
from heedful.feedback.accounts import outbox
from heedful.feedback.intake import chunks, rows_by
from heedful.feedback.store import Store
from heedful.feedback.tracing import ancestry, descent
from heedful.records import Model, Snapshot


@dataclass(frozen=True, slots=True)
class Touched:
    """What rests on the answers of one annotator."""

    judgement_ids: tuple[str, ...]
    snapshots: tuple[str, ...]
    """Hashes of the snapshots that hold one of the judgements."""
    models: tuple[Model, ...]
    """Trained on such a snapshot, or made from (or against) a model that was."""


def snapshot(store: Store, judgement_ids: Iterable[str]) -> Snapshot:
    """Freeze judgements; the same set gives the same snapshot, in whatever order and however often it is named.

    Raises:
        Problem: a judgement is unknown, or there is none.
    """
    ids = sorted(set(judgement_ids))
    if not ids:
        raise Problem("there is no judgement to freeze", mend="collect or import judgements first")
    with store.writing() as connection:
        found = Snapshot(_content_hash(connection, ids), tuple(ids))
        table = tables.snapshots
        if connection.execute(select(table.c.hash).where(table.c.hash == found.hash)).first() is None:
            connection.execute(insert(table).values(hash=found.hash))
            members = [
                {"snapshot": found.hash, "position": position, "judgement_id": name}
                for position, name in enumerate(ids)
            ]
            for chunk in chunks(members):
                connection.execute(insert(tables.snapshot_judgements), chunk)
    return found


def snapshot_of(store: Store, hash_: str) -> Snapshot:
    """The snapshot with a hash.

    Raises:
        Problem: there is none.
    """
    table = tables.snapshot_judgements
    with store.reading() as connection:
        query = select(table.c.judgement_id).where(table.c.snapshot == hash_).order_by(table.c.position)
        ids = tuple(connection.execute(query).scalars())
    if not ids:
        raise Problem(f'there is no snapshot "{hash_}"', mend="freeze the judgements first")
    return Snapshot(hash_, ids)


def snapshot_that_stands(store: Store, hash_: str) -> Snapshot:
    """The snapshot with a hash, to go on learning from.

    Raises:
        Problem: there is none, or somebody whose answers it holds was retracted since.
    """
    found = snapshot_of(store, hash_)
    members, events, people = tables.snapshot_judgements, tables.judgements, tables.annotators
    query = (
        select(people.c.id)
        .join(events, events.c.annotator_id == people.c.id)
        .join(members, members.c.judgement_id == events.c.id)
        .where(members.c.snapshot == hash_, people.c.retracted.is_not(None))
    )
    with store.reading() as connection:
        retracted = connection.execute(query.limit(1)).scalar()
    if retracted is not None:
        raise Problem(
            f'this run began with answers of "{retracted}", who was retracted since',
            mend="begin it anew, without those answers: add --restart",
        )
    return found


def set_status(store: Store, model_id: str, status: Literal["candidate", "promoted", "rejected"]) -> None:
    """Promote or reject a model.

    Raises:
        Problem: there is no such model.
    """
    store.model(model_id)
    with store.writing() as connection:
        connection.execute(update(tables.models).where(tables.models.c.id == model_id).values(status=status))


def judgements_behind(store: Store, model_id: str) -> tuple[str, ...]:
    """The ids of all judgements that a model rests on, through its ancestors and their reward models, sorted.

    Raises:
        Problem: there is no such model.
    """
    store.model(model_id)
    snapshots = {model.snapshot for model in ancestry(store.models(), model_id)}
    table = tables.snapshot_judgements
    with store.reading() as connection:
        query = select(table.c.judgement_id).where(table.c.snapshot.in_([name for name in snapshots if name]))
        return tuple(sorted(set(connection.execute(query).scalars())))


def models_touched_by(store: Store, annotator_id: str) -> list[Model]:
    """The models that rest on an answer of an annotator, in the order in which they were made."""
    return list(touched_by(store, annotator_id).models)


def touched_by(store: Store, annotator_id: str) -> Touched:
    """Everything that rests on the answers of an annotator.

    Raises:
        Problem: there is no such annotator.
    """
    members, events = tables.snapshot_judgements, tables.judgements
    with store.reading() as connection:
        _must_exist(connection, annotator_id)
        mine = select(events.c.id).where(events.c.annotator_id == annotator_id)
        judgement_ids = tuple(sorted(connection.execute(mine).scalars()))
        frozen = select(members.c.snapshot).where(members.c.judgement_id.in_(mine)).distinct()
        snapshots = tuple(sorted(connection.execute(frozen).scalars()))
    return Touched(judgement_ids, snapshots, tuple(descent(store.models(), snapshots)))


def retract(store: Store, annotator_id: str, reason: str = "") -> Touched:
    """Stop counting an annotator's answers, past and future, and say what had been built on them.

    The answers stay in the store as events, but no view shows them, their places are free again, and the annotator
    gets no work. Retracting twice changes nothing.

    Raises:
        Problem: there is no such annotator.
    """
    people, work = tables.annotators, tables.assignments
    touched = touched_by(store, annotator_id)
    with store.writing() as connection:
        changed = connection.execute(
            update(people)
            .where(people.c.id == annotator_id, people.c.retracted.is_(None))
            .values(retracted=datetime.now(UTC).isoformat(timespec="seconds"), retracted_reason=reason)
        )
        if changed.rowcount:
            ids = [model.id for model in touched.models]
            payload = {"annotator": annotator_id, "snapshots": touched.snapshots, "models": ids}
            outbox.add(connection, "annotator.retracted", payload)
        theirs = select(work.c.question_id).where(work.c.annotator_id == annotator_id)
        question_ids = list(connection.execute(theirs).scalars())
        answers.lock_rows(connection, tables.questions, question_ids)
        connection.execute(
            update(work).where(work.c.annotator_id == annotator_id).values(state="expired", leased_until=None)
        )
        places.recount(connection, question_ids)
    return touched


def _must_exist(connection: Connection, annotator_id: str) -> None:
    if not rows_by(connection, tables.annotators.c.id, [annotator_id]):
        raise Problem(f'there is no annotator "{annotator_id}"', mend="check the id")


def _content_hash(connection: Connection, ids: list[str]) -> str:
    """SHA-256 over each judgement with what was asked: kind, prompt, texts, answer; sorted by judgement id."""
    events = rows_by(connection, tables.judgements.c.id, ids)
    if missing := [name for name in ids if name not in events]:
        raise Problem(f'there is no judgement "{missing[0]}"', where="snapshot", mend="submit or import it first")
    questions = answers.questions_by_id(connection, [row.question_id for row in events.values()])
    prompts = rows_by(connection, tables.prompts.c.id, (question.prompt_id for question in questions.values()))
    shown = (name for question in questions.values() for name in question.completion_ids)
    texts = rows_by(connection, tables.completions.c.id, shown, tables.completions.c.id, tables.completions.c.text)
    digest = hashlib.sha256()
    for name in ids:
        event, question = events[name], questions[events[name].question_id]
        prompt = prompts[question.prompt_id]
        content: list[Any] = [
            rows.of_judgement(rows.judgement_of(event)),
            [question.kind, question.purpose, prompt.text, prompt.messages],
            [texts[completion_id].text for completion_id in question.completion_ids],
        ]
        digest.update(rows.canonical(content).encode() + b"\n")
    return digest.hexdigest()
