"""Scores and KL become rewards, by hand-computed numbers."""

from __future__ import annotations

import pytest
import torch

from heedful.learning.kl import AdaptiveKL, FixedKL
from heedful.reward.shaping import Scale, Shaping
from heedful.rollouts import Rollouts


def rollouts() -> Rollouts:
    """Two rows: two tokens that ended by themselves, three cut off at the limit."""
    return Rollouts(
        {},
        torch.tensor([[True, True, False], [True, True, True]]),
        torch.tensor([0, 1]),
        torch.tensor([[-1.0, -2.0, 0.0], [-1.0, -1.0, -1.0]]),
        ref_logprobs_BT=torch.tensor([[-1.5, -2.0, 9.0], [-1.0, -3.0, -1.0]]),
        finished_B=torch.tensor([True, False]),
    )


def scorer(given: Rollouts) -> Rollouts:
    return given.with_(scores_B=torch.tensor([2.0, 3.0]))


def test_kl_at_every_token_and_the_score_at_the_last() -> None:
    shaped = Shaping(scorer, FixedKL(0.1))(rollouts())
    assert shaped.rewards_BT is not None
    expected = torch.tensor([[-0.05, 2.0, 0.0], [0.0, -0.2, 3.0]])
    torch.testing.assert_close(shaped.rewards_BT, expected)
    assert shaped.extras["kl_coefficient_B"].tolist() == pytest.approx([0.1, 0.1])


def test_under_a_rule_the_leash_pays_for_the_log_probabilities_without_it() -> None:
    bare_BT = torch.tensor([[-1.5, -3.0, 0.0], [-1.0, -1.0, -1.0]])
    leash = AdaptiveKL(0.1, 1.0, 10.0)
    shaped = Shaping(scorer, leash)(rollouts().with_(extras={"bare_logprobs_BT": bare_BT}))
    assert shaped.rewards_BT is not None
    torch.testing.assert_close(shaped.rewards_BT, torch.tensor([[0.0, 2.1, 0.0], [0.0, -0.2, 3.0]]))
    # KL -1 and 2 nats, .5 on the mean: half the target, so the error is clipped to -.2, for two episodes of ten.
    assert leash.coefficient == pytest.approx(0.1 * (1 - 0.2 * 2 / 10))


def test_a_completion_without_an_end_pays() -> None:
    shaped = Shaping(scorer, FixedKL(0.0), missing_stop_penalty=1.5)(rollouts())
    assert shaped.rewards_BT is not None
    assert shaped.rewards_BT.sum(1).tolist() == [2.0, 1.5]
    assert shaped.scores_B is not None
    assert shaped.scores_B.tolist() == [2.0, 3.0], "the learned score itself is not touched"


def test_token_scores_stay_where_they_are() -> None:
    tokens_BT = torch.tensor([[0.5, 1.5, 7.0], [1.0, 1.0, 1.0]])

    def by_token(given: Rollouts) -> Rollouts:
        return given.with_(scores_B=torch.tensor([2.0, 3.0]), token_scores_BT=tokens_BT)

    shaped = Shaping(by_token, FixedKL(0.0), missing_stop_penalty=1.0)(rollouts())
    assert shaped.rewards_BT is not None
    torch.testing.assert_close(shaped.rewards_BT, torch.tensor([[0.5, 1.5, 0.0], [1.0, 1.0, 0.0]]))


def test_the_coefficient_follows_the_measured_kl_and_survives_a_restart() -> None:
    """KL is (0.5 + 2.0) / 2 = 1.25; target 1: error .2 (clipped), 2 episodes of 10: coefficient * 1.04."""
    shaping = Shaping(scorer, AdaptiveKL(0.1, target=1.0, horizon=10.0))
    shaping(rollouts())
    assert shaping.leash.coefficient == pytest.approx(0.104)
    again = Shaping(scorer, AdaptiveKL(0.1, target=1.0, horizon=10.0))
    again.load_state_dict(shaping.state_dict())
    assert again.leash.coefficient == pytest.approx(0.104)


def test_scores_are_brought_to_the_units_of_leash_and_penalty() -> None:
    """Scores 2 and 3, less 1, by 4: .25 and .5, and a penalty of 1.5 from the second."""
    shaped = Shaping(scorer, FixedKL(0.1), scale=Scale(1.0, 4.0), missing_stop_penalty=1.5)(rollouts())
    assert shaped.rewards_BT is not None
    torch.testing.assert_close(shaped.rewards_BT, torch.tensor([[-0.05, 0.25, 0.0], [0.0, -0.2, -1.0]]))
    assert shaped.scores_B is not None
    assert shaped.scores_B.tolist() == [2.0, 3.0], "what is logged is in the score's own units"


def test_token_scores_are_divided_and_the_mean_comes_off_at_the_end() -> None:
    tokens_BT = torch.tensor([[0.5, 1.5, 7.0], [1.0, 1.0, 1.0]])

    def by_token(given: Rollouts) -> Rollouts:
        return given.with_(scores_B=torch.tensor([2.0, 3.0]), token_scores_BT=tokens_BT)

    shaped = Shaping(by_token, FixedKL(0.0), scale=Scale(1.0, 2.0))(rollouts())
    assert shaped.rewards_BT is not None
    torch.testing.assert_close(shaped.rewards_BT, torch.tensor([[0.25, 0.25, 0.0], [0.5, 0.5, 0.0]]))


def test_a_scale_makes_mean_zero_and_variance_one() -> None:
    """1, 3, 3, 5 have the mean 3 and the variance 2."""
    found = Scale.of(torch.tensor([1.0, 3.0, 3.0, 5.0]))
    assert (found.mean, found.std) == pytest.approx((3.0, 2**0.5))


def test_scores_that_are_all_equal_are_not_divided() -> None:
    assert Scale.of(torch.full((7,), 0.1)) == Scale(pytest.approx(0.1), 1.0)  # type: ignore[arg-type]
