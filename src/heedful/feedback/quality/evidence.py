"""Answers as everything in this room takes them; `reading` fetches them from the store.

An answer's form is told by its fields, not by its kind's name (`choice`: a comparison, `ranks`: a ranking, `thumb`:
a label, `flags`, `ratings`), so a new kind of question that takes one of these forms needs nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any, Literal, NamedTuple

from heedful.feedback.kind import skipped
from heedful.records import Metadata, Question

Form = Literal["comparison", "ranking", "label", "flags", "rating", "text", "skip"]


class Given(NamedTuple):
    """One answer that holds, or a skip. `Judgement` has the same fields and will do wherever votes are wanted."""

    question_id: str
    annotator_id: str
    answer: Metadata
    shown: Sequence[int] = ()
    created: str = ""
    duration_s: float | None = None


class PairVote(NamedTuple):
    """One annotator's verdict on two completions, `first` before `second` in the order of their ids."""

    first: str
    second: str
    outcome: float
    """1: the first is better; 1/2: tie, or both bad; 0: the second is."""
    side: int
    """+1: the first was shown before the second; -1: after it; 0: not known."""


@dataclass(frozen=True)
class Evidence:
    """The answers of a campaign and what is needed to judge them, in order of arrival."""

    answers: list[Given]
    questions: Mapping[str, Question]
    """Those that were answered, by id."""
    characters: Mapping[str, int] = field(default_factory=dict)
    """Question -> the length of its completions' texts together."""
    known: Mapping[str, Metadata] = field(default_factory=dict)
    """Question -> the answer that is known to be right."""
    hidden: frozenset[str] = frozenset()
    """The known questions that stand in the stream of work (`gold`), not in the exam."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Annotator -> name."""

    @cached_property
    def forms(self) -> list[Form]:
        """What each answer is."""
        return [form_of(given.answer) for given in self.answers]


def form_of(answer: Metadata) -> Form:
    """What an answer is, by its fields."""
    if skipped(answer):
        return "skip"
    for name, form in _FIELDS:
        if name in answer:
            return form
    return "text"


_FIELDS: tuple[tuple[str, Form], ...] = (
    ("choice", "comparison"),
    ("ranks", "ranking"),
    ("thumb", "label"),
    ("flags", "flags"),
    ("ratings", "rating"),
)


def pair_votes_of(answer: Metadata, completion_ids: Sequence[str], shown: Sequence[int]) -> list[PairVote]:
    """The verdicts on pairs of completions that a comparison or ranking holds; none for other forms.

    The two completions of a comparison that nobody named are called "0" and "1".
    """
    form = form_of(answer)
    if form == "comparison":
        ids = completion_ids or ("0", "1")
        outcome = {"a": 1.0, "b": 0.0}.get(answer["choice"], 0.5)
        return [_pair_vote(ids[0], ids[1], outcome, 0, 1, shown)]
    if form == "ranking":
        ranks = answer["ranks"]
        ids = completion_ids or [str(i) for i in range(len(ranks))]
        return [
            _pair_vote(ids[i], ids[j], ((ranks[i] < ranks[j]) - (ranks[i] > ranks[j]) + 1) / 2, i, j, shown)
            for i, j in combinations(range(len(ranks)), 2)
        ]
    return []


def compared(question: Question) -> tuple[str, ...]:
    """Names of what a comparison or ranking puts side by side: its completions, or, of a kind without, two places."""
    return question.completion_ids or (f"{question.id} 0", f"{question.id} 1")


def flags_of(answer: Metadata) -> set[str]:
    """The names of the flags that an answer raised."""
    return {flag["name"] for flag in answer["flags"]}


def numbered(names: Iterable[Any]) -> dict[Any, int]:
    """Name -> number from 0, in the order in which they come."""
    found: dict[Any, int] = {}
    for name in names:
        found.setdefault(name, len(found))
    return found


def _pair_vote(a: str, b: str, outcome: float, i: int, j: int, shown: Sequence[int]) -> PairVote:
    side = 0 if len(shown) <= max(i, j) else 1 if shown.index(i) < shown.index(j) else -1
    return PairVote(a, b, outcome, side) if a <= b else PairVote(b, a, 1 - outcome, -side)
