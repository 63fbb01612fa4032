"""Between records and tensors: padding on the side where it belongs, and nothing decoded twice.

Tokens that were sampled stay as they are: a completion is never decoded and encoded again for training.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Padded:
    """Prompts on the left of a shared column, completions on its right.

    `ids_BS` is prompt (padded on the left) followed by completion (padded on the right), S = P + T.
    """

    ids_BS: Tensor
    attend_mask_BS: Tensor
    """bool; True at real tokens of prompt and completion."""
    response_mask_BT: Tensor
    """bool; True at real tokens of the completion."""

    @property
    def steps(self) -> int:
        """Columns of the completion."""
        return int(self.response_mask_BT.shape[1])

    @property
    def inputs(self) -> dict[str, Tensor]:
        """As a policy reads them from `Rollouts.inputs`."""
        return {"ids_BS": self.ids_BS, "attend_mask_BS": self.attend_mask_BS}


def pad(prompts: Sequence[Sequence[int]], completions: Sequence[Sequence[int]], device: torch.device) -> Padded:
    """Lay prompts and completions (token ids) into one tensor.

    Padding is known by its mask alone; the id written there is 0 and is never looked at.
    """
    width = max(len(prompt) for prompt in prompts)
    steps = max(1, max(len(completion) for completion in completions))
    ids_BS = torch.zeros(len(prompts), width + steps, dtype=torch.long)
    mask_BS = torch.zeros(len(prompts), width + steps, dtype=torch.bool)
    for row, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        start, end = width - len(prompt), width + len(completion)
        ids_BS[row, start:end] = torch.tensor([*prompt, *completion], dtype=torch.long)
        mask_BS[row, start:end] = True
    return Padded(ids_BS.to(device), mask_BS.to(device), mask_BS[:, width:].to(device))


CUTS = 16
"""Into how many parts rows may be cut, about: more choice would save little padding."""


def trimmed_parts(whole: Padded, part_cost_tokens: int, most_tokens: int) -> Iterator[tuple[Tensor, Padded]]:
    """Parts of `whole` with rows of like length, each trimmed to its own longest prompt and completion.

    Where to cut is chosen so that padding and parts together cost least.

    Args:
        whole: prompts and completions.
        part_cost_tokens: what a further part costs, as so many tokens.
        most_tokens: of a part, real or padding, unless a single row is longer.

    Yields:
        (index_M of the rows, the part); every row comes once.
    """
    steps = whole.response_mask_BT.shape[1]
    prompt_B = whole.attend_mask_BS[:, :-steps].sum(1)
    written_B = whole.attend_mask_BS[:, -steps:].sum(1).clamp(min=1)
    order_B = (prompt_B + written_B).argsort(stable=True)
    first = whole.ids_BS.shape[1] - steps
    lengths = list(zip(prompt_B[order_B].tolist(), written_B[order_B].tolist(), strict=True))
    for low, high in _cheapest_cuts(lengths, part_cost_tokens, most_tokens):
        index_M = order_B[low:high]
        prompt, written = (max(column) for column in zip(*lengths[low:high], strict=True))
        columns = slice(first - prompt, first + written)
        yield (
            index_M,
            Padded(
                whole.ids_BS[index_M, columns],
                whole.attend_mask_BS[index_M, columns],
                whole.response_mask_BT[index_M, :written],
            ),
        )


def _cheapest_cuts(lengths: Sequence[tuple[int, int]], cost: int, most: int) -> list[tuple[int, int]]:
    """(first row, row after the last) of each part, by dynamic programming over blocks of rows."""
    widest = max(prompt for prompt, _ in lengths) + max(written for _, written in lengths)
    block = max(1, min(len(lengths) // CUTS, most // widest))
    ends = [*range(block, len(lengths), block), len(lengths)]
    best: list[tuple[float, int]] = [(0.0, 0)]  # up to here: (least cost, where the last part begins)
    for end in ends:
        found, prompt, written = (float("inf"), 0), 0, 0
        for at in range(len(best) - 1, max(-1, len(best) - 1 - 2 * CUTS), -1):
            begin = at * block
            upper = min(begin + block, end)
            prompt = max(prompt, *(row[0] for row in lengths[begin:upper]))
            written = max(written, *(row[1] for row in lengths[begin:upper]))
            tokens = (end - begin) * (prompt + written)
            if tokens > most and at < len(best) - 1:
                break
            found = min(found, (best[at][0] + tokens + cost, begin))
        best.append(found)
    parts, end = [], len(lengths)
    for place in range(len(ends), 0, -1):
        if ends[place - 1] == end:
            parts.append((best[place][1], end))
            end = best[place][1]
    return parts[::-1]


def pad_right(rows: Sequence[Sequence[float]], mask_BT: Tensor) -> Tensor:
    """Ragged numbers as a float32 tensor of the shape of `mask_BT`, 0 where masked."""
    out_BT = torch.zeros(mask_BT.shape, dtype=torch.float32)
    for row, values in enumerate(rows):
        out_BT[row, : len(values)] = torch.tensor(values, dtype=torch.float32)
    return out_BT.to(mask_BT.device)


def positions(attend_mask_BS: Tensor) -> Tensor:
    """Position of each real token in its own row, from 0; padding on the left does not count."""
    return (attend_mask_BS.long().cumsum(-1) - 1).clamp(min=0)
