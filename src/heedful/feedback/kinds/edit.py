"""A completion as it should have been: a text to imitate, a pair (edit above draft) and a flag on the draft."""

from __future__ import annotations

from collections.abc import Sequence

from heedful.feedback.controls import Writing
from heedful.feedback.kind import TEXT, Kind, answers_like, check_text
from heedful.feedback.lessons import Imitation, Lesson, Mark, Pair
from heedful.records import Metadata, Question


def _teach(answer: Metadata, _question: Question, texts: Sequence[str]) -> list[Lesson]:
    if answer["text"] == texts[0]:  # nothing to mend: the draft is as good as a demonstration
        return [Imitation(answer["text"]), Mark(texts[0], "flag:edited", 0.0)]
    return [Imitation(answer["text"]), Pair(answer["text"], texts[0], 1.0), Mark(texts[0], "flag:edited", 1.0)]


KIND = Kind(
    name="edit",
    title="Correction",
    ask="Correct the answer until you would send it yourself",
    completions=(1, 1),
    fields=("text",),
    check=check_text,
    teach=_teach,
    schema=answers_like(TEXT),
    controls=(
        Writing(
            "text", "The corrected answer", "Change as little as is needed. Send it unchanged if it is good.", True
        ),
    ),
    place=70,
)
