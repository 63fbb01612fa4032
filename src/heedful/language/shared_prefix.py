"""Rows that begin alike are computed once as far as they agree, and padding never.

The completions of a group share their prompt, the two sides of a pair theirs, and all conversations under one system
prompt share that. In a causal model what stands before a token alone decides its states, so equal beginnings have equal
states: a layer's products run over the tokens that differ, and only attention sees whole rows.

Shapes: B rows, S columns, U tokens that are computed, X = B S places of rows, F numbers of a token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

WORTH = 0.9
"""Rows are taken apart where the tokens to compute are at most this share of all places: moving them costs, too."""


@dataclass(frozen=True)
class SharedPrefix:
    """Which places of rows are computed, and who takes the results over."""

    token_X: Tensor
    """The token (0..U-1) that stands at each place; at padding any."""
    place_U: Tensor
    """The place at which each token stands first."""
    copied_C: Tensor
    """The places at which a token stands again."""

    def spread(self, x_UF: Tensor) -> Tensor:
        """x_XF: what was computed of tokens, at every place; may be differentiated once."""
        found_XF: Tensor = _Spread.apply(x_UF, self)  # type: ignore[no-untyped-call]  # PyTorch
        return found_XF

    def taken(self, x_XF: Tensor) -> Tensor:
        """x_UF: what was computed at places, of each token where it stands first; may be differentiated once."""
        found_UF: Tensor = _Taken.apply(x_XF, self)  # type: ignore[no-untyped-call]  # PyTorch
        return found_UF


@torch.no_grad()
def shared_prefix(ids_BS: Tensor, length_B: Tensor) -> SharedPrefix | None:
    """The tokens that differ in what they are or in what stands before them; None where they are nearly all places.

    Args:
        ids_BS: token ids, padding on the right.
        length_B: the real tokens of each row.
    """
    rows, width = ids_BS.shape
    row_B, column_S = torch.arange(rows, device=ids_BS.device), torch.arange(width, device=ids_BS.device)
    real_BS = column_S < length_B[:, None]
    first_BS = row_B[:, None].repeat(1, width)  # the first row that agrees up to here
    group_B, ids = torch.zeros_like(row_B), int(ids_BS.max()) + 1
    for column in range(width):
        # A row that has ended agrees with none.
        key_B = torch.where(real_BS[:, column], group_B * ids + ids_BS[:, column], -1 - row_B)
        names, group_B = torch.unique(key_B, return_inverse=True)
        if len(names) == rows:
            break
        first_B = torch.full_like(row_B, rows)[: len(names)].scatter_reduce(0, group_B, row_B, "amin")
        first_BS[:, column] = first_B[group_B]
    own_BS = first_BS == row_B[:, None]
    place_U = (own_BS & real_BS).flatten().nonzero()[:, 0]
    if len(place_U) > WORTH * ids_BS.numel():
        return None
    number_X = torch.zeros_like(ids_BS).flatten()
    number_X[place_U] = torch.arange(len(place_U), device=ids_BS.device)
    token_X = number_X[(first_BS * width + column_S).flatten()]
    return SharedPrefix(token_X, place_U, (~own_BS & real_BS).flatten().nonzero()[:, 0])


class _Spread(torch.autograd.Function):
    """A token's gradient is the sum of those at its places; padding has none."""

    @staticmethod
    def forward(ctx: Any, x_UF: Tensor, shared: SharedPrefix) -> Tensor:
        ctx.shared = shared
        return x_UF.index_select(0, shared.token_X)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, by_XF: Tensor) -> tuple[Tensor, None]:
        shared: SharedPrefix = ctx.shared
        found_UF = by_XF.index_select(0, shared.place_U)
        copied_C = shared.copied_C
        return found_UF.index_add_(0, shared.token_X[copied_C], by_XF.index_select(0, copied_C)), None


class _Taken(torch.autograd.Function):
    """Where a token stands again, nobody has looked, so there is no gradient."""

    @staticmethod
    def forward(ctx: Any, x_XF: Tensor, shared: SharedPrefix) -> Tensor:
        ctx.shared, ctx.places = shared, len(x_XF)
        return x_XF.index_select(0, shared.place_U)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, by_UF: Tensor) -> tuple[Tensor, None]:
        found_XF = by_UF.new_zeros(ctx.places, *by_UF.shape[1:])
        return found_XF.index_copy_(0, ctx.shared.place_U, by_UF), None
