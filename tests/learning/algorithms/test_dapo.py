from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from heedful.errors import Problem
from heedful.learning.algorithms import DAPO, GRPO
from heedful.learning.algorithms.dapo import differing_groups, overlong_price
from heedful.learning.tabular import TabularPolicy
from heedful.rollouts import Evaluation, Rollouts

Batch = Callable[..., tuple[TabularPolicy, Rollouts]]


def test_the_overlong_price_by_hand() -> None:
    # The paper's 20,480 tokens with a buffer of 4,096: free up to 16,384, then rising to 1.
    lengths_B = torch.tensor([10, 16_384, 17_408, 18_432, 20_480, 30_000])
    assert overlong_price(lengths_B, 20_480, 4_096).tolist() == [0, 0, 0.25, 0.5, 1, 1]
    assert overlong_price(lengths_B, 0, 0).tolist() == [0] * 6


def test_the_price_is_taken_from_the_rewards() -> None:
    rollouts = Rollouts(
        inputs={},
        mask_BT=torch.tensor([[True, False, False, False], [True, True, True, True]]),
        group_B=torch.tensor([0, 0]),
        logprobs_BT=torch.zeros(2, 4),
        rewards_BT=torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 1]]),
    )
    assert DAPO().credit(rollouts)[0].tolist() == [[0] * 4, [0] * 4]
    advantages_BT, returns_BT = DAPO(limit_tokens=4, buffer_tokens=2).credit(rollouts)
    assert returns_BT.tolist() == [[1, 0, 0, 0], [0, 0, 0, 0]]
    assert advantages_BT.tolist() == [[1, 0, 0, 0], [-1, -1, -1, -1]]


def test_its_clip_reaches_higher_and_its_mean_counts_tokens() -> None:
    rollouts = Rollouts(
        inputs={},
        mask_BT=torch.tensor([[True, True], [True, False]]),
        group_B=torch.tensor([0, 0]),
        logprobs_BT=torch.zeros(2, 2, dtype=torch.float64),
        rewards_BT=torch.tensor([[0.0, 3], [1, 0]], dtype=torch.float64),
    )
    ratios_BT = torch.tensor([[1.5, 1.0], [0.5, 1.0]], dtype=torch.float64)
    now = Evaluation(ratios_BT.log(), torch.zeros(2, 2, dtype=torch.float64))
    loss_sum, count, _ = DAPO().loss(now, rollouts, *DAPO().credit(rollouts))
    # 1.5 is clipped to 1.28, A = 1; .5 to .8, A = -1.
    assert float(loss_sum) == pytest.approx(-1.28 - 1 + 0.8)
    assert int(count) == 3


def test_a_group_differs_if_any_of_its_advantages_is_not_zero() -> None:
    advantages_BT = torch.tensor([[0.0, 0], [1, 0], [0, 0], [0, 0], [0, -2], [0, 2]])
    group_B = torch.tensor([7, 7, 3, 3, 9, 9])
    assert differing_groups(advantages_BT, group_B).tolist() == [True, True, False, False, True, True]


def test_prompts_without_a_difference_are_left_out(batch: Batch, descent: Callable[..., Any]) -> None:
    """The step equals that on the other prompts alone, and the loss is a mean over their tokens alone."""
    steps = []
    for only in (None, torch.arange(4, 12)):
        policy, rollouts = batch()
        alike_BT = rollouts.mask_BT / rollouts.mask_BT.sum(1, keepdim=True)
        assert rollouts.rewards_BT is not None
        rewards_BT = torch.where(rollouts.group_B[:, None] == 0, alike_BT, rollouts.rewards_BT)
        rollouts = rollouts.with_(rewards_BT=rewards_BT)
        rollouts = rollouts if only is None else rollouts.rows(only)
        compute = descent()
        compute.prepare([(policy.parameters(), 0.5)])
        stats = DAPO().update(policy, compute, rollouts, *DAPO().credit(rollouts), seed=1)
        assert stats["informative_fraction"] == pytest.approx(2 / 3 if only is None else 1)
        steps.append((compute.gradients[0][0], compute.counts, stats["policy_loss"]))
    torch.testing.assert_close(steps[0][0], steps[1][0])
    assert steps[0][1:] == steps[1][1:]


def test_all_prompts_count_if_wanted(batch: Batch, descent: Callable[..., Any]) -> None:
    policy, rollouts = batch()
    alike = rollouts.with_(rewards_BT=torch.zeros(12, 3))
    compute = descent()
    compute.prepare([(policy.parameters(), 0.5)])
    stats = DAPO(skip_equal_groups=False).update(policy, compute, alike, *DAPO().credit(alike), seed=1)
    assert compute.counts == [float(rollouts.mask_BT.sum())]
    assert "informative_fraction" not in stats


def test_where_nothing_differs_no_step_is_taken(batch: Batch, descent: Callable[..., Any]) -> None:
    policy, rollouts = batch()
    alike = rollouts.with_(rewards_BT=torch.zeros(12, 3))
    before = policy.logits.detach().clone()
    compute = descent()
    compute.prepare([(policy.parameters(), 0.5)])
    stats = DAPO().update(policy, compute, alike, *DAPO().credit(alike), seed=1)
    assert stats == {"informative_fraction": 0.0, "early_stop": 1.0}
    assert torch.equal(policy.logits, before)


def test_its_settings_are_grpos() -> None:
    algorithm = DAPO(GRPO(epochs=3, minibatches=2, approx_kl_limit=0.1))
    assert (algorithm.epochs, algorithm.minibatches, algorithm.approx_kl_limit) == (3, 2, 0.1)
    with pytest.raises(Problem, match="buffer of 9 tokens"):
        DAPO(limit_tokens=8, buffer_tokens=9)
