"""The value of what comes next: the one look ahead that temporal differences need."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from heedful.learning import masks


def value_after(values_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """next_BT: the value at the next real step; 0 after the last one, and where masked.

    The state after the last step is the end, whose value is 0 by definition: nothing is left to be earned there.
    """
    steps = values_BT.shape[1]
    columns_T = torch.arange(steps, device=values_BT.device)
    real_BT = torch.where(mask_BT, columns_T, steps)
    first_BT = real_BT.flip(1).cummin(1).values.flip(1)  # the first real step at or after each column
    next_BT = F.pad(first_BT[:, 1:], (0, 1), value=steps)
    return masks.kept(F.pad(masks.kept(values_BT, mask_BT), (0, 1)).gather(1, next_BT), mask_BT)
