"""Agreement against evalica and by hand."""

import evalica
import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # pandas ships no types
import pytest

from heedful.errors import Problem
from heedful.evaluation.agreement import (
    agreement,
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
    pooled_kappa,
    raw_agreement,
    vote_ceiling,
)
from heedful.seeds import generator


def test_alpha_is_evalicas_with_gaps() -> None:
    rng = generator(0, "alpha")
    for noise in (0.0, 0.3, 1.0):
        truth = rng.integers(3, size=40)
        answers = np.where(rng.random((5, 40)) < noise, rng.integers(3, size=(5, 40)), truth).astype(float)
        answers[rng.random((5, 40)) < 0.3] = np.nan
        units = [column[~np.isnan(column)].tolist() for column in answers.T]
        expected = evalica.alpha(pd.DataFrame(answers)).alpha
        assert krippendorff_alpha(units) == pytest.approx(expected, abs=1e-9)


def test_raw_agreement_by_hand() -> None:
    # 1 of 3 pairs agree; 1 of 1; the single answer says nothing.
    assert raw_agreement([["a", "a", "b"], ["tie", "tie"], ["b"]]) == pytest.approx((1 / 3 + 1) / 2)


def test_one_answer_only_is_full_agreement() -> None:
    assert krippendorff_alpha([["a", "a"], ["a", "a"]]) == 1


def test_systematic_disagreement_is_below_zero() -> None:
    assert krippendorff_alpha([["a", "b"]] * 10) < 0


def test_single_answers_are_refused() -> None:
    with pytest.raises(Problem, match="overlap"):
        krippendorff_alpha([["a"], ["b"]])


def test_the_ceiling_by_hand() -> None:
    found = vote_ceiling([[1, 1, 0], [1, 0.5], [0]], ["p", "q", "r"])
    assert found is not None
    # First pair: for each vote the others' mean is .5, .5, 1, so a person is right .5, .5, 0 and the majority
    # .5, .5, 0. Second: a person predicting 1 by a tie is right by half; predicting the tie is half right.
    assert found.person.value == pytest.approx((1 / 3 + 0.5) / 2)
    assert found.majority.value == pytest.approx((1 / 3 + 0.5) / 2)
    assert found.pairs == 2


def test_the_ceiling_is_not_biased_upwards() -> None:
    """Votes with P(a) = .8 or .2: two people agree .68 of the time; the majority of many others is right .8."""
    rng = generator(1, "ceiling")
    p = rng.choice([0.2, 0.8], size=1500)
    votes = [(rng.random(9) < q).astype(float).tolist() for q in p]
    found = vote_ceiling(votes, list(range(1500)))
    assert found is not None
    assert found.person.low < 0.68 < found.person.high
    assert 0.76 < found.majority.value < 0.8


def test_without_overlap_there_is_no_ceiling() -> None:
    assert vote_ceiling([[1.0], [0.0]], ["p", "q"]) is None


def test_alpha_by_order_and_by_value_is_evalicas() -> None:
    answers = np.array([[1, 2, 3, 3, 2, 1, 4, 1], [1, 2, 3, 3, 2, 2, 4, 1], [5, 3, 3, 3, 2, 3, 4, 2]], dtype=float)
    for distance in ("ordinal", "interval"):
        expected = evalica.alpha(pd.DataFrame(answers), distance=distance).alpha
        assert krippendorff_alpha(answers.T.tolist(), distance) == pytest.approx(expected, abs=1e-9)


def test_cohens_kappa_by_hand() -> None:
    """20 times both yes, 5 yes and no, 10 no and yes, 15 both no: (0.7 - 0.5) / (1 - 0.5)."""
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert cohen_kappa(first, second) == pytest.approx(0.4)
    assert cohen_kappa(second, first) == pytest.approx(0.4)


def test_weighted_kappa_by_hand() -> None:
    """Answers 1 to 3 with squared distances: observed (0 + 1 + 4 + 0) / 4, expected the mean over all 16 pairings."""
    first, second = [1, 2, 3, 3], [1, 3, 1, 3]
    expected = np.mean([(a - b) ** 2 for a in first for b in second])
    assert cohen_kappa(first, second, "interval") == pytest.approx(1 - (5 / 4) / expected)
    assert cohen_kappa([10, 20, 90, 90], [10, 90, 10, 90], "ordinal") == pytest.approx(1 - (5 / 4) / expected)


def test_pooled_kappa_is_the_ratio_of_the_sums_over_pairs_of_people() -> None:
    """ann and bob share q, r and s; cem answered only q."""
    items = ["q", "q", "q", "r", "r", "s", "s"]
    people = ["ann", "bob", "cem", "ann", "bob", "ann", "bob"]
    values = ["x", "x", "y", "y", "y", "x", "y"]
    # Differences: q: ann-cem, bob-cem; s: ann-bob. Expected: ann says x 2/3, bob x 1/3, cem never.
    observed = 3
    ann_bob = 2 / 3 * 2 / 3 + 1 / 3 * 1 / 3
    expected = 3 * ann_bob + 2 / 3 + 1 / 3
    assert pooled_kappa(items, people, values) == pytest.approx(1 - observed / expected)


def test_fleiss_kappa_of_his_kind_of_table() -> None:
    """Fourteen raters, ten subjects, five categories; 0.210 is published with this table."""
    table = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    units = [[c for c, count in enumerate(row) for _ in range(count)] for row in table]
    assert fleiss_kappa(units) == pytest.approx(0.210, abs=5e-4)


def test_kappa_of_one_answer_only_is_one_and_needs_two_people() -> None:
    assert cohen_kappa(["x", "x"], ["x", "x"]) == 1
    assert fleiss_kappa([["x", "x"]]) == 1
    with pytest.raises(Problem, match="overlap"):
        pooled_kappa(["q", "r"], ["a", "a"], ["x", "y"])


def test_agreement_counts_shared_questions_and_the_people_on_them() -> None:
    items = ["q", "q", "r", "r", "s", "s", "t"]
    people = ["ann", "bob", "ann", "cem", "bob", "cem", "dan"]
    found = agreement(items, people, ["x", "x", "y", "y", "x", "y", "x"])
    assert (found.items, found.annotators) == (3, 3)
    assert found.alpha == pytest.approx(krippendorff_alpha([["x", "x"], ["y", "y"], ["x", "y"]]))
    assert found.low < found.alpha < found.high
