"""Ask what pins the model's weights down best: a D-optimal design over the questions' features.

Of all ways to spread the budget over the pool, no question more than once, the one with the largest determinant of
the information matrix V(w) = sum_i w_i x_i x_i', found by Frank & Wolfe's algorithm: each step moves towards the
questions with the largest x' V^-1 x. Kiefer & Wolfowitz 1960 (Canadian Journal of Mathematics 12) for the design;
Cook & Fedorov 1995 (Statistics 26) for the bound on each weight; Scheid et al. 2024, Optimal Design for Reward
Modeling in RLHF (arXiv 2410.17055), for its use on preferences. They repeat a question where the design says so;
here each is asked once, and a question's overlap says how often.
"""

from __future__ import annotations

import numpy as np

from heedful.feedback.selection.evidence import Evidence, Floats, top

STEPS = 200
GAP = 0.01
"""The search ends when the log determinant is within GAP x dimensions of its best value."""


def by_d_optimal(known: Evidence, budget: int) -> Floats:
    """The probabilities of the optimal design; a question that it wants half is chosen half of the time."""
    return design(known.features("d_optimal"), budget)[0]


def design(features_ND: Floats, budget: int) -> tuple[Floats, float]:
    """The design over N questions as probabilities that sum to the budget, and how far it is from the optimum.

    The second is the Frank-Wolfe gap, an upper bound on what the log determinant could still gain. A ridge of a
    millionth of the features' mean square keeps directions that no question has from spoiling the inverse.
    """
    size, dimensions = features_ND.shape
    if budget <= 0 or budget >= size:
        return np.full(size, float(budget > 0)), 0.0
    ridge = 1e-6 * max(float(np.mean(features_ND**2)), 1e-300) * np.eye(dimensions)
    weights_N = np.full(size, budget / size)
    spread_DD = features_ND.T @ (features_ND * weights_N[:, None])
    gap = np.inf
    for _ in range(STEPS):
        root_DD = np.linalg.cholesky(spread_DD + ridge)
        leverage_N = np.sum(np.linalg.solve(root_DD, features_ND.T) ** 2, axis=0)
        towards_N = top(leverage_N, budget)
        gap = float((towards_N - weights_N) @ leverage_N)
        if gap <= GAP * dimensions:
            break
        there_DD = features_ND.T @ (features_ND * towards_N[:, None])
        step = _step(root_DD, there_DD + ridge)
        weights_N += step * (towards_N - weights_N)
        spread_DD += step * (there_DD - spread_DD)
    return np.clip(weights_N, 0.0, 1.0) * (budget / weights_N.sum()), gap


def _step(root_DD: Floats, there_DD: Floats) -> float:
    """The step in (0, 1] with the largest determinant, by bisection on its derivative.

    With m the eigenvalues of V^-1 V', the log determinant grows by sum log(1 + s (m - 1)), concave in the step s.
    """
    half_DD = np.linalg.solve(root_DD, np.linalg.solve(root_DD, there_DD).T)
    rise_D = np.linalg.eigvalsh((half_DD + half_DD.T) / 2) - 1
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        if np.sum(rise_D / np.maximum(1 + middle * rise_D, 1e-12)) > 0:
            low = middle
        else:
            high = middle
    return high if high == 1.0 else low
