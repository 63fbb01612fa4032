"""Laying ragged rows into tensors and taking the padding off again."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from heedful.language.tokens import pad, pad_right, positions, trimmed_parts

PROMPTS = [[1, 5, 9], [1], [1, 7, 7, 7, 7], [1, 4]]
COMPLETIONS = [[4, 2], [6, 6, 6, 2], [5], []]


def test_prompts_end_and_completions_begin_at_one_column() -> None:
    padded = pad(PROMPTS, COMPLETIONS, torch.device("cpu"))
    assert padded.ids_BS.tolist() == [
        [0, 0, 1, 5, 9, 4, 2, 0, 0],
        [0, 0, 0, 0, 1, 6, 6, 6, 2],
        [1, 7, 7, 7, 7, 5, 0, 0, 0],
        [0, 0, 0, 1, 4, 0, 0, 0, 0],
    ]
    assert padded.attend_mask_BS.sum(1).tolist() == [5, 5, 6, 2]
    assert padded.response_mask_BT.sum(1).tolist() == [2, 4, 1, 0]


def test_positions_count_real_tokens_only() -> None:
    mask_BS = torch.tensor([[False, False, True, True, False]])
    assert positions(mask_BS).tolist() == [[0, 0, 0, 1, 1]]


def test_ragged_numbers_are_padded_with_zeros() -> None:
    mask_BT = torch.ones(2, 3, dtype=torch.bool)
    assert pad_right([[1.5], [2.0, 3.0, 4.0]], mask_BT).tolist() == [[1.5, 0.0, 0.0], [2.0, 3.0, 4.0]]


@pytest.mark.parametrize(("part_cost", "most"), [(0, 10**6), (3, 10**6), (0, 1), (5, 9), (1000, 10**6)])
def test_trimmed_parts_hold_every_row_once_and_lose_no_token(part_cost: int, most: int) -> None:
    whole = pad(PROMPTS, COMPLETIONS, torch.device("cpu"))
    seen = []
    for index_M, part in trimmed_parts(whole, part_cost, most):
        seen += index_M.tolist()
        for row, number in enumerate(index_M.tolist()):
            ids = part.ids_BS[row][part.attend_mask_BS[row]].tolist()
            assert ids == PROMPTS[number] + COMPLETIONS[number]
            assert int(part.response_mask_BT[row].sum()) == len(COMPLETIONS[number])
        assert part.ids_BS.numel() <= most or len(index_M) == 1
    assert sorted(seen) == [0, 1, 2, 3]


def test_a_part_is_no_wider_than_its_longest_rows() -> None:
    whole = pad(PROMPTS, COMPLETIONS, torch.device("cpu"))
    widths = [part.ids_BS.shape[1] for _, part in trimmed_parts(whole, 0, 1)]
    assert widths == [3, 5, 5, 6]  # the empty completion keeps one column


@pytest.mark.parametrize("part_cost", [0, 2, 7, 20, 60, 500])
def test_padding_and_parts_cost_as_little_as_they_can(part_cost: int) -> None:
    rng = np.random.default_rng(part_cost)
    lengths = rng.integers(1, 12, size=(9, 2)).tolist()
    whole = pad([[5] * prompt for prompt, _ in lengths], [[6] * written for _, written in lengths], torch.device("cpu"))
    ordered = sorted(lengths, key=sum)

    def cost(cuts: Sequence[int]) -> int:
        parts = [ordered[a:b] for a, b in itertools.pairwise([0, *cuts, 9])]
        return sum(len(part) * (max(p for p, _ in part) + max(w for _, w in part)) + part_cost for part in parts)

    least = min(cost(cuts) for count in range(9) for cuts in itertools.combinations(range(1, 9), count))
    found = list(trimmed_parts(whole, part_cost, 10**6))
    assert sum(part.ids_BS.numel() + part_cost for _, part in found) == least


def test_many_rows_are_cut_into_blocks_that_stay_within_the_most() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 60, size=500).tolist()
    whole = pad([[5]] * 500, [[6] * length for length in lengths], torch.device("cpu"))
    parts = [part for _, part in trimmed_parts(whole, 100, 2000)]
    assert sum(len(part.ids_BS) for part in parts) == 500
    assert max(part.ids_BS.numel() for part in parts) <= 2000
    assert sum(part.ids_BS.numel() for part in parts) <= 1.15 * (sum(lengths) + 500)
