"""What a person has to say about one completion, in words."""

from __future__ import annotations

from collections.abc import Sequence

from heedful.feedback.controls import Writing
from heedful.feedback.kind import TEXT, Kind, answers_like, check_text
from heedful.feedback.lessons import Lesson, Remark
from heedful.records import Metadata, Question


def _teach(answer: Metadata, _question: Question, texts: Sequence[str]) -> list[Lesson]:
    return [Remark(texts[0], answer["text"])]


KIND = Kind(
    name="critique",
    title="Critique",
    ask="What is right and what is wrong with the answer?",
    completions=(1, 1),
    fields=("text",),
    check=check_text,
    teach=_teach,
    schema=answers_like(TEXT),
    controls=(Writing("text", "Your critique", "Name what is wrong, where, and what would be better."),),
    place=60,
)
