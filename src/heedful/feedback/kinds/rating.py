"""A number on a scale for each aspect of one completion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from heedful.feedback.controls import Scales
from heedful.feedback.kind import Kind, answers_like, number, wrong
from heedful.feedback.lessons import Lesson, Mark
from heedful.records import Metadata, Question


def _check(answer: Metadata, question: Question, _texts: Sequence[str]) -> None:
    scale = answer.get("scale", question.metadata.get("scale"))
    if not isinstance(scale, list | tuple) or len(scale) != 2 or not all(map(number, scale)) or scale[0] >= scale[1]:
        raise wrong("scale", f"{scale!r} is no scale", "send its lowest and highest value: [1, 5]")
    ratings = answer.get("ratings")
    if not isinstance(ratings, Mapping) or not ratings:
        raise wrong("ratings", "there is no rating", 'name each aspect with its number: {"helpful": 4}')
    for aspect, value in ratings.items():
        if not (isinstance(aspect, str) and aspect.strip()):
            raise wrong("ratings", "an aspect has no name", 'name each aspect with its number: {"helpful": 4}')
        if not (number(value) and scale[0] <= value <= scale[1]):
            raise wrong(f"ratings.{aspect}", f"{value!r} is not on the scale {list(scale)}", "use a number on it")


def _teach(answer: Metadata, question: Question, texts: Sequence[str]) -> list[Lesson]:
    scale = list(answer.get("scale", question.metadata.get("scale")))
    return [
        Mark(texts[0], f"rating:{aspect}", float(value), {"scale": scale})
        for aspect, value in answer["ratings"].items()
    ]


KIND = Kind(
    name="rating",
    title="Rating",
    ask="How good is the answer?",
    completions=(1, 1),
    fields=("ratings", "scale"),
    check=_check,
    teach=_teach,
    schema=answers_like(
        {
            "ratings": {
                "type": "object",
                "additionalProperties": {"type": "number"},
                "propertyNames": {"pattern": r"\S"},
                "minProperties": 1,
            },
            "scale": {
                "type": "array",
                "items": {"type": "number"},
                "minItems": 2,
                "maxItems": 2,
                "description": "the lowest and the highest value; the question's own when it is left out",
            },
        },
        optional=("scale",),
    ),
    controls=(Scales(),),
    place=30,
)
