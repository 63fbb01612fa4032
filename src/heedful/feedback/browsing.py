"""Looking for questions, and everything that is known of one: for the people who steer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Select, Text, cast, func, or_, select

from heedful.feedback import answers, rows
from heedful.feedback.intake import chunks, rows_by
from heedful.feedback.questions import skipped, withdrawn
from heedful.feedback.steering_tables import comments, gold
from heedful.feedback.store import Store
from heedful.feedback.tables import annotators, assignments, completions, judgements, prompts, questions
from heedful.feedback.tables import question_completions as shown
from heedful.records import Annotator, Completion, Judgement, Prompt, Question

Fate = Literal["holds", "superseded", "withdrawn", "aside", "retracted"]
"""Whether a judgement counts, and if not, why. `aside`: its annotator is paused, and their work is done again."""

Mark = Literal["", "unanswered", "disagreement", "flagged", "bad", "skipped", "commented", "training", "exam", "gold"]
"""What a question is looked for by: how it was answered, whether people talk about it, whether its answer is known."""

MARKS: tuple[Mark, ...] = (
    *("unanswered", "disagreement", "flagged", "bad", "skipped", "commented", "training", "exam", "gold"),
)

NOT_A_VERDICT = ("reason", "metadata", "strength", "scale")
"""Fields of an answer in which two people who agree may differ."""


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for; an empty field asks for nothing."""

    campaign: str = ""
    kind: str = ""
    purpose: str = ""
    policy: str = ""
    """A version that wrote one of the completions."""
    mark: Mark = ""
    text: str = ""
    """In the prompt or a completion, whatever the case, or a question's id."""


@dataclass(frozen=True, slots=True)
class Found:
    """A question in a list."""

    question: Question
    prompt: Prompt
    given: int
    """Answers that take a place."""
    comments: int
    gold: str
    """`training`, `exam`, `gold`, or empty."""
    disagreement: float | None
    """Share of pairs of answers that differ; None where fewer than two can be compared."""


@dataclass(frozen=True, slots=True)
class Event:
    """A judgement, who made it, and whether it still counts."""

    judgement: Judgement
    annotator: Annotator
    number: int
    fate: Fate


@dataclass(frozen=True, slots=True)
class Dossier:
    """One question with all that was shown and said."""

    question: Question
    prompt: Prompt
    completions: tuple[Completion, ...]
    """In the question's order."""
    events: tuple[Event, ...]
    """Every judgement there ever was, oldest first."""


def search(store: Store, wanted: Search, offset: int = 0, limit: int = 25) -> tuple[list[Found], int]:
    """A page of the questions that match, and how many match in all.

    The newest come first; looked for by disagreement, those about which people differ most.
    """
    with store.reading() as connection:
        ids = list(connection.execute(_matching(wanted)).scalars())
        if wanted.mark in ("disagreement", "flagged", "bad", "skipped"):
            ids = _by_answers(connection, ids, wanted.mark)
        page = ids[offset : offset + limit]
        return _described(connection, page), len(ids)


def dossier(store: Store, question_id: str) -> Dossier | None:
    """A question with everything about it; None when there is no such question."""
    with store.reading() as connection:
        question = answers.questions_by_id(connection, [question_id]).get(question_id)
        if question is None:
            return None
        prompt = rows_by(connection, prompts.c.id, [question.prompt_id])[question.prompt_id]
        texts = rows_by(connection, completions.c.id, question.completion_ids)
        query = select(judgements).where(judgements.c.question_id == question_id).order_by(judgements.c.number)
        found = connection.execute(query).all()
        people = rows_by(connection, annotators.c.id, (row.annotator_id for row in found))
        held = assignments.c.question_id == question_id
        aside = set(
            connection.execute(select(assignments.c.annotator_id).where(held, assignments.c.counts == 0)).scalars()
        )
    superseded = {row.supersedes for row in found}
    events = []
    for row in found:
        person = people[row.annotator_id]
        fate: Fate = "holds"
        if row.id in superseded:
            fate = "superseded"
        elif withdrawn(row.answer):
            fate = "withdrawn"
        elif person.retracted:
            fate = "retracted"
        elif row.annotator_id in aside:
            fate = "aside"
        events.append(Event(rows.judgement_of(row), rows.annotator_of(person), row.number, fate))
    return Dossier(
        question=question,
        prompt=rows.prompt_of(prompt),
        completions=tuple(rows.completion_of(texts[name]) for name in question.completion_ids),
        events=tuple(events),
    )


def disagreement(said: Sequence[Mapping[str, Any]]) -> float | None:
    """The share of pairs of answers that differ; None with fewer than two. Free texts are not compared."""
    verdicts = Counter(verdict for answer in said if (verdict := _verdict(answer)) is not None)
    count = verdicts.total()
    if count < 2:
        return None
    same = sum(number * (number - 1) for number in verdicts.values())
    return 1 - same / (count * (count - 1))


def _verdict(answer: Mapping[str, Any]) -> str | None:
    if skipped(answer) or withdrawn(answer) or "text" in answer:
        return None
    if "flags" in answer:
        return rows.canonical(sorted({flag["name"] for flag in answer["flags"]}))
    return rows.canonical({name: value for name, value in answer.items() if name not in NOT_A_VERDICT})


def _matching(wanted: Search) -> Select[str]:
    """Ids of the questions that match all but what stands in the answers, the newest first."""
    query = select(questions.c.id).order_by(questions.c.number.desc())
    for column, value in (
        (questions.c.campaign, wanted.campaign),
        (questions.c.kind, wanted.kind),
        (questions.c.purpose, wanted.purpose),
    ):
        query = query.where(column == value) if value else query
    if wanted.policy:
        query = query.where(questions.c.id.in_(_showing(completions.c.policy == wanted.policy)))
    if wanted.text:
        query = query.where(_says(wanted.text))
    answered = select(judgements.c.question_id)
    match wanted.mark:
        case "unanswered":
            query = query.where(questions.c.id.not_in(answered))
        case "commented":
            query = query.where(questions.c.id.in_(select(comments.c.question_id)))
        case "training" | "exam" | "gold":
            query = query.where(questions.c.id.in_(select(gold.c.question_id).where(gold.c.use == wanted.mark)))
    return query


def _showing(condition: ColumnElement[bool]) -> Select[str]:
    """Ids of the questions that show a completion for which a condition holds."""
    return select(shown.c.question_id).join(completions, completions.c.id == shown.c.completion_id).where(condition)


def _says(text: str) -> ColumnElement[bool]:
    """Whether the prompt or a completion has the text in it; `%` and `_` mean themselves."""
    turns = cast(prompts.c.messages, Text)
    asked = select(prompts.c.id).where(
        or_(prompts.c.text.icontains(text, autoescape=True), turns.icontains(text, autoescape=True))
    )
    return or_(
        questions.c.id == text,
        questions.c.prompt_id.in_(asked),
        questions.c.id.in_(_showing(completions.c.text.icontains(text, autoescape=True))),
    )


def _by_answers(connection: Connection, ids: Sequence[str], mark: Mark) -> list[str]:
    """Those of the questions whose answers bear the mark; by disagreement, the greatest first."""
    said = _answers(connection, ids)
    if mark == "disagreement":
        differ = {name: share for name in ids if (share := disagreement(said[name]))}
        return sorted(differ, key=lambda name: -differ[name])
    bears = {"flagged": _flagged, "bad": lambda answer: answer.get("choice") == "bad", "skipped": skipped}[mark]
    return [name for name in ids if any(bears(answer) for answer in said[name])]


def _flagged(answer: Mapping[str, Any]) -> bool:
    return bool(answer.get("flags"))


def _answers(connection: Connection, ids: Sequence[str]) -> dict[str, list[Any]]:
    """Question -> the answers that hold, skips included."""
    query = select(judgements.c.question_id, judgements.c.answer).where(*answers.holding())
    found: dict[str, list[Any]] = {name: [] for name in ids}
    for chunk in chunks(ids):
        for question_id, answer in connection.execute(query.where(judgements.c.question_id.in_(chunk))):
            if not withdrawn(answer):
                found[question_id].append(answer)
    return found


def _described(connection: Connection, ids: Sequence[str]) -> list[Found]:
    """The questions with what a list says of them, in the given order."""
    found = answers.questions_by_id(connection, ids)
    asked = rows_by(connection, prompts.c.id, (question.prompt_id for question in found.values()))
    said = _answers(connection, ids)
    uses = rows_by(connection, gold.c.question_id, ids, gold.c.question_id, gold.c.use)
    remarks = _counted(connection, comments.c.question_id, ids)
    given = _counted(connection, assignments.c.question_id, ids, assignments.c.state == "submitted")
    return [
        Found(
            question=found[name],
            prompt=rows.prompt_of(asked[found[name].prompt_id]),
            given=given.get(name, 0),
            comments=remarks.get(name, 0),
            gold=uses[name].use if name in uses else "",
            disagreement=disagreement(said[name]),
        )
        for name in ids
    ]


def _counted(connection: Connection, column: Any, ids: Sequence[str], *where: ColumnElement[bool]) -> dict[str, int]:
    query = select(column, func.count()).where(column.in_(ids), *where).group_by(column)
    return {row[0]: row[1] for row in connection.execute(query)}
