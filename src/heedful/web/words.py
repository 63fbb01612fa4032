"""Answers and marks in words, for lists and histories."""

from __future__ import annotations

import json
from collections.abc import Mapping

from heedful.feedback.kind import skipped, withdrawn
from heedful.records import Metadata
from heedful.web.tasks import letter

MARK_WORDS: Mapping[str, str] = {
    "unanswered": "not answered yet",
    "disagreement": "people disagree",
    "flagged": "a flag was raised",
    "bad": "both called bad",
    "skipped": "somebody skipped it",
    "commented": "with remarks",
    "training": "training items",
    "exam": "exam items",
    "gold": "gold items",
}

_STRENGTHS = {1: "slightly better", 2: "clearly better", 3: "much better"}
_LONGEST = 400


def mark_words(mark: str) -> str:
    """A mark of `heedful.feedback.browsing` for the eye."""
    return MARK_WORDS.get(mark, mark)


def answer_words(answer: Metadata) -> str:
    """What an answer says, in the question's own order; told by its fields, not by the kind."""
    if withdrawn(answer):
        return "took the answer back"
    if skipped(answer):
        return "skipped"
    said = []
    if "choice" in answer:
        said.append(_choice(answer))
    if "ranks" in answer:
        ranked = sorted(enumerate(answer["ranks"]), key=lambda pair: pair[1])
        said.append(", ".join(f"{letter(place)} {rank}" for place, rank in ranked))
    if "ratings" in answer:
        said.append(", ".join(f"{aspect} {value}" for aspect, value in answer["ratings"].items()))
    if "thumb" in answer:
        said.append("thumb up" if answer["thumb"] else "thumb down")
    if "flags" in answer:
        said.append(_flags(answer))
    if "text" in answer:
        said.append(_short(str(answer["text"])))
    return "; ".join(said) or _short(json.dumps(dict(answer), ensure_ascii=False))


def _choice(answer: Metadata) -> str:
    choice = answer["choice"]
    if choice in ("a", "b"):
        return f"{str(choice).upper()} {_STRENGTHS.get(answer.get('strength', 0), 'better')}"
    return {"tie": "a tie", "bad": "both are bad"}.get(str(choice), str(choice))


def _flags(answer: Metadata) -> str:
    names = dict.fromkeys(str(flag["name"]) for flag in answer["flags"])
    return ", ".join(names) if names else "no flag"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
