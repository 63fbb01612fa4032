from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from heedful.errors import Problem
from heedful.learning.algorithms.reward_weighted import RewardWeighted
from heedful.learning.kl import at_last_token
from heedful.learning.tabular import TabularPolicy
from heedful.rollouts import Evaluation, Rollouts

NAN = float("nan")
ROLLOUTS = Rollouts(
    inputs={},
    mask_BT=torch.tensor([[True, True], [True, False], [True, True], [True, False]]),
    group_B=torch.tensor([0, 0, 1, 1]),
    logprobs_BT=torch.tensor([[-1.0, -2], [-3, NAN], [-4, -5], [-6, NAN]], dtype=torch.float64),
    rewards_BT=torch.tensor([[1.0, 1], [0, NAN], [5, 1], [2, NAN]], dtype=torch.float64),
)


def test_credit_and_loss_by_hand() -> None:
    algorithm = RewardWeighted(beta=0.5, largest_weight=10.0)
    weights_BT, returns_BT = algorithm.credit(ROLLOUTS)
    # Rewards 2 and 0 about 1, 6 and 2 about 4: exponents 2, -2, 4 (cut at 10), -4; mean 1 over six tokens.
    raw = [math.exp(2), math.exp(-2), 10, math.exp(-4)]
    w = [6 * x / (2 * raw[0] + raw[1] + 2 * raw[2] + raw[3]) for x in raw]
    torch.testing.assert_close(
        weights_BT, torch.tensor([[w[0], w[0]], [w[1], 0], [w[2], w[2]], [w[3], 0]], dtype=torch.float64)
    )
    assert returns_BT.tolist() == [[2, 2], [0, 0], [6, 6], [2, 0]]
    now = Evaluation(ROLLOUTS.logprobs_BT, torch.zeros(4, 2))
    loss_sum, count, _ = algorithm.loss(now, ROLLOUTS, weights_BT, returns_BT)
    assert float(loss_sum) == pytest.approx(3 * w[0] + 3 * w[1] + 9 * w[2] + 6 * w[3])
    assert float(count) == 6


@pytest.mark.parametrize("beta", [0.0, -1.0, NAN])
def test_a_temperature_that_gives_no_weights_is_a_problem(beta: float) -> None:
    with pytest.raises(Problem, match="beta"):
        RewardWeighted(beta=beta).credit(ROLLOUTS)


def test_its_fixed_point_is_the_exponentially_tilted_writer(descent: Any) -> None:
    """On samples of pi_old it ends at pi_old exp(r / t) / Z, the best policy under a KL of price t."""
    writer, policy = (TabularPolicy(prompts=2, vocabulary=3, limit_tokens=2, seed=4) for _ in range(2))
    algorithm, compute = RewardWeighted(beta=0.7, largest_weight=1e9), descent()
    compute.prepare([([policy.logits], 12.0)])
    prompt_B = torch.arange(2).repeat_interleave(4000)
    rollouts = writer.sample(prompt_B, seed=1)

    def reward(some: Rollouts) -> torch.Tensor:
        return (some.inputs["tokens_BT"] * some.mask_BT).sum(1).double() * (1 - some.group_B.double() / 2)

    rollouts = rollouts.with_(rewards_BT=at_last_token(reward(rollouts), rollouts.mask_BT))
    credit = algorithm.credit(rollouts)
    for step in range(80):
        algorithm.update(policy, compute, rollouts, *credit, seed=step)
    for prompt in range(2):
        every, start = policy.every_completion(prompt), writer.every_completion(prompt)
        tilted_E = start.logprobs_BT.sum(1).exp() * torch.exp(reward(start) / 0.7)
        tilted_E /= tilted_E.sum()
        assert float((start.logprobs_BT.sum(1).exp() - tilted_E).abs().sum()) / 2 > 0.2
        assert float((every.logprobs_BT.sum(1).exp() - tilted_E).abs().sum()) / 2 < 0.02
