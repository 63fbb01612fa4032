"""IPO: its value by hand, and the gap at which it has enough."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from heedful.learning.direct import IPO
from heedful.learning.direct.pairs import Pairs, Side

MakeSide = Callable[..., Side]


def test_by_hand(side: MakeSide) -> None:
    """Log-ratios 4 over 2 tokens and -3 over 3: h = 2 + 1 = 3 per token, 7 in all; beta 1/4 wants 2."""
    pairs = Pairs(side([-6.0], [2], [-10.0]), side([-9.0], [3], [-6.0]), torch.ones(1))
    assert float(IPO(0.25)(pairs)[0]) == pytest.approx((3 - 2) ** 2)
    assert float(IPO(0.25, per_token=False)(pairs)[0]) == pytest.approx((7 - 2) ** 2)
    assert float(IPO(0.25)(pairs)[2]["reward_margin"][0]) == pytest.approx(0.25 * 3)


@pytest.mark.parametrize("share", [1.0, 0.8, 0.5, 0.1])
def test_the_gap_ends_where_the_votes_put_it(share: float, side: MakeSide) -> None:
    """min over h of t (h - 1/2b)^2 + (1 - t) (-h - 1/2b)^2 lies at h = (t - 1/2) / b."""
    a, b = side([-2.0], ref=[-2.0]), side([-3.0], ref=[-3.0])
    a.logprobs_N.requires_grad_()
    for _ in range(200):
        (gradient,) = torch.autograd.grad(IPO(0.5)(Pairs(a, b, torch.tensor([share])))[0], a.logprobs_N)
        with torch.no_grad():
            a.logprobs_N.sub_(0.1 * gradient)
    assert float((a.log_ratio() - b.log_ratio()).detach()) == pytest.approx((share - 0.5) / 0.5, abs=1e-6)
