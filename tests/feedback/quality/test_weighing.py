"""Votes weighed by skill: nearer the truth than counted ones, everybody's answers kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heedful.feedback.quality.weighing import votes_on, weighed, weights_behind
from heedful.feedback.store import Store
from heedful.feedback.views import comparisons
from heedful.records import Annotator, Comparison, Completion, Judgement, Prompt, Question


def fill(store: Store, crowd: Any) -> None:
    """The crowd's votes as judgements on comparisons of one prompt."""
    pairs, people = len(crowd.difference_N), len(crowd.ability_A)
    choice = {1.0: "a", 0.5: "tie", 0.0: "b"}
    store.add_everything(
        prompts=[Prompt("p", "what?")],
        annotators=[Annotator(f"w{k}") for k in range(people)],
        completions=[Completion(f"c{i}{side}", "p", f"{side} {i}") for i in range(pairs) for side in "ab"],
        questions=[Question(f"q{i}", "comparison", "p", (f"c{i}a", f"c{i}b"), overlap=9) for i in range(pairs)],
        judgements=[
            Judgement(f"j{v}", f"q{pair}", f"w{who}", {"choice": choice[said]}, (0, 1) if side > 0 else (1, 0))
            for v, (pair, who, said, side) in enumerate(
                zip(
                    crowd.pair_V.tolist(),
                    crowd.annotator_V.tolist(),
                    crowd.outcome_V.tolist(),
                    crowd.side_V.tolist(),
                    strict=True,
                )
            )
        ],
    )


def right(items: Sequence[Comparison], difference_N: Any) -> float:
    """Share of the pairs on whose better side the pooled target is; a target of a half is on it by half."""
    said = np.sign([item.target - 0.5 for item in items])
    better = np.sign([difference_N[int(item.question_id[1:])] for item in items])
    return float(np.mean((1 + said * better) / 2))


def test_three_bad_annotators_in_ten_cost_less(tmp_path: Path, crowd_of: Callable[..., Any]) -> None:
    """At least 5 points nearer the truth, in a crowd with spammers, left-choosers and some who say the opposite."""
    crowd = crowd_of(3, pairs=400, overlap=3)
    with Store.open(tmp_path / "store.db") as store:
        fill(store, crowd)
        plain = comparisons(store)
        weights = weights_behind(store, plain)
        found = weighed(store, plain, weights)
    assert weights.keys() == {f"w{k}" for k in range(40)}
    assert min(weights.values()) >= 0
    of_V = [weights[f"w{k}"] for k in crowd.annotator_V.tolist()]
    assert np.mean(of_V) == pytest.approx(1)
    kept = {item.question_id for item in found}
    assert len(kept) > 390, "a comparison goes only if nobody who sees anything judged it"
    counted = right([item for item in plain if item.question_id in kept], crowd.difference_N)
    assert right(found, crowd.difference_N) > counted + 0.05
    bad = [weights[f"w{k}"] for k in np.flatnonzero(crowd.bad_A).tolist()]
    good = [weights[f"w{k}"] for k in np.flatnonzero(~crowd.bad_A).tolist()]
    assert np.mean(bad) < 0.25 * np.mean(good)


def test_pooling_by_hand(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.db") as store:
        store.add_everything(
            prompts=[Prompt("p", "what?")],
            annotators=[Annotator(name) for name in ("ann", "bob", "cy")],
            completions=[Completion(f"c{i}", "p", f"text {i}") for i in range(3)],
            questions=[
                Question("q1", "comparison", "p", ("c0", "c1"), overlap=3),
                Question("q2", "comparison", "p", ("c1", "c2"), overlap=3),
                Question("q3", "ranking", "p", ("c0", "c1", "c2"), overlap=3),
            ],
            judgements=[
                Judgement("1", "q1", "ann", {"choice": "a"}),
                Judgement("2", "q1", "bob", {"choice": "b"}),
                Judgement("3", "q1", "cy", {"choice": "tie"}),
                Judgement("4", "q2", "cy", {"choice": "a"}),
                Judgement("5", "q3", "bob", {"ranks": [2, 1, 3]}),
            ],
        )
        items = comparisons(store)
        assert votes_on(store, items)[0] == [("ann", 1.0), ("bob", 0.0), ("cy", 0.5)]
        found = weighed(store, items, {"ann": 3.0, "bob": 1.0, "cy": 0.0})
        assert weights_behind(store, [items[1]]) == {}, "nobody else judged it, so nothing is known of anybody"
    assert [(item.question_id, item.a, item.b) for item in found] == [
        ("q1", "text 0", "text 1"),
        ("q3", "text 0", "text 1"),
        ("q3", "text 0", "text 2"),
        ("q3", "text 1", "text 2"),
    ]
    assert [item.target for item in found] == [0.75, 0.0, 1.0, 1.0]
    assert [item.weight for item in found] == [4.0, 1.0, 1.0, 1.0]
    assert found[0].judgement_ids == ("1", "2", "3")
