"""Reward models that learn which of several completions people pick, and nothing of the order of the others.

Ziegler et al. 2019, "Fine-Tuning Language Models from Human Preferences" (arXiv:1909.08593), equation 1: people pick
the best of four. A comparison is a choice of two, so whatever can be compared can be learnt in this way too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from heedful.language.heads import ScalarModel
from heedful.language.imitation import Example
from heedful.language.preferring import Encoding
from heedful.learning.preference import pick_best
from heedful.records import Pick
from heedful.rollouts import Metrics


@dataclass(frozen=True)
class Choice:
    """A pick in token ids."""

    candidates: list[Example]
    """Two or more completions of one prompt."""
    shares: list[float]
    """Of the votes, one a candidate."""
    weight: float
    """How many votes there are."""


def encode_choices(model: ScalarModel, picks: Sequence[Pick], *, skip_overlong: bool = False) -> list[Choice]:
    """Picks in the reward model's token ids; a completion that is too long is cut at its end.

    Raises:
        Problem: a prompt leaves no room for an answer and `skip_overlong` is not set.
    """
    fitting = Encoding(model.language_model[0], skip_overlong).fitting(picks, lambda pick: pick.texts)
    return [Choice(candidates, list(pick.shares), pick.weight) for pick, candidates in fitting]


def best_of_all(scores_NK: Tensor, mask_NK: Tensor, choices: Sequence[Choice]) -> tuple[Tensor, Tensor, Metrics]:
    """Softmax cross-entropy over the candidates of each choice, for `heedful.reward.candidates`.

    `accuracy` is the share of the choices whose most picked candidate has the highest score; of equals, the first.
    """
    rows = [choice.shares + [0.0] * (mask_NK.shape[1] - len(choice.shares)) for choice in choices]
    target_NK = torch.tensor(rows, device=scores_NK.device)
    weight_N = torch.tensor([choice.weight for choice in choices], device=scores_NK.device)
    total, count = pick_best(scores_NK, target_NK, weight_N, mask_NK)
    right_N = scores_NK.masked_fill(~mask_NK, -torch.inf).argmax(1) == target_NK.argmax(1)
    return total, count, {"accuracy": (right_N.sum(), mask_NK.any(1).sum())}
