"""Raters that are not exact: what becomes of a true score when a person says it.

Nguyen, Daume III and Boyd-Graber 2017, "Reinforcement Learning for Bandit Neural Machine Translation with Simulated
Human Feedback" (arXiv:1707.07402, section 4): people answer in few steps (granular), differ from themselves and each
other (high variance), and are harsh or kind (skewed). Scores lie in 0..1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heedful.errors import Problem
from heedful.seeds import generator

Scores = NDArray[np.float64]


def granular(scores_N: ArrayLike, steps: int = 5) -> Scores:
    """Rounded to one of `steps` + 1 equally spaced answers: 1 for thumbs, 4 for five stars."""
    if steps < 1:
        raise Problem(f"a rater needs two answers or more, not {steps + 1}", where='"steps" of a granular rater')
    return np.floor(_scores(scores_N) * steps + 0.5) / steps


def high_variance(scores_N: ArrayLike, scale: float = 1.0, *, seed: int) -> Scores:
    """Normal noise whose deviation is largest for middling scores, as measured of people; kept within 0..1.

    In hundredths the deviation is scale * (0.64 s - 0.02) below 50 and scale * (67 - 0.67 s) from 50 on, never less
    than 0.
    """
    scores = 100 * _scores(scores_N)
    deviation = scale * np.maximum(np.where(scores < 50, 0.64 * scores - 0.02, 67.0 - 0.67 * scores), 0.0)
    noise = generator(seed, "high-variance rater").standard_normal(scores.shape)
    return np.clip(scores + deviation * noise, 0.0, 100.0) / 100


def skewed(scores_N: ArrayLike, power: float = 4.0) -> Scores:
    """score ** power: a harsh rater above 1, a kind one below. The order of answers stays."""
    if not power > 0:
        raise Problem(f"a power of {power} is no rater", where='"power" of a skewed rater', mend="use one above 0")
    return _scores(scores_N) ** power


def _scores(scores_N: ArrayLike) -> Scores:
    scores = np.asarray(scores_N, dtype=np.float64)
    if not bool(np.all((scores >= 0) & (scores <= 1))):
        raise Problem("a simulated rater was given a score outside 0..1", mend="scale the true scores to 0..1")
    return scores
