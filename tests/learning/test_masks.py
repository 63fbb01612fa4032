import numpy as np
import pytest
import torch

from heedful.learning import masks

NAN = float("nan")


def test_mean_and_variance_see_kept_positions_only() -> None:
    x_BT = torch.tensor([[1.0, 2.0, NAN], [6.0, float("inf"), NAN]], dtype=torch.float64)
    mask_BT = torch.tensor([[True, True, False], [True, False, False]])
    assert float(masks.mean(x_BT, mask_BT)) == pytest.approx(np.mean([1, 2, 6]))
    assert float(masks.variance(x_BT, mask_BT)) == pytest.approx(np.var([1, 2, 6]))


def test_no_gradient_reaches_masked_positions_even_from_nan() -> None:
    x_BT = torch.tensor([[1.0, NAN], [3.0, float("inf")]], requires_grad=True)
    mask_BT = torch.tensor([[True, False], [True, False]])
    masks.variance(x_BT, mask_BT).backward()  # type: ignore[no-untyped-call]  # PyTorch has no annotation here
    # The variance of (1, 3) is 1; its gradient is 2 (x - mean) / n = (-1, 1).
    assert x_BT.grad is not None
    assert x_BT.grad.tolist() == [[-1.0, 0.0], [1.0, 0.0]]


def test_row_means_see_kept_positions_only() -> None:
    x_BT = torch.tensor([[1.0, 5.0, NAN], [NAN, 4.0, NAN], [NAN, NAN, NAN]])
    mask_BT = torch.tensor([[True, True, False], [False, True, False], [False, False, False]])
    assert masks.row_means(x_BT, mask_BT).tolist() == [3.0, 4.0, 0.0]
