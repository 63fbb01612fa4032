"""Values by hand, or by the formulas of Ziegler et al. 2019 in plain Python."""

import math

import numpy as np
import pytest
import torch

from heedful.errors import Problem
from heedful.learning.algorithms import PPO
from heedful.rollouts import Evaluation, Rollouts


def a_batch(seed: int = 0) -> tuple[Rollouts, Evaluation]:
    rng = np.random.default_rng(seed)
    old, new = (torch.from_numpy(-rng.random((3, 4)) - 0.1) for _ in range(2))
    mask_BT = torch.tensor([[True] * 4, [True, True, False, False], [True, True, True, False]])
    rollouts = Rollouts(
        inputs={},
        mask_BT=mask_BT,
        group_B=torch.arange(3),
        logprobs_BT=old,
        values_BT=torch.from_numpy(rng.normal(size=(3, 4))),
        rewards_BT=torch.from_numpy(rng.normal(size=(3, 4))),
    )
    entropy_BT = torch.from_numpy(rng.random((3, 4)))
    return rollouts, Evaluation(new, entropy_BT, torch.from_numpy(rng.normal(size=(3, 4))))


def test_the_loss_in_plain_python() -> None:
    rollouts, now = a_batch()
    algorithm = PPO(clip=0.2, value_clip=0.15, value_coefficient=0.3, entropy_coefficient=0.05)
    advantages_BT, returns_BT = algorithm.credit(rollouts)
    loss_sum, count, metrics = algorithm.loss(now, rollouts, advantages_BT, returns_BT)

    assert now.values_BT is not None
    assert rollouts.values_BT is not None
    policy = critic = entropy = clipped = drift = 0.0
    for b, t in rollouts.mask_BT.nonzero().tolist():
        difference = float(now.logprobs_BT[b, t] - rollouts.logprobs_BT[b, t])
        ratio, advantage = math.exp(difference), float(advantages_BT[b, t])
        near = min(max(ratio, 0.8), 1.2)
        policy += max(-advantage * ratio, -advantage * near)
        clipped += -advantage * near > -advantage * ratio
        drift += 0.5 * difference**2
        value, old, target = (float(x[b, t]) for x in (now.values_BT, rollouts.values_BT, returns_BT))
        near_value = min(max(value, old - 0.15), old + 0.15)
        critic += 0.5 * max((value - target) ** 2, (near_value - target) ** 2)
        entropy += float(now.entropy_BT[b, t])
    assert int(count) == 9
    assert float(loss_sum) == pytest.approx(policy + 0.3 * critic - 0.05 * entropy)
    means = {name: float(total) / float(number) for name, (total, number) in metrics.items()}
    assert means["policy_loss"] == pytest.approx(policy / 9)
    assert means["value_loss"] == pytest.approx(critic / 9)
    assert means["clip_fraction"] == pytest.approx(clipped / 9)
    assert means["approx_kl"] == pytest.approx(drift / 9)
    assert means["entropy"] == pytest.approx(entropy / 9)
    assert 0 < clipped < 9


def test_credit_by_hand() -> None:
    # GAE of these numbers, gamma .9 and lambda .8, stands in test_advantages: (.12928, .374, .7).
    rollouts = Rollouts(
        inputs={},
        mask_BT=torch.tensor([[True, True, True, False]]),
        group_B=torch.arange(1),
        logprobs_BT=torch.zeros(1, 4),
        values_BT=torch.tensor([[0.5, 0.4, 0.3, 0.0]], dtype=torch.float64),
        rewards_BT=torch.tensor([[0.0, 0.0, 1.0, 0.0]], dtype=torch.float64),
    )
    plain_BT, returns_BT = PPO(gamma=0.9, lam=0.8, whiten_advantages=False).credit(rollouts)
    assert plain_BT[0].tolist() == pytest.approx([0.12928, 0.374, 0.7, 0])
    assert returns_BT[0].tolist() == pytest.approx([0.62928, 0.774, 1.0, 0])
    white_BT, same_BT = PPO(gamma=0.9, lam=0.8).credit(rollouts)
    raw = np.array([0.12928, 0.374, 0.7])
    assert white_BT[0, :3].tolist() == pytest.approx((raw - raw.mean()) / raw.std(), abs=1e-6)
    assert torch.equal(returns_BT, same_BT)


def test_rewards_can_be_whitened_with_their_mean_kept() -> None:
    rollouts = a_batch()[0].rows(torch.arange(3).repeat(3))
    assert rollouts.rewards_BT is not None
    real = rollouts.rewards_BT[rollouts.mask_BT].numpy()
    scaled_BT = torch.zeros(9, 4, dtype=torch.float64)
    scaled_BT[rollouts.mask_BT] = torch.from_numpy((real - real.mean()) / np.sqrt(real.var() + 1e-8) + real.mean())
    found = PPO(whiten_rewards=True).credit(rollouts)
    expected = PPO().credit(rollouts.with_(rewards_BT=scaled_BT))
    torch.testing.assert_close(found, expected)


def test_a_handful_of_rewards_is_not_whitened() -> None:
    rollouts = a_batch()[0].rows(torch.arange(8) % 3)
    PPO(whiten_rewards=True).credit(rollouts)
    with pytest.raises(Problem, match=r"whitened over 7 completions(.|\n)*8 or more"):
        PPO(whiten_rewards=True).credit(rollouts.rows(torch.arange(7)))
    PPO().credit(rollouts.rows(torch.arange(7)))


def test_behaviour_cut_off_from_outside_goes_on_from_the_critics_value() -> None:
    rollouts, _ = a_batch()
    cut = rollouts.with_(extras={"last_values_B": torch.tensor([2.0, 0.0, 0.0], dtype=torch.float64)})
    algorithm = PPO(gamma=0.5, lam=0.0, whiten_advantages=False)
    difference_BT = algorithm.credit(cut)[0] - algorithm.credit(rollouts)[0]
    expected_BT = torch.zeros(3, 4, dtype=torch.float64)
    expected_BT[0, 3] = 0.5 * 2
    torch.testing.assert_close(difference_BT, expected_BT)


def test_without_a_critic_it_says_so() -> None:
    rollouts, now = a_batch()
    with pytest.raises(Problem, match=r"PPO needs the critic's values(.|\n)*rloo"):
        PPO().credit(rollouts.with_(values_BT=None))
    with pytest.raises(Problem, match="critic"):
        PPO().loss(Evaluation(now.logprobs_BT, now.entropy_BT), rollouts, now.entropy_BT, now.entropy_BT)
    with pytest.raises(Problem, match="PPO needs rewards"):
        PPO().credit(rollouts.with_(rewards_BT=None))
