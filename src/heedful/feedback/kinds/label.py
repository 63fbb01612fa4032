"""Thumb up or thumb down for one completion."""

from __future__ import annotations

from collections.abc import Sequence

from heedful.feedback.controls import Choice, Option
from heedful.feedback.kind import Kind, answers_like, wrong
from heedful.feedback.lessons import Lesson, Mark
from heedful.records import Metadata, Question


def _check(answer: Metadata, _question: Question, _texts: Sequence[str]) -> None:
    if not isinstance(answer.get("thumb"), bool):
        raise wrong("thumb", f"{answer.get('thumb')!r} is no thumb", "send true (up) or false (down)")


def _teach(answer: Metadata, _question: Question, texts: Sequence[str]) -> list[Lesson]:
    return [Mark(texts[0], "thumb", float(answer["thumb"]))]


KIND = Kind(
    name="label",
    title="Thumbs",
    ask="Is this a good answer?",
    completions=(1, 1),
    fields=("thumb",),
    check=_check,
    teach=_teach,
    schema=answers_like({"thumb": {"type": "boolean"}}),
    controls=(
        Choice("thumb", "Your judgement", (Option(True, "Good", ("1", "y")), Option(False, "Not good", ("2", "n")))),
    ),
    place=40,
)
