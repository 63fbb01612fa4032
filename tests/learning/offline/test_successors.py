from __future__ import annotations

import math

import torch

from heedful.learning.offline.successors import value_after


def test_the_next_real_value_and_nothing_at_the_end() -> None:
    nan = math.nan
    values_BT = torch.tensor([[1.0, 2.0, 3.0, nan], [nan, 5.0, nan, 7.0], [nan, nan, nan, nan], [1.0, 2.0, 3.0, 4.0]])
    mask_BT = torch.tensor([[1, 1, 1, 0], [0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]], dtype=torch.bool)
    assert value_after(values_BT, mask_BT).tolist() == [
        [2.0, 3.0, 0.0, 0.0],
        [0.0, 7.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
        [2.0, 3.0, 4.0, 0.0],
    ]


def test_the_gradient_reaches_the_next_value_and_no_masked_one() -> None:
    values_BT = torch.tensor([[1.0, 2.0, math.nan, 4.0]], requires_grad=True)
    mask_BT = torch.tensor([[True, True, False, True]])
    (value_after(values_BT, mask_BT) * torch.tensor([[1.0, 10.0, 100.0, 1000.0]])).sum().backward()  # type: ignore[no-untyped-call]
    assert values_BT.grad is not None
    assert values_BT.grad.tolist() == [[0.0, 1.0, 0.0, 10.0]]
