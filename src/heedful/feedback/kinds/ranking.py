"""Completions in order, best first, ties allowed; a ranking of K teaches C(K, 2) pairs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from heedful.feedback.controls import Ranks
from heedful.feedback.kind import Kind, answers_like, whole, wrong
from heedful.feedback.lessons import Lesson, Pair
from heedful.records import Metadata, Question


def _check(answer: Metadata, question: Question, _texts: Sequence[str]) -> None:
    ranks, count = answer.get("ranks"), len(question.completion_ids)
    if not isinstance(ranks, list | tuple) or len(ranks) != count:
        raise wrong("ranks", "a ranking has one rank for each completion", f"send {count} whole numbers")
    if not all(whole(rank) and 1 <= rank <= count for rank in ranks):
        raise wrong("ranks", f"{list(ranks)!r} are no ranks", f"use whole numbers from 1 (best) to {count}")


def _teach(answer: Metadata, _question: Question, texts: Sequence[str]) -> list[Lesson]:
    ranked = list(zip(texts, answer["ranks"], strict=True))
    return [Pair(a, b, 0.5 * ((i < j) - (i > j) + 1)) for (a, i), (b, j) in combinations(ranked, 2)]


KIND = Kind(
    name="ranking",
    title="Ranking",
    ask="Put the answers in order, the best first",
    completions=(2, None),
    fields=("ranks",),
    check=_check,
    teach=_teach,
    schema=answers_like(
        {
            "ranks": {
                "type": "array",
                "items": {"type": "integer", "minimum": 1},
                "minItems": 2,
                "description": "one rank a completion, in the question's order; 1 is best, equal ranks are ties",
            }
        }
    ),
    controls=(Ranks(),),
    place=20,
)
