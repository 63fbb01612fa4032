import math
from typing import Literal

import pytest
import torch

from heedful.errors import Problem
from heedful.learning.algorithms import GRPO, dr_grpo
from heedful.rollouts import Evaluation, Rollouts

NAN = float("nan")
ROLLOUTS = Rollouts(
    inputs={},
    mask_BT=torch.tensor([[True, True, True, True], [True, False, False, False]]),
    group_B=torch.tensor([0, 0]),
    logprobs_BT=torch.tensor([[-1.0, -1, -1, -1], [-2, NAN, NAN, NAN]], dtype=torch.float64),
    ref_logprobs_BT=torch.tensor([[-1.5, -1, -1, -1], [-1, NAN, NAN, NAN]], dtype=torch.float64),
    rewards_BT=torch.tensor([[0.0, 0, 0, 3], [1, NAN, NAN, NAN]], dtype=torch.float64),
)
NOW = Evaluation(
    torch.tensor([[-1 + math.log(1.5), -1, -1, -1], [-2 + math.log(0.9), NAN, NAN, NAN]], dtype=torch.float64),
    torch.full((2, 4), 0.5, dtype=torch.float64),
)


def test_credit_standardises_or_only_centres() -> None:
    standard_BT, returns_BT = GRPO().credit(ROLLOUTS)
    assert standard_BT.tolist() == [[1, 1, 1, 1], [-1, 0, 0, 0]]
    assert returns_BT.tolist() == [[3, 3, 3, 3], [1, 0, 0, 0]]
    five_BT, _ = GRPO(standardise=False).credit(
        ROLLOUTS.with_(rewards_BT=torch.tensor([[0.0, 0, 0, 7], [-3, 0, 0, 0]]))
    )
    assert five_BT.tolist() == [[5, 5, 5, 5], [-5, 0, 0, 0]]


@pytest.mark.parametrize(
    ("average", "tokens", "expected", "count"),
    [
        # Token losses: -1.2 (clipped), -1, -1, -1 in the first completion, .9 in the second.
        ("sequence", 0, -4.2 / 4 + 0.9, 2),
        ("token", 0, -4.2 + 0.9, 5),
        ("constant", 10, (-4.2 + 0.9) / 10, 2),
    ],
)
def test_three_ways_to_average(
    average: Literal["sequence", "token", "constant"], tokens: int, expected: float, count: int
) -> None:
    algorithm = GRPO(average=average, constant_tokens=tokens)
    loss_sum, found, metrics = algorithm.loss(NOW, ROLLOUTS, *algorithm.credit(ROLLOUTS))
    assert float(loss_sum) == pytest.approx(expected)
    assert float(found) == count
    assert float(metrics["clip_fraction"][0]) / float(metrics["clip_fraction"][1]) == pytest.approx(1 / 5)


def test_the_upper_clip_can_differ() -> None:
    algorithm = GRPO(average="token", clip_high=0.4, entropy_coefficient=0.2)
    loss_sum, _, _ = algorithm.loss(NOW, ROLLOUTS, *algorithm.credit(ROLLOUTS))
    assert float(loss_sum) == pytest.approx(-1.4 - 3 + 0.9 - 0.2 * 0.5 * 5)


@pytest.mark.parametrize("estimator", ["k2", "k3"])
def test_the_kl_in_the_loss_by_hand(estimator: Literal["k2", "k3"]) -> None:
    algorithm = GRPO(average="token", kl_coefficient=0.5, kl_estimator=estimator)
    loss_sum, _, metrics = algorithm.loss(NOW, ROLLOUTS, *algorithm.credit(ROLLOUTS))
    # log u = log ref - log pi at the first token of each completion; 0 at the others.
    gaps = [-0.5 - math.log(1.5), 1 - math.log(0.9)]
    by_name = {"k2": sum(g**2 / 2 for g in gaps), "k3": sum(math.exp(g) - 1 - g for g in gaps)}
    assert float(metrics["kl_loss"][0]) == pytest.approx(by_name[estimator])
    assert float(loss_sum) == pytest.approx(-4.2 + 0.9 + 0.5 * by_name[estimator])


def test_the_kl_needs_a_reference() -> None:
    algorithm = GRPO(kl_coefficient=0.1)
    bare = ROLLOUTS.with_(ref_logprobs_BT=None)
    with pytest.raises(Problem, match="KL in the loss needs a reference"):
        algorithm.loss(NOW, bare, *algorithm.credit(bare))


def test_a_constant_average_needs_its_constant() -> None:
    with pytest.raises(Problem, match="constant_tokens"):
        GRPO(average="constant")


def test_dr_grpo_neither_divides_by_the_deviation_nor_by_the_length() -> None:
    algorithm = dr_grpo(10)
    rewards_BT = torch.tensor([[0.0, 0, 0, 7], [-3, 0, 0, 0]], dtype=torch.float64)
    given = ROLLOUTS.with_(rewards_BT=rewards_BT)
    advantages_BT, returns_BT = algorithm.credit(given)
    assert advantages_BT.tolist() == [[5, 5, 5, 5], [-5, 0, 0, 0]]
    # Ratios 1.5 (clipped to 1.2), 1, 1, 1 of the first; .9 of the second. Ten tokens are the limit.
    loss_sum, count, _ = algorithm.loss(NOW, given, advantages_BT, returns_BT)
    assert float(loss_sum) == pytest.approx((-5 * 4.2 + 5 * 0.9) / 10)
    assert float(count) == 2
