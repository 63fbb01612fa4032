"""The completion that a person would have written."""

from __future__ import annotations

from collections.abc import Sequence

from heedful.feedback.controls import Writing
from heedful.feedback.kind import TEXT, Kind, answers_like, check_text
from heedful.feedback.lessons import Imitation, Lesson
from heedful.records import Metadata, Question


def _teach(answer: Metadata, _question: Question, _texts: Sequence[str]) -> list[Lesson]:
    return [Imitation(answer["text"])]


KIND = Kind(
    name="demonstration",
    title="Demonstration",
    ask="Write the answer that you would like to read",
    completions=(0, 0),
    fields=("text",),
    check=check_text,
    teach=_teach,
    schema=answers_like(TEXT),
    controls=(Writing("text", "Your answer", "Your own words, please: not those of another program."),),
    place=80,
)
