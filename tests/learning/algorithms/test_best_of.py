from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from heedful.errors import Problem
from heedful.learning.algorithms.best_of import BestOf, winners
from heedful.learning.kl import at_last_token
from heedful.learning.tabular import TabularPolicy
from heedful.rollouts import Evaluation, Rollouts

NAN = float("nan")
ROLLOUTS = Rollouts(
    inputs={},
    mask_BT=torch.tensor([[True, True], [True, False], [True, True], [True, False]]),
    group_B=torch.tensor([5, 5, 2, 2]),
    logprobs_BT=torch.tensor([[-1.0, -2], [-3, NAN], [-4, -5], [-6, NAN]]),
    rewards_BT=torch.tensor([[1.0, 1], [3, NAN], [0, 2], [2, NAN]]),
)


def test_the_best_of_each_group_wins_and_the_earlier_of_equals() -> None:
    scores_B = torch.tensor([1.0, 3, 2, 2, 9, 0])
    group_B = torch.tensor([0, 0, 1, 1, 0, 1])
    assert winners(scores_B, group_B).tolist() == [False, False, True, False, True, False]
    assert winners(scores_B, group_B, keep=2).tolist() == [False, True, True, True, True, False]


def test_credit_and_loss_by_hand() -> None:
    algorithm = BestOf()
    advantages_BT, returns_BT = algorithm.credit(ROLLOUTS)
    assert advantages_BT.tolist() == [[0, 0], [1, 0], [1, 1], [0, 0]]  # 2 < 3; 2 = 2, the earlier one
    assert returns_BT.tolist() == [[2, 2], [3, 0], [2, 2], [2, 0]]
    now = Evaluation(ROLLOUTS.logprobs_BT, torch.zeros(4, 2))
    loss_sum, count, _ = algorithm.loss(now, ROLLOUTS, advantages_BT, returns_BT)
    assert (float(loss_sum), float(count)) == (3 + 4 + 5, 3)


def test_losers_are_not_even_forwarded(descent: Any) -> None:
    seen: list[int] = []

    class Counting(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(()))

        def evaluate(self, rollouts: Rollouts) -> Evaluation:
            seen.append(len(rollouts))
            return Evaluation(self.weight + rollouts.logprobs_BT, torch.zeros(len(rollouts), 2))

    policy, compute = Counting(), descent()
    compute.prepare([(policy.parameters(), 1.0)])
    algorithm = BestOf()
    algorithm.update(policy, compute, ROLLOUTS, *algorithm.credit(ROLLOUTS), seed=0)
    assert seen == [2]
    assert compute.counts == [3]


def test_from_a_frozen_start_it_ends_at_the_distribution_of_the_best(descent: Any) -> None:
    """P(best of n is k) = F(k)^n - F(k-1)^n. The start writes, the copy imitates its winners."""
    start = TabularPolicy(prompts=1, vocabulary=4, limit_tokens=1, seed=3)
    policy = TabularPolicy(prompts=1, vocabulary=4, limit_tokens=1, seed=3)
    compute, n, algorithm = descent(), 3, BestOf()
    compute.prepare([([policy.logits], 1.0)])
    score_V = torch.tensor([0.3, -1.0, 2.0, 0.7])
    for step in range(40):
        rollouts = start.sample(torch.zeros(500 * n, dtype=torch.int64), seed=step)
        scores_B = score_V[rollouts.inputs["tokens_BT"][:, 0]]
        rewards_BT = at_last_token(scores_B, rollouts.mask_BT)
        rollouts = rollouts.with_(rewards_BT=rewards_BT, group_B=torch.arange(500).repeat_interleave(n))
        algorithm.update(policy, compute, rollouts, *algorithm.credit(rollouts), seed=step)
    p_V = start.logits[0, 0].detach().softmax(0).numpy()
    order = np.argsort(score_V.numpy())
    below = np.concatenate([[0], np.cumsum(p_V[order])])
    wanted_V = np.zeros(4)
    wanted_V[order] = np.diff(below**n)
    found_V = policy.logits[0, 0].detach().softmax(0).numpy()
    assert np.abs(p_V - wanted_V).sum() / 2 > 0.2
    assert np.abs(found_V - wanted_V).sum() / 2 < 0.02


def test_no_winner_is_a_problem() -> None:
    with pytest.raises(Problem, match="0 winners"):
        BestOf(keep=0)
