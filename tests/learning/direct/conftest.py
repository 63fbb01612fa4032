"""Numbers as pairs, shared by the tests of the direct losses."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from heedful.learning.direct.pairs import Pairs, Side


def numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.fixture
def side() -> Callable[..., Side]:
    """Make a side of plain numbers."""

    def make(
        logprobs: Sequence[float], tokens: Sequence[int] | None = None, ref: Sequence[float] | None = None
    ) -> Side:
        lengths = numbers(*([1.0] * len(logprobs) if tokens is None else [float(n) for n in tokens]))
        return Side(numbers(*logprobs), lengths, None if ref is None else numbers(*ref))

    return make


@pytest.fixture
def random_pairs() -> Callable[[int, int], Pairs]:
    """Pairs of random numbers, with soft targets, weights and margins."""

    def make(count: int, seed: int) -> Pairs:
        random = torch.Generator().manual_seed(seed)

        def drawn(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(count, generator=random, dtype=torch.float64)

        def one_side() -> Side:
            tokens_N = torch.randint(2, 9, (count,), generator=random).double()
            return Side(tokens_N * drawn(-2.5, -0.2), tokens_N, tokens_N * drawn(-2.5, -0.2))

        return Pairs(one_side(), one_side(), drawn(0, 1), drawn(1, 4), drawn(0, 1))

    return make
