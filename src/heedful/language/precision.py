"""What passes are computed in: products of bfloat16 have the range of float32 and 8 bits of its 24.

Weights, gradients, sums, norms and softmaxes stay float32 (autocast), so nothing has to be scaled (Kalamkar et al.
2019, "A Study of BFLOAT16 for Deep Learning Training", arXiv:1905.12322).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch
from torch import Tensor

Precision = Literal["float32", "bfloat16"]


def widened(x: Tensor) -> Tensor:
    """What came out of a pass, in float32 where that was in bfloat16."""
    return x.float() if x.dtype == torch.bfloat16 else x


def computing(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """Within it, matrix products and attention on a device are of this precision."""
    return nullcontext() if precision == "float32" else torch.autocast(device.type, torch.bfloat16)
