"""Held-out ratings and flags, two by two."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from heedful.errors import Problem
from heedful.language.heads import ScalarModel
from heedful.language.pretrained import load
from heedful.records import Labelled, Prompt
from heedful.stages.grading import Graded, _joined, examine_grades, graded, matched


def prompts(some: list[Labelled]) -> list[str]:
    return [item.prompt.id for item in some]


def items(values: str) -> list[Labelled]:
    """Two completions of each prompt: `0110` is a prompt with grades 0 and 1, and one with 1 and 0."""
    return [Labelled(Prompt.of(str(n // 2)), f"text {n}", "flagged", float(value)) for n, value in enumerate(values)]


def test_completions_are_matched_within_their_prompt_first() -> None:
    some = items("0110" + "01" * 8)
    for seed in range(5):
        pairs = matched(some, prompts(some), seed)
        assert len(pairs) == 10
        assert all(some[i].prompt.id == some[j].prompt.id and some[i].value != some[j].value for i, j in pairs)


def test_what_is_left_is_matched_with_anything_different_once() -> None:
    some = items("0000" + "11" + "01")
    pairs = matched(some, prompts(some), 0)
    assert all(some[i].value != some[j].value for i, j in pairs)
    assert max(Counter(n for pair in pairs for n in pair).values()) == 1
    assert len(pairs) == 3, "as many as there are flagged ones"
    assert pairs == matched(some, prompts(some), 0)


def test_pairs_across_coarse_clusters_are_made_only_where_there_are_no_others() -> None:
    some = [Labelled(Prompt.of(str(n)), "text", "thumbed", float(value)) for n, value in enumerate("0110" + "0001")]
    topics = ["x"] * 4 + ["y"] * 4
    pairs = matched(some, topics, 0)
    assert len(pairs) == 3, "two of the first topic, one of the second"
    assert all(topics[i] == topics[j] for i, j in pairs)
    apart = ["x" if item.value else "y" for item in some]
    assert len(matched(some, apart, 0)) == 3, "all flagged ones are of one topic"


def test_what_pairs_tie_together_is_one_cluster() -> None:
    clusters = ["a", "b", "c", "d", "e", "e"]
    joined = _joined(clusters, [(0, 1), (1, 2), (3, 3), (4, 5)])
    assert joined[0] == joined[1]
    assert len(set(joined)) == 3


def rating(prompt: str, aspect: str, value: float) -> Labelled:
    return Labelled(
        Prompt.of(prompt), "w4", f"rating:{aspect}", value, ("ann",), (f"{prompt}-{aspect}",), {"scale": [0, 9]}
    )


def begin(tiny_model: Path, learn: Any, labels: list[Labelled], aside: list[Labelled], **named: Any) -> Any:
    given = {"aspects": {}, "flags": (), "skip_overlong": False, **named}
    return graded(ScalarModel(load(tiny_model)), learn, labels, aside, **given)


def test_both_parts_mean_the_same_aspects(tiny_model: Path) -> None:
    told = [rating(prompt, aspect, n) for n, prompt in enumerate("pqr") for aspect in ("helpful", "honest")]
    less = [rating(prompt, "helpful", n) for n, prompt in enumerate("st")]
    with pytest.raises(Problem, match="held out nobody was asked about 'honest'"):
        begin(tiny_model, "ratings", told, less)
    found = begin(tiny_model, "ratings", told, less, aspects={"helpful": 1.0})
    assert (len(found.to_learn), len(found.to_examine)) == (3, 2)


def flag(prompt: str, name: str, value: float, who: str = "ann") -> Labelled:
    return Labelled(Prompt.of(prompt), "w4", f"flag:{name}", value, (who,), (f"{prompt}-{who}",))


def test_grades_that_are_all_the_same_are_told_of_before_anything_is_learnt(tiny_model: Path) -> None:
    with pytest.raises(Problem, match="all held-out completions have the same grade"):
        begin(tiny_model, "flags", [flag("p", "rude", 1), flag("q", "rude", 0)], [flag("r", "rude", 0)])


def test_a_flag_that_few_share_has_an_accuracy_and_no_area(tiny_model: Path) -> None:
    """Shares of 0 and 1/2: nobody knows of a completion that most people flagged."""
    model = ScalarModel(load(tiny_model))
    examined = [Labelled(Prompt.of("w1 w2"), f"w{n}", "flagged", n % 2 / 2) for n in range(4, 10)]
    result, headline, words = examine_grades(model, Graded("flags", [], examined), "prompt", 0)
    assert "area_under_roc" not in result
    assert headline == result["accuracy"]["accuracy"]["value"]
    assert words.startswith("which of two is flagged")


def test_completions_without_the_column_hang_together_by_their_prompt(tiny_model: Path) -> None:
    model = ScalarModel(load(tiny_model))
    examined = [
        Labelled(Prompt.of(f"w{n // 2}"), f"w{n}", "flagged", float(n % 2), metadata={"topic": "x"} if n < 6 else {})
        for n in range(1, 13)
    ]
    result, _, _ = examine_grades(model, Graded("flags", [], examined), "topic", 0)
    assert result["area_under_roc"]["low"] < result["area_under_roc"]["high"]
