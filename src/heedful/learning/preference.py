"""Losses that learn from people's preferences: which of two, which of K, in which order, which of two stretches.

N comparisons; scores are a reward model's, in the units of its log-odds. A loss returns (sum, count) and
never divides, so that micro-batches cannot change the result.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from heedful.errors import Problem
from heedful.learning.masks import kept


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


def over_steps(
    rewards_a_NT: Tensor,
    mask_a_NT: Tensor,
    rewards_b_NT: Tensor,
    mask_b_NT: Tensor,
    target_N: Tensor,
    weight_N: Tensor | None = None,
    *,
    noise_floor: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """`bradley_terry` on two stretches of behaviour, each worth the sum of its steps (Christiano et al. 2017, eq. 1).

        P(a > b) = sigmoid(sum over t of r_a,t - sum over t of r_b,t)

    The sum, not the mean: a longer stretch has more to win and to lose. A reward model of completions is the case in
    which only the last step's reward is not 0.

    Args:
        rewards_a_NT, rewards_b_NT: what each step is worth; the two may differ in T.
        mask_a_NT, mask_b_NT: True at real steps; masked ones may hold anything, and get no gradient.
        target_N, weight_N, noise_floor: as in `bradley_terry`; the paper's noise floor is 0.1.

    Returns:
        (loss sum in nats, sum of the weights).

    Raises:
        Problem: as `bradley_terry`.
    """
    a_N, b_N = kept(rewards_a_NT, mask_a_NT).sum(1), kept(rewards_b_NT, mask_b_NT).sum(1)
    return bradley_terry(a_N, b_N, target_N, weight_N, noise_floor=noise_floor)


def pick_best(
    scores_NK: Tensor, target_NK: Tensor, weight_N: Tensor | None = None, mask_NK: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Negative log-likelihood of which of K completions people picked as the best (Ziegler et al. 2019, equation 1).

        -w sum over k of t_k log softmax(s)_k

    Nothing is said of the order of the others: it is the first factor of a Plackett-Luce ranking, and with K = 2 it is
    `bradley_terry`. Differs from the paper in that several people may have picked, and not the same one.

    Args:
        scores_NK: the model's scores of the candidates.
        target_NK: how often people picked each, a share; every row sums to 1 over its candidates.
        weight_N: how many votes stand behind a row; 1 if not given.
        mask_NK: True where there is a candidate, for rows of unequal K; masked ones may hold anything.

    Returns:
        (loss sum in nats, sum of the weights).

    Raises:
        Problem: a row's shares are negative or do not sum to 1, or a weight is negative or not finite.
    """
    weight_N = torch.ones_like(scores_NK[:, 0]) if weight_N is None else weight_N.to(scores_NK.dtype)
    mask_NK = torch.ones_like(scores_NK, dtype=torch.bool) if mask_NK is None else mask_NK
    target_NK = kept(target_NK.to(scores_NK.dtype), mask_NK)
    wrong_N = ~((target_NK >= 0).all(1) & ((target_NK.sum(1) - 1).abs() < 1e-4))
    if bool(wrong_N.any()):
        row = int(wrong_N.nonzero()[0])
        raise Problem(
            f"the shares are {[round(share, 4) for share in target_NK[row].tolist()]}",
            where=f'choice {row} of the batch, field "target"',
            mend="give each candidate the share of the votes that picked it; they sum to 1",
        )
    check_votes(torch.ones_like(weight_N), weight_N)
    logprobs_NK = kept(scores_NK.masked_fill(~mask_NK, -torch.inf).log_softmax(1), mask_NK)
    return -(weight_N * (target_NK * logprobs_NK).sum(1)).sum(), weight_N.sum()


def plackett_luce(
    scores_NK: Tensor, order_NK: Tensor, weight_N: Tensor | None = None, mask_NK: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Negative log-likelihood of whole rankings: the best is picked of all, the next of the rest, and so on.

        -w sum over k of [ s_(k) - log sum over j >= k of exp s_(j) ]

    with (1), (2) ... the candidates from the best to the worst (Luce 1959, "Individual Choice Behavior"; Plackett
    1975, "The Analysis of Permutations"; as a loss of a network: Xia et al. 2008, ListMLE). Its first term is
    `pick_best`; with K = 2 it is `bradley_terry`.

    Args:
        scores_NK: the model's scores of the candidates.
        order_NK: candidate numbers, the best first; those of missing candidates stand at the end.
        weight_N: how many votes stand behind a ranking; 1 if not given.
        mask_NK: True where there is a candidate, for rows of unequal K; masked ones may hold anything.

    Returns:
        (loss sum in nats, sum of the weights).

    Raises:
        Problem: an order is no permutation of its candidates, or a weight is negative or not finite.
    """
    weight_N = torch.ones_like(scores_NK[:, 0]) if weight_N is None else weight_N.to(scores_NK.dtype)
    mask_NK = torch.ones_like(scores_NK, dtype=torch.bool) if mask_NK is None else mask_NK
    check_votes(torch.ones_like(weight_N), weight_N)
    places_K = torch.arange(scores_NK.shape[1], device=scores_NK.device)
    ranked_NK = places_K < mask_NK.sum(1, keepdim=True)
    wrong_N = (order_NK.sort(1).values != places_K).any(1)
    if bool(wrong_N.any()) or bool((mask_NK.gather(1, order_NK) != ranked_NK).any()):
        wrong_N = wrong_N if bool(wrong_N.any()) else (mask_NK.gather(1, order_NK) != ranked_NK).any(1)
        row = int(wrong_N.nonzero()[0])
        raise Problem(
            f"the order is {order_NK[row].tolist()}",
            where=f'ranking {row} of the batch, field "order"',
            mend="name every candidate once, the best first, missing ones last",
        )
    sorted_NK = scores_NK.gather(1, order_NK).masked_fill(~ranked_NK, torch.finfo(scores_NK.dtype).min / 4)
    rest_NK = sorted_NK.flip(1).logcumsumexp(1).flip(1)
    return -(weight_N * kept(sorted_NK - rest_NK, ranked_NK).sum(1)).sum(), weight_N.sum()


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
