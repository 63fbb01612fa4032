"""Statistics under a mask: what is masked neither counts nor leaks, be it padding or NaN.

Masks are bool and True where a position counts. Masked positions are replaced with `torch.where` before any
arithmetic, because `nan * 0` is NaN, in the gradient too.
"""

from __future__ import annotations

import torch
from torch import Tensor


def kept(x_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """`x_BT` where the mask is True and 0 elsewhere; no gradient flows through masked positions."""
    return torch.where(mask_BT, x_BT, torch.zeros((), dtype=x_BT.dtype, device=x_BT.device))


def mean(x_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Scalar mean over the positions that count; NaN if there are none."""
    return kept(x_BT, mask_BT).sum() / mask_BT.sum()


def variance(x_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """Scalar population variance (divided by the number of positions, not by one less)."""
    return mean((kept(x_BT, mask_BT) - mean(x_BT, mask_BT)) ** 2, mask_BT)


def row_means(x_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """mean_B over the positions of each row that count; 0 for a row without any."""
    return kept(x_BT, mask_BT).sum(1) / mask_BT.sum(1).clamp(min=1)
