"""Scorers of scorers: each against a table worked out by hand, and put into one another."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from heedful.errors import Problem
from heedful.learning.kl import FixedKL
from heedful.records import Prompt
from heedful.reward.combining import (
    DECLINED,
    Abstaining,
    Ensemble,
    Gate,
    LengthPrice,
    Weighted,
    scores_of,
    sparrow,
    threshold_for,
)
from heedful.reward.shaping import Shaping
from heedful.rollouts import Reward, Rollouts

MASK_BT = torch.tensor([[True, True, True], [True, False, False], [True, True, False], [True, False, False]])
PROMPTS = (Prompt.of("a"), Prompt.of("b", {"safety": True}), Prompt.of("c", {"safety": False}), Prompt.of("d"))
ROLLOUTS = Rollouts(
    {},
    MASK_BT,
    torch.arange(4),
    torch.zeros(MASK_BT.shape),
    ref_logprobs_BT=torch.where(MASK_BT, -1.0, 0.0),
    prompts=PROMPTS,
    finished_B=torch.tensor([False, True, True, True]),
)


def gives(*scores: float) -> Reward:
    return lambda rollouts: rollouts.with_(scores_B=torch.tensor(scores))


def found(scorer: Reward) -> list[float]:
    scores: list[float] = scores_of(scorer, ROLLOUTS).tolist()
    return scores


@pytest.mark.parametrize(
    ("safety", "marked", "expected"),
    [(0.9, False, 7.0), (0.9, True, 0.9), (0.1, False, 0.1), (0.1, True, 0.1), (0.15, False, 7.0), (0.15, True, 0.15)],
)
def test_the_gate_of_llama_2(safety: float, marked: bool, expected: float) -> None:
    """The safety score where a prompt is marked or that score is below .15; the helpfulness score elsewhere."""
    one = ROLLOUTS.rows(torch.tensor([0])).with_(prompts=(Prompt.of("x", {"safety": marked}),))
    (score,) = scores_of(Gate(gives(safety), gives(7.0)), one).tolist()
    assert score == pytest.approx(expected)


def test_the_gate_looks_at_every_row_by_itself() -> None:
    gate = Gate(gives(0.2, 0.9, 0.14, -3.0), gives(1.0, 2.0, 3.0, 4.0))
    assert found(gate) == pytest.approx([1, 0.9, 0.14, -3])
    assert found(Gate(gives(0.2, 0.9, 0.14, -3.0), gives(1.0, 2.0, 3.0, 4.0), -5.0, "none")) == [1, 2, 3, 4]


def test_a_weighted_sum_and_sparrows() -> None:
    a, b, c = gives(1.0, 2.0, 3.0, 4.0), gives(1.0, 0.0, 0.0, 1.0), gives(0.0, 0.0, 1.0, 1.0)
    assert found(Weighted(((a, 2.0), (b, -0.5)))) == [1.5, 4, 6, 7.5]
    assert found(sparrow(a, [b, c])) == [1.5, 2, 3.5, 5]
    assert found(sparrow(a, [])) == [1, 2, 3, 4]
    for weights in ([], [(a, math.inf)]):
        with pytest.raises(Problem, match="weight"):
            Weighted(weights)


def test_the_worst_member_and_the_price_of_doubt() -> None:
    members = [gives(1.0, 2.0, 3.0, 4.0), gives(3.0, 2.0, -3.0, 4.0), gives(5.0, 2.0, 0.0, 4.0)]
    assert found(Ensemble(members)) == [3, 2, 0, 4]
    assert found(Ensemble(members, "worst")) == [1, 2, -3, 4]
    # Variances 8/3, 0, 6, 0.
    assert found(Ensemble(members, "uncertainty", price=0.5)) == pytest.approx([3 - 4 / 3, 2, -3, 4])
    assert found(Ensemble(members, "uncertainty", price=0.0)) == found(Ensemble(members))
    doubt_B = Ensemble(members, "worst")(ROLLOUTS).extras["doubt_B"]
    assert doubt_B.tolist() == pytest.approx([math.sqrt(8 / 3), 0, math.sqrt(6), 0])
    with pytest.raises(Problem, match="an ensemble of 1"):
        Ensemble(members[:1])


def test_tokens_beyond_the_free_ones_have_a_price() -> None:
    scorer = gives(1.0, 1.0, 1.0, 1.0)
    assert found(LengthPrice(scorer, 0.25)) == [0.25, 0.75, 0.5, 0.75]
    assert found(LengthPrice(scorer, 0.25, free_tokens=1)) == [0.5, 1, 0.75, 1]
    assert found(LengthPrice(scorer, 0.0)) == [1, 1, 1, 1]


def test_what_scores_below_the_threshold_is_declined() -> None:
    scorer = gives(0.5, 0.2, -1.0, 0.2)
    scored = Abstaining(scorer, 0.2)(ROLLOUTS)
    assert scored.extras[DECLINED].tolist() == [False, False, True, False]
    assert scored.scores_B is not None
    assert scored.scores_B.tolist() == pytest.approx([0.5, 0.2, -1, 0.2])


@pytest.mark.parametrize(
    ("coverage", "threshold", "answered"), [(0.0, math.inf, 0), (0.25, 3.0, 1), (0.3, 2.0, 3), (0.5, 2.0, 3), (1, 0, 4)]
)
def test_the_threshold_of_a_coverage(coverage: float, threshold: float, answered: int) -> None:
    """Of 3, 2, 2 and 0; equal scores are answered together."""
    scores_B = torch.tensor([2.0, 0.0, 3.0, 2.0])
    assert threshold_for(scores_B, coverage) == threshold
    assert int((scores_B >= threshold).sum()) == answered


@pytest.mark.parametrize(("count", "coverage"), [(0, 0.5), (3, 1.1), (3, -0.1)])
def test_a_coverage_that_is_none_is_a_problem(count: int, coverage: float) -> None:
    with pytest.raises(Problem, match="no threshold"):
        threshold_for(torch.zeros(count), coverage)


def test_they_can_be_put_into_one_another_and_under_the_leash() -> None:
    helpful = Ensemble([gives(1.0, 2.0, 3.0, 4.0), gives(3.0, 2.0, 1.0, 0.0)], "worst")  # 1, 2, 1, 0
    inner = Gate(gives(0.9, 0.9, 0.1, 0.9), LengthPrice(helpful, 0.1))  # .7, .9, .1, -.1
    whole = Weighted(((inner, 2.0), (gives(1.0, 1.0, 1.0, 1.0), -1.0)))
    assert found(whole) == pytest.approx([0.4, 0.8, -0.8, -1.2])
    rewards_BT = Shaping(whole, FixedKL(0.1), missing_stop_penalty=0.5)(ROLLOUTS).rewards_BT
    assert rewards_BT is not None
    # log pi - log pi_ref is 1 at every token.
    assert rewards_BT.sum(1).tolist() == pytest.approx([0.4 - 0.5 - 0.3, 0.8 - 0.1, -0.8 - 0.2, -1.2 - 0.1])


def test_scores_by_token_count_with_their_sum() -> None:
    def by_token(rollouts: Rollouts) -> Rollouts:
        return rollouts.with_(scores_B=torch.ones(4), token_scores_BT=MASK_BT.float())

    scored = Weighted([(by_token, 3.0)])(ROLLOUTS)
    assert scored.scores_B is not None
    assert scored.scores_B.tolist() == [3, 3, 3, 3]
    assert scored.token_scores_BT is None


@pytest.mark.parametrize("around", [lambda scorer: LengthPrice(scorer, 0.1), lambda scorer: Abstaining(scorer, 0.0)])
def test_a_scorer_without_scores_is_a_problem(around: Callable[[Reward], Reward]) -> None:
    with pytest.raises(Problem, match="gave no scores_B"):
        around(lambda rollouts: rollouts)(ROLLOUTS)
