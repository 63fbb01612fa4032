import math

import pytest
import torch

from heedful.learning.algorithms import CISPO
from heedful.rollouts import Evaluation, Rollouts

NAN = float("nan")
ROLLOUTS = Rollouts(
    inputs={},
    mask_BT=torch.tensor([[True, True, True], [True, False, False]]),
    group_B=torch.tensor([0, 0]),
    logprobs_BT=torch.tensor([[-1.0, -1, -1], [-2, NAN, NAN]], dtype=torch.float64),
    rewards_BT=torch.tensor([[0.0, 0, 3], [1, NAN, NAN]], dtype=torch.float64),
)


def test_the_loss_and_its_gradient_by_hand() -> None:
    change_BT = torch.tensor([[math.log(8), 0.0, math.log(0.1)], [math.log(1.5), NAN, NAN]], dtype=torch.float64)
    now = Evaluation((ROLLOUTS.logprobs_BT + change_BT).requires_grad_(), torch.full((2, 3), 0.5, dtype=torch.float64))
    algorithm = CISPO(entropy_coefficient=0.1)
    advantages_BT, returns_BT = algorithm.credit(ROLLOUTS)
    assert advantages_BT.tolist() == [[1, 1, 1], [-1, 0, 0]]
    loss_sum, count, metrics = algorithm.loss(now, ROLLOUTS, advantages_BT, returns_BT)
    # Weights 8 -> 5, 1, .1 (no lower bound) with A = 1; 1.5 with A = -1. Times A log pi, sign turned.
    policy = -5 * (-1 + math.log(8)) - 1 * -1 - 0.1 * (-1 + math.log(0.1)) + 1.5 * (-2 + math.log(1.5))
    assert float(loss_sum.detach()) == pytest.approx(policy - 0.1 * 0.5 * 4)
    assert float(count) == 4
    means = {name: float(total.detach()) / float(number) for name, (total, number) in metrics.items()}
    assert means["clip_fraction"] == 1 / 4
    assert means["ratio_mean"] == pytest.approx((8 + 1 + 0.1 + 1.5) / 4)
    assert float(metrics["ratio_max"][0]) == pytest.approx(8)
    (gradient_BT,) = torch.autograd.grad(loss_sum, now.logprobs_BT)
    # The bounded token keeps its gradient, and none flows through the weights.
    torch.testing.assert_close(gradient_BT, torch.tensor([[-5, -1, -0.1], [1.5, 0, 0]], dtype=torch.float64))


def test_there_can_be_a_lower_bound() -> None:
    now = Evaluation(ROLLOUTS.logprobs_BT + torch.tensor([[0.0, 0, math.log(0.1)], [0, NAN, NAN]]), torch.zeros(2, 3))
    algorithm = CISPO(clip=0.5)
    loss_sum, _, metrics = algorithm.loss(now, ROLLOUTS, *algorithm.credit(ROLLOUTS))
    assert float(loss_sum) == pytest.approx(1 + 1 - 0.5 * (-1 + math.log(0.1)) - 2)
    assert float(metrics["clip_fraction"][0]) == 1
