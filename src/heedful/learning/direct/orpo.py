"""ORPO: imitate the preferred completion and push its odds above the other's, in one loss and without a reference.

Paper: Hong et al. 2024, "ORPO: Monolithic Preference Optimization without Reference Model", equations 4, 6 and 7:

    -log P(w)  -  lambda log sigmoid(log odds(w) - log odds(l)),   odds = P / (1 - P)

where log P is the mean log-probability per token. Difference from some programs: the imitation term is the mean over
the preferred completion's own tokens, prompts excluded, and every completion counts once whatever its length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from heedful.learning.direct.pairs import Pairs, Side, imitation, observe, pooled, positive
from heedful.rollouts import Metrics

CERTAIN = -1e-6
"""Mean log-probabilities above this have no finite odds in float32 and are taken for it."""


@dataclass(frozen=True)
class ORPO:
    """Imitation and an odds ratio; needs no reference."""

    odds_weight: float = 0.1
    """The paper's lambda: what the odds ratio counts beside imitation."""
    needs_reference: ClassVar[bool] = False

    def __post_init__(self) -> None:
        positive("odds_weight", self.odds_weight)

    def rewards(self, side: Side) -> Tensor:
        """rewards_N: the log-odds of the mean token, without a scale."""
        return log_odds(side.mean_logprobs())

    def __call__(self, pairs: Pairs) -> tuple[Tensor, Tensor, Metrics]:
        """w [imitation + lambda odds-ratio loss] of each vote's preferred side, summed; count: the weights."""
        a_N, b_N = self.rewards(pairs.a), self.rewards(pairs.b)
        odds_sum, count = pooled(lambda gap_N: -F.logsigmoid(gap_N), a_N - b_N, pairs)
        imitation_sum = imitation(pairs.a.mean_logprobs(), pairs.b.mean_logprobs(), pairs)
        metrics = {**observe(a_N, b_N, pairs.target_N), "preferred_nats": (imitation_sum.detach(), count)}
        return imitation_sum + self.odds_weight * odds_sum, count, metrics


def log_odds(logprobs_N: Tensor) -> Tensor:
    """log(P / (1 - P)) of log P < 0, exact for P near 0 and near 1."""
    log_p_N = logprobs_N.clamp(max=CERTAIN)
    near_one_N = log_p_N > -math.log(2)
    # Each form is evaluated only where it is exact, so that no gradient comes from where it is not.
    by_expm1_N = torch.log(-torch.expm1(torch.where(near_one_N, log_p_N, torch.full_like(log_p_N, -1.0))))
    by_log1p_N = torch.log1p(-torch.exp(torch.where(near_one_N, torch.full_like(log_p_N, -1.0), log_p_N)))
    return log_p_N - torch.where(near_one_N, by_expm1_N, by_log1p_N)
