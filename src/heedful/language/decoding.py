"""Decoding towards what is worth more: a rule on logits, put where a model's logits are made.

The language head of a model is replaced by one that applies the rule. Whatever reads the model's logits afterwards,
a sampler, a KL estimate or a chat, sees the steered distribution, and none of them needs to know.
"""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import Tensor, nn

from heedful.language.ilql_heads import HEADS, ILQLHeads, load_heads
from heedful.language.pretrained import LanguageModel


def steered(logits_BV: Tensor, advantages_BV: Tensor, beta: float, top_k: int) -> Tensor:
    """log pi + beta (min Q - V) for the `top_k` largest of these sums, minus infinity for the others (0: for none).

    Snell et al. 2023 (arXiv:2206.11871), section 4.3. X leading dimensions instead of B work as well.
    """
    steered_BV = logits_BV.float().log_softmax(-1) + beta * advantages_BV
    if not 0 < top_k < steered_BV.shape[-1]:
        return steered_BV
    least_B1 = steered_BV.topk(top_k, -1).values[..., -1:]
    return torch.where(steered_BV >= least_B1, steered_BV, -torch.inf)


class SteeredHead(nn.Module):
    """A language head whose logits follow the rule of `steered`."""

    def __init__(self, language_head: nn.Module, heads: ILQLHeads, beta: float, top_k: int) -> None:
        super().__init__()
        self.language_head, self.heads, self.beta, self.top_k = language_head, heads, beta, top_k

    def forward(self, hidden_BTD: Tensor) -> Tensor:
        """Logits_BTV."""
        return steered(self.language_head(hidden_BTD), self.heads.advantages(hidden_BTD), self.beta, self.top_k)


def steer(model: LanguageModel, heads: ILQLHeads, *, beta: float, top_k: int) -> LanguageModel:
    """A copy of the model that decodes towards what the heads find worth more.

    It is frozen, since a gradient would flow through the rule: train the model that it was made of instead.
    """
    twin = model.frozen_copy()
    rule = SteeredHead(twin.module.get_output_embeddings(), copy.deepcopy(heads), beta, top_k)
    twin.module.set_output_embeddings(rule.requires_grad_(requires_grad=False))
    return twin


def is_steered(model: LanguageModel) -> bool:
    """Whether the model's logits follow the rule."""
    return isinstance(model.module.get_output_embeddings(), SteeredHead)


def steered_if_told(model: LanguageModel, folder: Path) -> LanguageModel:
    """The model of `folder`, steered where Q and V heads lie beside its weights; otherwise as it is."""
    if not (folder / HEADS).is_file():
        return model
    heads, settings = load_heads(model, folder)
    return steer(model, heads, beta=float(settings["beta"]), top_k=int(settings["top_k"]))
