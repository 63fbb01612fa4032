"""Losses that learn from people's preferences.

N comparisons; scores are a reward model's, in the units of its log-odds. A loss returns (sum, count) and
never divides, so that micro-batches cannot change the result.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from heedful.errors import Problem


def bradley_terry(
    scores_a_N: Tensor,
    scores_b_N: Tensor,
    target_N: Tensor,
    weight_N: Tensor | None = None,
    margin_N: Tensor | None = None,
    *,
    noise_floor: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Negative log-likelihood of preferences (Bradley and Terry 1952; Stiennon et al. 2020, equation 1).

        -w [ t log P(a > b) + (1 - t) log P(b > a) ],   P(a > b) = sigmoid(s_a - s_b - m)

    and P(b > a) = sigmoid(s_b - s_a - m): the margin is asked of whichever side people prefer.

    Args:
        scores_a_N, scores_b_N: the model's scores of the two completions.
        target_N: how often people preferred a, 0..1; 1/2 is a tie. Differs from the papers only in being soft.
        weight_N: how many votes stand behind a target; 1 if not given.
        margin_N: how far apart the scores should be (Touvron et al. 2023, equation 2); 0 if not given.
        noise_floor: chance that an answer is a coin toss; P becomes (1 - e) P + e / 2
            (Christiano et al. 2017, section 2.2.3, with e = 0.1). It bounds the loss of a single wrong answer.

    Returns:
        (loss sum in nats, sum of the weights).

    Raises:
        Problem: a target outside 0..1, a negative weight, or a noise floor outside [0, 1).
    """
    if not 0 <= noise_floor < 1:
        raise Problem(f"noise_floor is {noise_floor}, it must lie in [0, 1)", where='setting "noise_floor"')
    weight_N = torch.ones_like(scores_a_N) if weight_N is None else weight_N.to(scores_a_N.dtype)
    margin_N = torch.zeros_like(scores_a_N) if margin_N is None else margin_N.to(scores_a_N.dtype)
    target_N = target_N.to(scores_a_N.dtype)
    check_votes(target_N, weight_N)
    gap_N = scores_a_N - scores_b_N
    loss_a_N = -_log_probability(gap_N - margin_N, noise_floor)
    loss_b_N = -_log_probability(-gap_N - margin_N, noise_floor)
    loss_N = target_N * loss_a_N + (1 - target_N) * loss_b_N
    return (weight_N * loss_N).sum(), weight_N.sum()


def _log_probability(gap_N: Tensor, noise_floor: float) -> Tensor:
    """log((1 - e) sigmoid(gap) + e / 2), without overflow."""
    if noise_floor == 0:
        return F.logsigmoid(gap_N)
    return torch.log((1 - noise_floor) * torch.sigmoid(gap_N) + noise_floor / 2)


def check_votes(target_N: Tensor, weight_N: Tensor) -> None:
    """Refuse numbers that no vote can give, naming the first row that has one.

    Raises:
        Problem: a target outside 0..1, or a weight that is negative or not finite.
    """
    for name, values_N, wrong_N in (
        ("target", target_N, ~((target_N >= 0) & (target_N <= 1))),
        ("weight", weight_N, ~((weight_N >= 0) & torch.isfinite(weight_N))),
    ):
        if bool(wrong_N.any()):
            row = int(wrong_N.nonzero()[0])
            raise Problem(
                f"{name} is {float(values_N[row]):g}",
                where=f'comparison {row} of the batch, field "{name}"',
                mend="targets lie in 0..1 and weights are finite and not negative",
            )
