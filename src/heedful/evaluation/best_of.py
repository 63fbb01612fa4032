"""Best-of-n: what choosing the best of several completions is worth, and how far it goes from the policy.

From N >= n completions of a prompt, the expected score of the best of n is estimated without bias and with less
variance than by one draw of n: each set of n among the N is as likely, so the k-th lowest score is the best with
probability C(k-1, n-1) / C(N, n) (Nakano et al. 2021, "WebGPT", arXiv:2112.09332, appendix; Stiennon et al. 2020).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from heedful.errors import Problem
from heedful.evaluation.clusters import clustering_of
from heedful.evaluation.intervals import Interval, mean_interval

Candidate = TypeVar("Candidate")


def choose(candidates: Sequence[Candidate], scores: Sequence[float], n: int = 1) -> list[Candidate]:
    """The `n` candidates with the highest scores, best first; the earlier one of equals.

    Raises:
        Problem: there are fewer candidates, or not as many scores, or a score is not a number.
    """
    if len(scores) != len(candidates) or not 0 <= n <= len(candidates):
        raise Problem(
            f"{n} of {len(candidates)} candidates cannot be chosen by {len(scores)} scores",
            mend="give one score for each candidate, and ask for no more than there are",
        )
    if any(math.isnan(score) for score in scores):
        raise Problem("a candidate's score is not a number", mend="correct the reward that gave it")
    order = sorted(range(len(candidates)), key=lambda index: -scores[index])
    return [candidates[index] for index in order[:n]]


def kl_nats(n: int) -> float:
    """KL(best-of-n || policy) = log n - (n - 1) / n, in nats.

    Exact where no two completions have the same score (Stiennon et al. 2020, section 4.3); an upper bound where
    scores can be equal, or completions repeat.
    """
    if n < 1:
        raise Problem(f"the best of {n} is nothing", mend="ask for the best of one or more")
    return math.log(n) - (n - 1) / n


def expected_best(scores_N: ArrayLike, n: int, values_N: ArrayLike | None = None) -> float:
    """Unbiased estimate of E[value of the best of n draws] from N draws.

    Args:
        scores_N: what the best is chosen by.
        n: 1..N.
        values_N: what is asked of the chosen one, for example the true score where a learned one chooses; the
            scores themselves when left out. Equal scores are chosen among by lot.

    Raises:
        Problem: n is not in 1..N, or the lengths differ.
    """
    scores = np.asarray(scores_N, dtype=np.float64)
    values = scores if values_N is None else np.asarray(values_N, dtype=np.float64)
    if not 1 <= n <= len(scores) or values.shape != scores.shape:
        raise Problem(
            f"the best of {n} cannot be estimated from {len(scores)} scores and {len(values)} values",
            mend="sample at least as many completions of each prompt as the best is chosen from",
        )
    _, place_N, size_K = np.unique(scores, return_inverse=True, return_counts=True)
    in_order = np.concatenate([[0.0], np.cumsum(_chances(len(scores), n))])
    end_K = np.cumsum(size_K)
    weight_K = (in_order[end_K] - in_order[end_K - size_K]) / size_K
    return float((weight_K[place_N] * values).sum())


def best_of_curve(
    scores_PN: ArrayLike,
    sizes: Sequence[int],
    prompts: Sequence[Hashable],
    values_PN: ArrayLike | None = None,
) -> dict[int, Interval]:
    """n -> mean over prompts of the expected best, with a 95 % interval clustered by prompt.

    Args:
        scores_PN: a row for each prompt.
        sizes: the n to estimate, each at most N.
        prompts: length P; rows of the same prompt belong together.
        values_PN: as in `expected_best`.
    """
    scores = np.asarray(scores_PN, dtype=np.float64)
    values = scores if values_PN is None else np.asarray(values_PN, dtype=np.float64)
    clustering = clustering_of(None, prompts, "prompt")
    return {
        n: mean_interval([expected_best(row, n, value) for row, value in zip(scores, values, strict=True)], clustering)
        for n in sizes
    }


def _chances(count: int, n: int) -> NDArray[np.float64]:
    """The chance of each of `count` scores, lowest first, to be the best of n: C(k-1, n-1) / C(count, n)."""
    below = np.arange(n - 1, count, dtype=np.float64)  # scores below the k-th, for k = n .. count
    log_chance = (
        gammaln(below + 1)
        - gammaln(below - n + 2)
        - gammaln(n)
        - (gammaln(count + 1) - gammaln(count - n + 1) - gammaln(n + 1))
    )
    return np.concatenate([np.zeros(n - 1), np.exp(log_chance)])
