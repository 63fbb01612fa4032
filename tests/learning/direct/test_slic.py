"""SLiC-HF: its value by hand, and a hinge that lets go."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from heedful.errors import Problem
from heedful.learning.direct import SLiC
from heedful.learning.direct.pairs import Pairs, Side


def test_by_hand(side: Callable[..., Side]) -> None:
    """Gaps 0.5 and 3 with delta 2: hinges 1.5 and 0; imitation 4 and 1, a tenth of each."""
    pairs = Pairs(side([-4.0, -1.0]), side([-4.5, -4.0]), torch.ones(2))
    total, count, metrics = SLiC(delta=2.0, imitation_weight=0.1)(pairs)
    assert float(total) == pytest.approx(1.5 + 0.4 + 0.1)
    assert float(count) == 2
    assert float(metrics["accuracy"][0]) == 2


def test_the_preferred_side_is_imitated_and_a_tie_imitates_both(side: Callable[..., Side]) -> None:
    """delta 1 and a gap of 0: hinge 1 for either vote; the imitation of the second row is half of each side."""
    pairs = Pairs(side([-3.0, -3.0]), side([-3.0, -3.0]), torch.tensor([0.0, 0.5]), torch.tensor([1.0, 2.0]))
    assert float(SLiC(1.0, 0.5)(pairs)[0]) == pytest.approx(3 * 1 + 0.5 * 3 * 3)


def test_beyond_the_margin_there_is_no_gradient(side: Callable[..., Side]) -> None:
    a = side([-1.0])
    a.logprobs_N.requires_grad_()
    total, _, _ = SLiC(1.0, imitation_weight=0.0)(Pairs(a, side([-4.0]), torch.ones(1)))
    total.backward()  # type: ignore[no-untyped-call]  # PyTorch has no annotation here
    assert a.logprobs_N.grad is not None
    assert float(a.logprobs_N.grad) == 0


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(Problem, match="imitation_weight"):
        SLiC(imitation_weight=-0.1)
