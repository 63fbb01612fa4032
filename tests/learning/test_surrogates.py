"""Numbers here follow the formulas of the 2019 code of Ziegler et al., worked out by hand or in plain Python."""

import math

import numpy as np
import pytest
import torch

from heedful.errors import Problem
from heedful.learning.surrogates import (
    Average,
    averaged,
    clipped_surrogate,
    critic_values,
    needed,
    rewards_of,
    value_loss,
)
from heedful.rollouts import Rollouts

NAN = float("nan")


def test_clipped_surrogate_by_hand() -> None:
    # Ratios 1.5 and .5, clipped to 1.2 and .8, and 1; advantages 2, -2 (rows); the last column is padding.
    log_ratio_BT = torch.tensor([[math.log(1.5), math.log(0.5), 0.0, NAN]] * 2, dtype=torch.float64)
    advantages_BT = torch.tensor([[2.0, 2.0, 2.0, NAN], [-2.0, -2.0, -2.0, NAN]], dtype=torch.float64)
    mask_BT = torch.tensor([[True, True, True, False]] * 2)
    loss_BT, metrics = clipped_surrogate(log_ratio_BT, advantages_BT, mask_BT, 0.2, 0.2)
    # max(-A ratio, -A clipped): max(-3, -2.4) = -2.4, max(-1, -1.6) = -1; max(3, 2.4) = 3, max(1, 1.6) = 1.6.
    assert loss_BT[0].tolist() == pytest.approx([-2.4, -1.0, -2.0, 0.0])
    assert loss_BT[1].tolist() == pytest.approx([3.0, 1.6, 2.0, 0.0])
    means = {name: float(value) / float(count) for name, (value, count) in metrics.items() if name != "ratio_max"}
    assert means == pytest.approx({"clip_fraction": 2 / 6, "ratio_mean": 1.0, "ratio_variance": 1 / 6})
    assert float(metrics["ratio_max"][0]) == pytest.approx(1.5)


def test_clipping_can_be_wider_above() -> None:
    log_ratio_B = torch.tensor([math.log(1.5), math.log(0.5)], dtype=torch.float64)
    advantages_B = torch.tensor([1.0, -1.0], dtype=torch.float64)
    loss_B, _ = clipped_surrogate(log_ratio_B, advantages_B, torch.ones(2, dtype=torch.bool), 0.3, 0.4)
    assert loss_B.tolist() == pytest.approx([-1.4, 0.7])


def test_the_gradient_stops_only_where_clipping_wins() -> None:
    log_ratio_B = torch.tensor([math.log(1.5), math.log(1.5), 0.0], dtype=torch.float64, requires_grad=True)
    advantages_B = torch.tensor([2.0, -2.0, 3.0], dtype=torch.float64)
    loss_B, _ = clipped_surrogate(log_ratio_B, advantages_B, torch.ones(3, dtype=torch.bool), 0.2, 0.2)
    (gradient_B,) = torch.autograd.grad(loss_B.sum(), log_ratio_B)
    # Clipped: 0. Not clipped: -A ratio.
    assert gradient_B.tolist() == pytest.approx([0.0, 3.0, -3.0])


def test_value_loss_by_hand() -> None:
    # Old value 0, clip .2, return 1. V = 2 is clipped to .2: max(1, .64) / 2. V = .1 is free: .81 / 2.
    values_BT = torch.tensor([[2.0, 0.1, NAN]], dtype=torch.float64, requires_grad=True)
    loss_BT = value_loss(
        values_BT,
        torch.tensor([[0.0, 0.0, NAN]], dtype=torch.float64),
        torch.tensor([[1.0, 1.0, NAN]], dtype=torch.float64),
        torch.tensor([[True, True, False]]),
        0.2,
    )
    assert loss_BT[0].tolist() == pytest.approx([0.5, 0.405, 0.0])
    (gradient_BT,) = torch.autograd.grad(loss_BT.sum(), values_BT)
    assert gradient_BT[0].tolist() == pytest.approx([1.0, -0.9, 0.0])


@pytest.mark.parametrize("clip", [0.0, 0.2])
def test_value_loss_in_plain_python(clip: float) -> None:
    rng = np.random.default_rng(0)
    values, old, returns = (rng.normal(size=(4, 5)) for _ in range(3))
    mask = rng.random((4, 5)) < 0.7
    total = 0.0
    for b, t in np.argwhere(mask):
        v, o, r = values[b, t], old[b, t], returns[b, t]
        near = min(max(v, o - clip), o + clip) if clip else v
        total += 0.5 * max((v - r) ** 2, (near - r) ** 2)
    values_BT, old_BT, returns_BT, mask_BT = (torch.from_numpy(x) for x in (values, old, returns, mask))
    assert float(value_loss(values_BT, old_BT, returns_BT, mask_BT, clip).sum()) == pytest.approx(total)


@pytest.mark.parametrize(
    ("average", "total", "count"),
    [("token", 1 + 2 + 6 + 5, 4), ("sequence", 9 / 3 + 5, 2), ("sum", 9 + 5, 2), ("constant", (9 + 5) / 10, 2)],
)
def test_four_ways_to_average(average: Average, total: float, count: int) -> None:
    x_BT = torch.tensor([[1.0, 2.0, 6.0], [5.0, NAN, NAN], [NAN, NAN, NAN]])
    mask_BT = torch.tensor([[True, True, True], [True, False, False], [False, False, False]])
    found, number = averaged(x_BT, mask_BT, average, 10)
    assert float(found) == pytest.approx(total)
    assert int(number) == count


def test_values_and_rewards_must_be_there() -> None:
    bare = Rollouts({}, torch.ones(1, 1, dtype=torch.bool), torch.zeros(1), torch.zeros(1, 1))
    with pytest.raises(Problem, match=r"NPG needs the critic's values(.|\n)*rloo"):
        critic_values(bare, "NPG")
    with pytest.raises(Problem, match="NPG needs rewards"):
        rewards_of(bare, "NPG")
    full = bare.with_(values_BT=torch.ones(1, 1), rewards_BT=torch.zeros(1, 1))
    assert (float(critic_values(full, "NPG")), float(rewards_of(full, "NPG"))) == (1, 0)


def test_what_is_missing_is_said() -> None:
    with pytest.raises(Problem, match=r"PPO needs the critic's values(.|\n)*add a head"):
        needed(None, "PPO", "the critic's values", "add a head")
