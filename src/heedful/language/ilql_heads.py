"""What tokens are worth, beside what tokens are likely: Q and V heads on the trunk of a language model.

The heads read what the language head reads, in the same forward pass. Snell et al. 2023 (arXiv:2206.11871) put them
on a trunk of their own; sharing it costs one pass less, and their code offers it too.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from heedful.errors import Problem
from heedful.files import write_json
from heedful.language.pretrained import LanguageModel
from heedful.language.tokens import Padded, positions

HEADS = "ilql.safetensors"
SHAPE = "ilql.json"
Q_HEADS = 2
"""The smaller of two estimates is used, since the larger of two errors would be chased otherwise."""


class ILQLHeads(nn.Module):
    """Two Q heads, lagged copies of them, and a V head, each with one hidden layer of twice the trunk's width.

    Args:
        hidden: the trunk's width.
        vocabulary: V.
        seed: of the first weights.
    """

    def __init__(self, hidden: int, vocabulary: int, *, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.q = nn.ModuleList([_head(hidden, vocabulary) for _ in range(Q_HEADS)])
            self.v = _head(hidden, 1)
        self.lagged_q = copy.deepcopy(self.q)
        self.lagged_q.requires_grad_(requires_grad=False)

    @classmethod
    def on(cls, model: LanguageModel, *, seed: int = 0) -> ILQLHeads:
        """Heads for `model`, on its device."""
        hidden = int(model.module.get_input_embeddings().weight.shape[1])
        return cls(hidden, model.vocabulary, seed=seed).to(model.device)

    def forward(self, hidden_BTD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(q_EBTV, lagged q_EBTV without gradient, values_BT)."""
        with torch.no_grad():
            lagged_EBTV = torch.stack([head(hidden_BTD) for head in self.lagged_q])
        return torch.stack([head(hidden_BTD) for head in self.q]), lagged_EBTV, self.v(hidden_BTD)[..., 0]

    def advantages(self, hidden_BD: Tensor) -> Tensor:
        """advantages_BV = min Q_lagged - V of every token."""
        lowest_BV = torch.stack([head(hidden_BD) for head in self.lagged_q]).amin(0)
        difference_BV: Tensor = lowest_BV - self.v(hidden_BD)
        return difference_BV


def predictions(model: LanguageModel, padded: Padded) -> tuple[Tensor, Tensor]:
    """(logits_BTV, hidden_BTD) where each response token is predicted; hidden is what the language head reads."""
    seen: list[Tensor] = []
    hook = model.module.get_output_embeddings().register_forward_pre_hook(lambda _head, given: seen.append(given[0]))
    try:
        attend_mask_BS = padded.attend_mask_BS
        steps = padded.response_mask_BT.shape[1]
        logits_BLV = model.logits(padded.ids_BS, attend_mask_BS, positions(attend_mask_BS), steps + 1)
    finally:
        hook.remove()
    return logits_BLV[:, :-1].float(), seen[0][:, :-1]


def save_heads(heads: ILQLHeads, folder: Path, settings: dict[str, Any]) -> None:
    """Write the heads, and the settings of the decoding, beside the weights in a model's folder."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in heads.state_dict().items()}
    save_file(state, folder / HEADS)
    write_json(folder / SHAPE, settings)


def load_heads(model: LanguageModel, folder: Path) -> tuple[ILQLHeads, dict[str, Any]]:
    """What `save_heads` wrote.

    Raises:
        Problem: the files are not those of heads for this model.
    """
    heads = ILQLHeads.on(model)
    try:
        heads.load_state_dict(load_file(folder / HEADS, device=str(model.device)))
        settings: dict[str, Any] = json.loads((folder / SHAPE).read_text(encoding="utf-8"))
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise Problem(
            "the Q and V heads in this folder do not fit the model",
            where=str(folder / HEADS),
            mend="copy the folder of the version again, whole",
        ) from error
    return heads, settings


def _head(hidden: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(hidden, 2 * hidden), nn.ReLU(), nn.Linear(2 * hidden, out))
