"""SimPO: its value by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from heedful.learning.direct import SimPO
from heedful.learning.direct.pairs import Pairs, Side


def test_by_hand(side: Callable[..., Side]) -> None:
    """Per token -1 and -1 - log 3: times beta 2, less gamma log 3, leaves log 3."""
    pairs = Pairs(side([-2.0], [2]), side([-3 - 3 * math.log(3)], [3]), torch.ones(1))
    total, count, metrics = SimPO(beta=2.0, gamma=math.log(3))(pairs)
    assert float(total) == pytest.approx(math.log(4 / 3))
    assert float(count) == 1
    assert float(metrics["reward_margin"][0]) == pytest.approx(2 * math.log(3)), "without gamma"


def test_a_margin_comes_on_top_of_gamma(side: Callable[..., Side]) -> None:
    pairs = Pairs(side([-2.0], [2]), side([-3 - 3 * math.log(3)], [3]), torch.ones(1), margin_N=torch.tensor([1.0]))
    plain = Pairs(pairs.a, pairs.b, pairs.target_N)
    assert float(SimPO(gamma=0.5)(pairs)[0]) == pytest.approx(float(SimPO(gamma=1.5)(plain)[0]))


def test_length_does_not_pay(side: Callable[..., Side]) -> None:
    """Twice as many tokens of the same probability are the same reward."""
    assert SimPO().rewards(side([-2.0, -4.0], [2, 4])).tolist() == [-2, -2]
