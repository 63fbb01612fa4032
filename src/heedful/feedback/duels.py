"""Votes between policy versions, read lightly: who won against whom, and nothing that was written."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from heedful.feedback import answers
from heedful.feedback.store import Store
from heedful.feedback.tables import completions, judgements, question_completions, questions

OUTCOMES = {"a": 1.0, "b": 0.0, "tie": 0.5, "bad": 0.5}
"""What a choice is worth to the first completion; `skip` is no vote."""


@dataclass(frozen=True, slots=True)
class Duel:
    """One annotator's choice between the completions of two versions."""

    a: str
    b: str
    outcome: float
    """For version `a`: 1, 1/2 or 0."""
    annotator: str
    prompt: str
    length_a: int
    """Characters."""
    length_b: int


def duels(store: Store) -> list[Duel]:
    """The votes that hold on evaluation questions between two different versions, in order of arrival."""
    first, second = completions.alias("first"), completions.alias("second")
    at_first, at_second = question_completions.alias("at_first"), question_completions.alias("at_second")
    query = (
        select(
            first.c.policy,
            second.c.policy,
            judgements.c.answer,
            judgements.c.annotator_id,
            questions.c.prompt_id,
            func.length(first.c.text),
            func.length(second.c.text),
        )
        .join(questions, questions.c.id == judgements.c.question_id)
        .join(at_first, (at_first.c.question_id == questions.c.id) & (at_first.c.position == 0))
        .join(at_second, (at_second.c.question_id == questions.c.id) & (at_second.c.position == 1))
        .join(first, first.c.id == at_first.c.completion_id)
        .join(second, second.c.id == at_second.c.completion_id)
        .where(
            questions.c.purpose == "evaluate",
            questions.c.kind == "comparison",
            *answers.holding(),
            first.c.policy != "",
            second.c.policy != "",
            first.c.policy != second.c.policy,
        )
        .order_by(judgements.c.number)
    )
    with store.reading() as connection:
        found = connection.execute(query).all()
    return [
        Duel(a, b, OUTCOMES[choice], annotator, prompt, length_a, length_b)
        for a, b, answer, annotator, prompt, length_a, length_b in found
        if (choice := answer.get("choice")) in OUTCOMES
    ]
