"""What the store knows about answers, read once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, cast, func, select

from heedful.feedback import answers, rows, steering_tables, tables
from heedful.feedback.kind import withdrawn
from heedful.feedback.quality.evidence import Evidence, Given
from heedful.feedback.store import Names, Store

_LEARNING = select(steering_tables.gold.c.question_id).where(steering_tables.gold.c.use == "training")
_WORKED = [tables.questions.c.id.not_in(_LEARNING)]
"""All questions but those that people learn on."""


def evidence(store: Store, campaign: Names | None = None) -> Evidence:
    """Read what holds (see `Store.judgements`), skips included.

    Answers to training items are left out: people are still learning there.

    Args:
        store: where the answers are.
        campaign: only its questions (one name or several); all questions when it is left out.
    """
    questions, people = tables.questions, tables.annotators
    names = [campaign] if isinstance(campaign, str) else campaign
    chosen = [] if names is None else [questions.c.campaign.in_(list(names))]
    chosen += _WORKED
    with store.reading() as connection:
        given = _answers(connection, chosen)
        asked = {each.question_id for each in given}
        completions, characters = _texts(connection, chosen, asked)
        found = {
            row.id: rows.question_of(row, completions.get(row.id, ()))
            for row in connection.execute(select(questions).where(*chosen).order_by(questions.c.number))
            if row.id in asked
        }
        known, hidden = _known(connection, chosen)
        called = {row.id: row.name for row in connection.execute(select(people.c.id, people.c.name))}
    return Evidence(given, found, characters, known, hidden, called)


def known_answers(store: Store) -> tuple[dict[str, Any], frozenset[str]]:
    """(Question -> the answer that its owner knows to be right, those of which annotators are not told)."""
    with store.reading() as connection:
        return _known(connection, _WORKED)


def _known(connection: Connection, chosen: Sequence[ColumnElement[bool]]) -> tuple[dict[str, Any], frozenset[str]]:
    gold, questions = steering_tables.gold, tables.questions
    query = select(gold).join(questions, questions.c.id == gold.c.question_id).where(*chosen)
    items = connection.execute(query).all()
    hidden = frozenset(row.question_id for row in items if row.use == "gold")
    return {row.question_id: row.answer for row in items}, hidden


def _answers(connection: Connection, chosen: Sequence[ColumnElement[bool]]) -> list[Given]:
    """Equal answers share one object: most of thousands of choices are the same few texts, and are parsed once."""
    events, questions = tables.judgements, tables.questions
    query = (
        select(
            events.c.question_id,
            events.c.annotator_id,
            cast(events.c.answer, Text),
            cast(events.c.shown, Text),
            events.c.created,
            events.c.duration_s,
        )
        .join(questions, questions.c.id == events.c.question_id)
        .where(*answers.holding(), *chosen)
        .order_by(events.c.number)
    )
    parsed: dict[str, Any] = {}
    found = []
    for question_id, annotator_id, answer_text, shown_text, created, duration_s in connection.execute(query):
        if answer_text not in parsed:
            parsed[answer_text] = json.loads(answer_text)
        if shown_text not in parsed:
            parsed[shown_text] = tuple(json.loads(shown_text))
        answer, shown = parsed[answer_text], parsed[shown_text]
        if not withdrawn(answer):
            found.append(Given(question_id, annotator_id, answer, shown, created, duration_s))
    return found


def _texts(
    connection: Connection, chosen: Sequence[ColumnElement[bool]], asked: set[str]
) -> tuple[dict[str, tuple[str, ...]], dict[str, int]]:
    """(Question -> its completions in order, question -> their characters together)."""
    links, texts = tables.question_completions, tables.completions
    query = (
        select(links.c.question_id, links.c.completion_id, func.length(texts.c.text))
        .join(texts, texts.c.id == links.c.completion_id)
        .join(tables.questions, tables.questions.c.id == links.c.question_id)
        .where(*chosen)
        .order_by(links.c.question_id, links.c.position)
    )
    ids: dict[str, list[str]] = {}
    characters: dict[str, int] = {}
    for question_id, completion_id, length in connection.execute(query):
        if question_id in asked:
            ids.setdefault(question_id, []).append(completion_id)
            characters[question_id] = characters.get(question_id, 0) + length
    return {name: tuple(each) for name, each in ids.items()}, characters
