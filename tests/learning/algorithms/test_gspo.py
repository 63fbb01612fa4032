import math

import pytest
import torch

from heedful.learning.algorithms import GSPO
from heedful.rollouts import Evaluation, Rollouts

NAN = float("nan")
ROLLOUTS = Rollouts(
    inputs={},
    mask_BT=torch.tensor([[True, True, True], [True, False, False]]),
    group_B=torch.tensor([0, 0]),
    logprobs_BT=torch.tensor([[-1.0, -1, -1], [-2, NAN, NAN]], dtype=torch.float64),
    rewards_BT=torch.tensor([[0.0, 0, 3], [1, NAN, NAN]], dtype=torch.float64),
)
CHANGE_BT = torch.tensor([[0.3, -0.1, 0.4], [-0.05, NAN, NAN]], dtype=torch.float64)


def test_the_loss_by_hand() -> None:
    now = Evaluation(ROLLOUTS.logprobs_BT + CHANGE_BT, torch.full((2, 3), 0.5, dtype=torch.float64))
    algorithm = GSPO(clip=0.1, clip_high=0.15, entropy_coefficient=0.2)
    advantages_BT, returns_BT = algorithm.credit(ROLLOUTS)
    assert advantages_BT.tolist() == [[1, 1, 1], [-1, 0, 0]]
    assert returns_BT.tolist() == [[3, 3, 3], [1, 0, 0]]
    loss_sum, count, metrics = algorithm.loss(now, ROLLOUTS, advantages_BT, returns_BT)
    # Length-normalised ratios e^(.6 / 3), clipped to 1.15, with A = 1, and e^-.05, free, with A = -1.
    policy = -1.15 + math.exp(-0.05)
    assert float(loss_sum) == pytest.approx(policy - 0.2 * (0.5 + 0.5))
    assert float(count) == 2
    assert float(metrics["clip_fraction"][0]) == 1
    assert float(metrics["ratio_max"][0]) == pytest.approx(math.exp(0.2))
    assert float(metrics["policy_loss"][0]) == pytest.approx(policy)


def test_the_gradient_of_a_completion_is_shared_among_its_tokens() -> None:
    logprobs_BT = ROLLOUTS.logprobs_BT.clone().requires_grad_()
    algorithm = GSPO()
    loss_sum, _, _ = algorithm.loss(Evaluation(logprobs_BT, torch.zeros(2, 3)), ROLLOUTS, *algorithm.credit(ROLLOUTS))
    (gradient_BT,) = torch.autograd.grad(loss_sum, logprobs_BT)
    # On policy: -A / length at every token (equation 10 of the paper).
    torch.testing.assert_close(gradient_BT, torch.tensor([[-1 / 3] * 3, [1, 0, 0]], dtype=torch.float64))
