"""Reward models that learn a number for a single completion: how it was rated, or how likely it shows a behaviour.

Ratings are a regression; they come on each rater's own scale, see `heedful.feedback.grades`. Flags are a logistic
regression: the score is the log-odds that people flag a completion. Glaese et al. 2022, "Improving alignment of
dialogue agents via targeted human judgements" (Sparrow, arXiv:2209.14375), section 2.3, learn such rule models and add
their scores to a preference model's, see `heedful.reward.combining.sparrow`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from heedful.language.heads import ScalarModel
from heedful.language.imitation import Example
from heedful.language.preferring import Encoding
from heedful.records import Labelled
from heedful.rollouts import Metrics


@dataclass(frozen=True)
class Grade:
    """A completion in token ids, and the number that people gave it."""

    candidates: list[Example]
    """The one completion."""
    value: float
    """A rating, or the share of people who flagged it."""
    weight: float
    """How many people said so."""


def encode_grades(model: ScalarModel, labels: Sequence[Labelled], *, skip_overlong: bool = False) -> list[Grade]:
    """Pooled labels in the reward model's token ids; a completion that is too long is cut at its end.

    Raises:
        Problem: a prompt leaves no room for an answer and `skip_overlong` is not set.
    """
    fitting = Encoding(model.language_model[0], skip_overlong).fitting(labels, lambda label: [label.text])
    return [Grade(candidates, label.value, float(len(label.annotator_ids))) for label, candidates in fitting]


def squared(scores_NK: Tensor, _mask_NK: Tensor, grades: Sequence[Grade]) -> tuple[Tensor, Tensor, Metrics]:
    """Half the squared distance to the rating, for `heedful.reward.candidates`."""
    value_N, weight_N = _columns(scores_NK, grades)
    return (weight_N * (scores_NK[:, 0] - value_N) ** 2 / 2).sum(), weight_N.sum(), {}


def logistic(scores_NK: Tensor, _mask_NK: Tensor, grades: Sequence[Grade]) -> tuple[Tensor, Tensor, Metrics]:
    """Cross-entropy of the flags in nats, for `heedful.reward.candidates`; `accuracy`: as most people said."""
    value_N, weight_N = _columns(scores_NK, grades)
    loss_N = F.binary_cross_entropy_with_logits(scores_NK[:, 0], value_N, reduction="none")
    decided_N = value_N != 0.5
    right_N = decided_N & ((scores_NK[:, 0] > 0) == (value_N > 0.5))
    return (weight_N * loss_N).sum(), weight_N.sum(), {"accuracy": (right_N.sum(), decided_N.sum())}


def _columns(scores_NK: Tensor, grades: Sequence[Grade]) -> tuple[Tensor, Tensor]:
    """(value_N, weight_N)"""
    columns = torch.tensor([(grade.value, grade.weight) for grade in grades], device=scores_NK.device)
    value_N, weight_N = columns.to(scores_NK.dtype).unbind(1)
    return value_N, weight_N
