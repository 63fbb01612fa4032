"""One PPO step by the formulas of the 2019 code of Ziegler et al., every number worked out on paper.

Two completions of two tokens each, as that code has them: no padding, gamma 1, lambda .95, both clips .2, value
coefficient .1, a KL coefficient of .15. Numbers of six digits are rounded.
"""

from __future__ import annotations

import pytest
import torch

from heedful.learning.advantages import gae, whiten
from heedful.learning.algorithms import PPO
from heedful.learning.kl import AdaptiveKL, k1, leashed_rewards
from heedful.rollouts import Evaluation, Rollouts

MASK_BT = torch.ones(2, 2, dtype=torch.bool)
LOGPROBS_BT = torch.tensor([[-1.0, -0.5], [-2.0, -1.5]], dtype=torch.float64)
REFERENCE_BT = torch.tensor([[-1.2, -0.5], [-1.0, -1.7]], dtype=torch.float64)
VALUES_BT = torch.tensor([[0.2, 0.5], [0.1, -0.1]], dtype=torch.float64)
SCORES_B = torch.tensor([1.0, -0.4], dtype=torch.float64)

REWARDS = [[-0.03, 1.0], [0.15, -0.43]]
"""-.15 * (.2, 0) and -.15 * (-1, .2), the scores added at the ends."""

WHITE_REWARDS = [[-0.215549, 1.758230], [0.129383, -0.982065]]
"""Mean .1725 (kept), variance .27231875."""

ADVANTAGES = [[0.745, 0.5], [-0.3635, -0.33]]
"""Errors (.27, .5) and (-.05, -.33): .27 + .95 * .5 and -.05 - .95 * .33."""

WHITE_ADVANTAGES = [[1.232872, 0.735357], [-1.018128, -0.950101]]
"""Mean .137875, variance .242505."""

RETURNS = [[0.945, 1.0], [-0.2635, -0.43]]

NOW = Evaluation(
    torch.tensor([[-0.7, -0.6], [-2.1, -1.2]], dtype=torch.float64),
    torch.zeros(2, 2, dtype=torch.float64),
    torch.tensor([[0.6, 0.4], [0.0, -0.15]], dtype=torch.float64),
)
"""Ratios e^.3, e^-.1, e^-.1, e^.3."""


def rollouts() -> Rollouts:
    rewards_BT = leashed_rewards(SCORES_B, LOGPROBS_BT, REFERENCE_BT, MASK_BT, 0.15)
    return Rollouts({}, MASK_BT, torch.arange(2), LOGPROBS_BT, values_BT=VALUES_BT, rewards_BT=rewards_BT)


def near(expected: list[list[float]]) -> list[object]:
    return [pytest.approx(row, abs=1e-6) for row in expected]


def test_rewards_and_their_whitening() -> None:
    rewards_BT = rollouts().rewards_BT
    assert rewards_BT is not None
    assert rewards_BT.tolist() == near(REWARDS)
    assert whiten(rewards_BT, MASK_BT, centre=False).tolist() == near(WHITE_REWARDS)


def test_advantages_and_returns() -> None:
    advantages_BT, returns_BT = gae(torch.tensor(REWARDS).double(), VALUES_BT, MASK_BT, 1.0, 0.95)
    assert advantages_BT.tolist() == near(ADVANTAGES)
    assert returns_BT.tolist() == near(RETURNS)
    credited_BT, same_BT = PPO().credit(rollouts())
    assert credited_BT.tolist() == near(WHITE_ADVANTAGES)
    assert same_BT.tolist() == near(RETURNS)


def test_the_loss() -> None:
    loss_sum, count, metrics = PPO().loss(NOW, rollouts(), *PPO().credit(rollouts()))
    means = {name: float(total) / float(number) for name, (total, number) in metrics.items()}
    # Policy: -1.2 * 1.232872 (clipped), -.904837 * .735357, .904837 * 1.018128, 1.349859 * .950101.
    assert means["policy_loss"] == pytest.approx((-1.479446 - 0.665379 + 0.921240 + 1.282502) / 4, abs=1e-6)
    assert means["clip_fraction"] == 0.25
    # Values: .6 is clipped to .4, and (.4 - .945)^2 is the larger; .36; .2635^2; .28^2. Halves of them.
    assert means["value_loss"] == pytest.approx((0.297025 + 0.36 + 0.06943225 + 0.0784) / 2 / 4, abs=1e-9)
    assert means["approx_kl"] == pytest.approx((0.09 + 0.01 + 0.01 + 0.09) / 2 / 4)
    assert means["ratio_mean"] == pytest.approx((2 * 1.349859 + 2 * 0.904837) / 4, abs=1e-6)
    assert int(count) == 4
    assert float(loss_sum) / 4 == pytest.approx(0.0147294 + 0.1 * 0.1006072, abs=1e-6)


def test_the_controller() -> None:
    kl = float(k1(LOGPROBS_BT, REFERENCE_BT).sum(1).mean())
    assert kl == pytest.approx(-0.3)  # .2 and -.8
    controller = AdaptiveKL(0.15, 6.0, 10_000)
    controller.update(kl, 2)
    assert controller.coefficient == pytest.approx(0.15 * (1 - 0.2 * 2 / 10_000))
