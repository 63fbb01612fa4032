"""The cache beside plain concatenation: the same keys and values after every way of moving them."""

from __future__ import annotations

import torch

from heedful.language.engines.slots import Slots


def some(rows: int, columns: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, 2, columns, 4, generator=generator), torch.randn(rows, 2, columns, 3, generator=generator)


def test_columns_are_appended_forgotten_and_laid() -> None:
    cache = Slots(6)
    first, second, third = some(3, 4, 1), some(3, 1, 2), some(3, 2, 3)
    cache.update(*first)
    found = cache.update(*second)
    for got, a, b in zip(found, first, second, strict=True):
        torch.testing.assert_close(got, torch.cat([a, b], 2), rtol=0, atol=0)
    assert cache.get_seq_length() == 5
    cache.origin = 3  # no row uses the first three any more
    cache.move_left()
    assert (cache.origin, cache.filled) == (0, 2)
    found = cache.update(*third)
    for got, a, b, c in zip(found, first, second, third, strict=True):
        torch.testing.assert_close(got, torch.cat([a[:, :, 3:], b, c], 2), rtol=0, atol=0)
    cache.keep(torch.tensor([2, 0]))
    other = Slots(3)
    laid = some(2, 3, 4)
    other.update(*laid)
    cache.lay(torch.tensor([1]), other, torch.tensor([0]))  # its three columns end where the cache ends
    keys, values = cache.keys[:, :, :, : cache.filled].transpose(2, 3), cache.values[:, :, : cache.filled]
    for got, wanted in zip((keys, values), laid, strict=True):
        torch.testing.assert_close(got[1, :, 1:], wanted[0], rtol=0, atol=0)
    for got, a, b, c in zip((keys, values), first, second, third, strict=True):
        torch.testing.assert_close(got[0], torch.cat([a[:, :, 3:], b, c], 2)[2], rtol=0, atol=0)
