"""Which of two completions is better, and by how much; a tie and "both are bad" are two different outcomes."""

from __future__ import annotations

from collections.abc import Sequence

from heedful.feedback.controls import Preference
from heedful.feedback.kind import Kind, answers_like, whole, wrong
from heedful.feedback.lessons import Lesson, Mark, Pair
from heedful.records import CHOICES, Metadata, Question

MARGINS = {1: 1 / 3, 2: 2 / 3, 3: 1.0}
"""Strength (1 slightly, 2 clearly, 3 much better) -> the margin by which the rewards are to differ: the three upper
steps of the small margins of Llama 2 (Touvron et al. 2023, table 27)."""


def _check(answer: Metadata, _question: Question, _texts: Sequence[str]) -> None:
    if answer.get("choice") not in CHOICES:
        raise wrong("choice", f"{answer.get('choice')!r} is no choice", f"use one of {', '.join(CHOICES)}")
    if "strength" not in answer:
        return
    if answer["choice"] not in ("a", "b"):
        raise wrong("strength", f"the choice {answer['choice']!r} has no strength", "leave the strength out")
    if not (whole(answer["strength"]) and answer["strength"] in MARGINS):
        raise wrong("strength", f"{answer['strength']!r} is no strength", "use 1 (slightly), 2 or 3 (much better)")


def _teach(answer: Metadata, _question: Question, texts: Sequence[str]) -> list[Lesson]:
    a, b = texts
    target = {"a": 1.0, "b": 0.0}.get(answer["choice"], 0.5)
    pair = Pair(a, b, target, MARGINS.get(answer.get("strength", 0), 0.0))
    return [pair, Mark(a, "bad", 1.0), Mark(b, "bad", 1.0)] if answer["choice"] == "bad" else [pair]


KIND = Kind(
    name="comparison",
    title="Comparison",
    ask="Which answer is better?",
    completions=(2, 2),
    fields=("choice", "strength"),
    check=_check,
    teach=_teach,
    schema=answers_like(
        {"choice": {"enum": ["a", "b"]}, "strength": {"type": "integer", "minimum": 1, "maximum": 3}},
        {"choice": {"enum": ["tie", "bad"]}},
        optional=("strength",),
    ),
    controls=(Preference(),),
    place=10,
)
