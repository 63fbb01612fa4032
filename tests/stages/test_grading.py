"""Held-out ratings and flags, two by two."""

from __future__ import annotations

from collections import Counter

from heedful.records import Labelled, Prompt
from heedful.stages.grading import matched


def items(values: str) -> list[Labelled]:
    """Two completions of each prompt: `0110` is a prompt with grades 0 and 1, and one with 1 and 0."""
    return [Labelled(Prompt.of(str(n // 2)), f"text {n}", "flagged", float(value)) for n, value in enumerate(values)]


def test_completions_are_matched_within_their_prompt_first() -> None:
    some = items("0110" + "01" * 8)
    for seed in range(5):
        pairs = matched(some, seed)
        assert len(pairs) == 10
        assert all(some[i].prompt.id == some[j].prompt.id and some[i].value != some[j].value for i, j in pairs)


def test_what_is_left_is_matched_with_anything_different_once() -> None:
    some = items("0000" + "11" + "01")
    pairs = matched(some, 0)
    assert all(some[i].value != some[j].value for i, j in pairs)
    assert max(Counter(n for pair in pairs for n in pair).values()) == 1
    assert len(pairs) == 3, "as many as there are flagged ones"
    assert pairs == matched(some, 0)
    assert matched(items("0000"), 0) == []
