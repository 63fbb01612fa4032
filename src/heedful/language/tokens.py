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


def trimmed_parts(whole: Padded, tokens: int) -> Iterator[tuple[Tensor, Padded]]:
    """Parts of `whole` with rows of like length, each trimmed to its own longest prompt and completion.

    Args:
        whole: prompts and completions.
        tokens: how many tokens a part has, at least, real or padding.

    Yields:
        (index_M of the rows, the part); every row comes once.
    """
    steps = whole.response_mask_BT.shape[1]
    prompt_B = whole.attend_mask_BS[:, :-steps].sum(1)
    written_B = whole.attend_mask_BS[:, -steps:].sum(1)
    order_B = (prompt_B + written_B).argsort(stable=True)
    first = whole.ids_BS.shape[1] - steps
    rows = -(-tokens // whole.ids_BS.shape[1])
    for index_M in torch.split(order_B, rows):
        start = first - int(prompt_B[index_M].max())
        width = max(1, int(written_B[index_M].max()))
        columns = slice(start, first + width)
        yield (
            index_M,
            Padded(
                whole.ids_BS[index_M, columns],
                whole.attend_mask_BS[index_M, columns],
                whole.response_mask_BT[index_M, :width],
            ),
        )


def pad_right(rows: Sequence[Sequence[float]], mask_BT: Tensor) -> Tensor:
    """Ragged numbers as a float32 tensor of the shape of `mask_BT`, 0 where masked."""
    out_BT = torch.zeros(mask_BT.shape, dtype=torch.float32)
    for row, values in enumerate(rows):
        out_BT[row, : len(values)] = torch.tensor(values, dtype=torch.float32)
    return out_BT.to(mask_BT.device)


def positions(attend_mask_BS: Tensor) -> Tensor:
    """Position of each real token in its own row, from 0; padding on the left does not count."""
    return (attend_mask_BS.long().cumsum(-1) - 1).clamp(min=0)
