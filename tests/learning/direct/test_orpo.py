"""ORPO: its value by hand, and odds that stay finite where probabilities are near 0 and 1."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from heedful.learning.direct import ORPO
from heedful.learning.direct.orpo import log_odds
from heedful.learning.direct.pairs import Pairs, Side


def test_by_hand(side: Callable[..., Side]) -> None:
    """P(w) = 3/4 and P(l) = 1/2 per token: odds 3 and 1, so sigmoid(log 3) = 3/4."""
    pairs = Pairs(side([2 * math.log(3 / 4)], [2]), side([3 * math.log(1 / 2)], [3]), torch.ones(1))
    total, count, metrics = ORPO(odds_weight=0.5)(pairs)
    assert float(total) == pytest.approx(math.log(4 / 3) + 0.5 * math.log(4 / 3))
    assert float(count) == 1
    assert float(metrics["preferred_nats"][0]) == pytest.approx(math.log(4 / 3))
    assert float(metrics["reward_margin"][0]) == pytest.approx(math.log(3))


@pytest.mark.parametrize("log_p", [-1e-5, -0.01, -math.log(2) + 1e-9, -math.log(2) - 1e-9, -3.0, -40.0])
def test_odds_and_their_gradient(log_p: float) -> None:
    """d log odds / d log p = 1 / (1 - p)."""
    x = torch.tensor([log_p], dtype=torch.float64, requires_grad=True)
    odds = log_odds(x)
    assert float(odds.detach()) == pytest.approx(log_p - math.log(-math.expm1(log_p)), rel=1e-9)
    odds.backward()  # type: ignore[no-untyped-call]  # PyTorch has no annotation here
    assert x.grad is not None
    assert float(x.grad) == pytest.approx(-1 / math.expm1(log_p), rel=1e-9)


def test_a_certain_completion_has_finite_odds() -> None:
    x = torch.zeros(1, requires_grad=True)
    odds = log_odds(x)
    odds.backward()  # type: ignore[no-untyped-call]  # PyTorch has no annotation here
    assert torch.isfinite(odds).all()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
