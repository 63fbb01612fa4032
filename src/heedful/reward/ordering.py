"""Reward models that learn whole rankings: Plackett-Luce, see `heedful.learning.preference.plackett_luce`.

An order says more than its pairs, each by itself, do: C(K, 2) pairs of one ranking hang together, and Bradley-Terry
counts them as if they did not. Ties are the mean over the orders that they leave open, which for two tied completions
is Bradley-Terry's tie; of more than `MOST` such orders as many are drawn, once and for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, permutations, product
from math import factorial, prod

import torch
from torch import Tensor

from heedful.language.heads import ScalarModel
from heedful.language.imitation import Example
from heedful.language.preferring import Encoding
from heedful.learning.preference import plackett_luce
from heedful.records import Ranking
from heedful.rollouts import Metrics
from heedful.seeds import generator

MOST = 24
"""Orders of one ranking with ties: all there are for four tied completions."""


@dataclass(frozen=True)
class Ballot:
    """A ranking in token ids."""

    candidates: list[Example]
    """Two or more completions of one prompt."""
    orders: list[tuple[int, ...]]
    """Candidate numbers, the best first; several where ties leave the order open."""


def encode_ballots(
    model: ScalarModel, rankings: Sequence[Ranking], *, skip_overlong: bool = False, seed: int = 0
) -> list[Ballot]:
    """Rankings in the reward model's token ids; a completion that is too long is cut at its end.

    Raises:
        Problem: a prompt leaves no room for an answer and `skip_overlong` is not set.
    """
    fitting = Encoding(model.language_model[0], skip_overlong).fitting(rankings, lambda ranking: ranking.texts)
    return [
        Ballot(candidates, orders_of(ranking.ranks, seed=seed, number=number))
        for number, (ranking, candidates) in enumerate(fitting)
    ]


def orders_of(ranks: Sequence[int], *, seed: int = 0, number: int = 0) -> list[tuple[int, ...]]:
    """The orders that ranks (1 is best, equal ones are ties) allow: all of them, or `MOST` drawn ones."""
    ordered = sorted(range(len(ranks)), key=lambda k: ranks[k])
    groups = [list(group) for _, group in groupby(ordered, key=lambda k: ranks[k])]
    if prod(factorial(len(group)) for group in groups) <= MOST:
        return [sum(parts, ()) for parts in product(*(permutations(group) for group in groups))]
    random = generator(seed, "ties", number)
    drawn = (tuple(int(k) for group in groups for k in random.permutation(group)) for _ in range(MOST))
    return list(drawn)


def in_order(scores_NK: Tensor, mask_NK: Tensor, ballots: Sequence[Ballot]) -> tuple[Tensor, Tensor, Metrics]:
    """Plackett-Luce over the candidates of each ballot, for `heedful.reward.candidates`.

    `accuracy` is the share of the ballots whose best candidate has the highest score, or one of the best.
    """
    K, device = scores_NK.shape[1], scores_NK.device
    rows = [n for n, ballot in enumerate(ballots) for _ in ballot.orders]
    orders = [(*order, *range(len(order), K)) for ballot in ballots for order in ballot.orders]
    weights = [1 / len(ballot.orders) for ballot in ballots for _ in ballot.orders]
    row_X, order_XK = torch.tensor(rows, device=device), torch.tensor(orders, device=device)
    weight_X = torch.tensor(weights, device=device)
    total, count = plackett_luce(scores_NK[row_X], order_XK, weight_X, mask_NK[row_X])
    top_N = scores_NK.masked_fill(~mask_NK, -torch.inf).argmax(1).tolist()
    right = [top in {order[0] for order in ballot.orders} for top, ballot in zip(top_N, ballots, strict=True)]
    return total, count, {"accuracy": (torch.tensor(right, device=device).sum(), mask_NK.any(1).sum())}
