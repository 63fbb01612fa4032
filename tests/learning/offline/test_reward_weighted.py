"""Reward-weighted regression: weights by hand, and the optimum that theory names."""

from __future__ import annotations

import math

import pytest
import torch

from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.learning.offline.reward_weighted import reward_weights, weighted_imitation
from heedful.learning.schedules import linear
from heedful.learning.tabular import TabularPolicy
from heedful.seeds import generator


def test_weights_by_hand() -> None:
    rewards_N, group_N = torch.tensor([1.0, 3.0, 10.0, 0.0]), torch.tensor([0, 0, 1, 2])
    found_N = reward_weights(rewards_N, group_N, 0.5, 5.0)
    assert found_N.tolist() == pytest.approx([math.exp(-2), 5.0, 1.0, 1.0]), "e^2 is cut at 5"


def test_a_temperature_of_zero_is_refused() -> None:
    with pytest.raises(Problem, match="beta"):
        reward_weights(torch.ones(1), torch.zeros(1), 0.0, 20.0)


def test_the_loss_by_hand_with_anything_in_the_padding() -> None:
    logprobs_BT = torch.tensor([[-1.0, -2.0], [-3.0, math.nan]])
    mask_BT = torch.tensor([[True, True], [True, False]])
    total, count, metrics = weighted_imitation(logprobs_BT, mask_BT, torch.tensor([0.5, 2.0]))
    assert float(total) == pytest.approx(0.5 * 3 + 2 * 3)
    assert float(count) == pytest.approx(0.5 * 2 + 2)
    assert float(metrics["imitation_loss"][0]) == pytest.approx(6)


def test_equal_rewards_are_plain_imitation() -> None:
    logprobs_BT = torch.from_numpy(generator(0, "logprobs").standard_normal((4, 5)))
    weights_B = reward_weights(torch.full((4,), 7.0), torch.tensor([0, 0, 1, 1]), 0.1, 20.0)
    total, count, _ = weighted_imitation(logprobs_BT, torch.ones(4, 5, dtype=torch.bool), weights_B)
    assert torch.equal(total, -logprobs_BT.sum())
    assert float(count) == 20


def test_the_optimum_is_the_log_tilted_by_the_reward() -> None:
    """Over all completions in proportion to pi_log: pi = pi_log exp(r / beta) / Z, whatever the baseline."""
    policy, beta = TabularPolicy(prompts=1, vocabulary=3, limit_tokens=3, seed=1), 0.7
    every = policy.every_completion(0)
    logged_N = every.logprobs_BT.detach().sum(1).exp()
    rewards_N = torch.from_numpy(generator(0, "rewards").standard_normal(len(every)))
    weights_N = logged_N * reward_weights(rewards_N, every.group_B, beta, math.inf)
    compute = LocalCompute()
    compute.prepare([([policy.logits], 0.1)])
    for step in range(300):
        total, count, _ = weighted_imitation(policy.evaluate(every).logprobs_BT, every.mask_BT, weights_N)
        compute.backward(total)
        compute.step(float(count), learning_rate_scale=linear(step, 300))
    tilted_N = logged_N * torch.exp(rewards_N / beta)
    found_N = policy.evaluate(every).logprobs_BT.detach().sum(1).exp()
    assert float((found_N - tilted_N / tilted_N.sum()).abs().sum()) / 2 < 0.01
    assert float((logged_N - tilted_N / tilted_N.sum()).abs().sum()) / 2 > 0.2
