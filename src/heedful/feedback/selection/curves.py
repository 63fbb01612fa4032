"""What labels were worth: accuracy against their number, for what a policy chose and for what chance chose.

Random choice is hard to beat, so the curve is measured on every campaign rather than assumed. The judge is the
random share: a simple random sample of the pool, of which every question is examined once by a model that did not
see it. The model is a Bradley-Terry regression on the questions' features, small enough to be fitted anew at every
size: the curve says how labels compare with each other, not how good a large reward model will be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from heedful.errors import Problem
from heedful.feedback.selection.evidence import Floats
from heedful.seeds import generator

FOLDS = 5
Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Accuracy with so many labels."""

    labels: int
    accuracy: float
    """Of held-out random questions with a winner, the share whose winner is foreseen."""
    low: float
    """Of the 95 % interval (Wilson 1927) over the held-out questions."""
    high: float
    examined: int
    """Held-out questions."""


@dataclass(frozen=True, slots=True)
class Curve:
    """The points of one policy, from few labels to many."""

    selection: str
    points: tuple[CurvePoint, ...]


def learning_curve(
    features: ArrayLike,
    targets: ArrayLike,
    selections: Sequence[str],
    *,
    sizes: Sequence[int] | None = None,
    ridge: float = 1.0,
    seed: int = 0,
) -> list[Curve]:
    """Accuracy against the number of labels, for the random share and for every policy that chose questions.

    Args:
        features: (N, D): of each question, the difference of its two completions' features; in order of arrival.
        targets: (N): the share of votes for the first completion, 0 to 1; those of 1/2 are learned from, not examined.
        selections: (N): how each question was chosen; `random` for the control share.
        sizes: numbers of labels; by default eight from 10 upwards, evenly on a logarithmic scale, for each policy.
        ridge: strength of the penalty on the weights (per unit variance of the features).
        seed: of the division of the random share.

    Returns:
        The curve of `random` first, then the policies' by name. Without at least 10 random questions that have a
        winner there is nothing to examine with, and no curve.

    Raises:
        Problem: the arrays differ in length.
    """
    x_ND, y_N, names = np.asarray(features, float), np.asarray(targets, float), np.asarray(selections, object)
    if not len(x_ND) == len(y_N) == len(names):
        raise Problem(f"{len(x_ND)} features, {len(y_N)} targets and {len(names)} selections", mend="give one for each")
    if not len(x_ND):
        return []
    scale_D = np.sqrt(np.mean(x_ND**2, axis=0))
    x_ND = x_ND / np.where(scale_D > 0, scale_D, 1.0)
    control = np.flatnonzero(names == "random")
    examined = control[y_N[control] != 0.5]
    if len(examined) < 2 * FOLDS:
        return []
    fold_of = dict(zip(examined.tolist(), generator(seed, "folds").permutation(len(examined)) % FOLDS, strict=True))
    curves = []
    for name in ["random", *sorted({str(each) for each in names} - {"random"})]:
        own = np.flatnonzero(names == name)
        most = len(own) - (-(-len(examined) // FOLDS) if name == "random" else 0)
        wanted = [size for size in (sizes or _sizes(most)) if size <= most]
        points = [_point(x_ND, y_N, own, size, fold_of, ridge) for size in wanted]
        curves.append(Curve(name, tuple(points)))
    return [curve for curve in curves if curve.points]


def fit_pairs(x_ND: Floats, y_N: Floats, ridge: float = 1.0, count_N: Floats | None = None) -> Floats:
    """The weights (D,) of a Bradley-Terry regression: P(first preferred) = 1 / (1 + exp(-x w)).

    Each pair counts `count_N` times (once by default). Penalised by ridge |w|^2 / 2; Newton's method, which for this
    convex loss ends at the optimum.
    """
    w_D, count_N = np.zeros(x_ND.shape[1]), np.ones(len(y_N)) if count_N is None else count_N
    for _ in range(50):
        p_N = 0.5 * (1 + np.tanh(0.5 * (x_ND @ w_D)))
        slope_D = x_ND.T @ (count_N * (y_N - p_N)) - ridge * w_D
        bend_DD = x_ND.T @ (x_ND * (count_N * p_N * (1 - p_N))[:, None]) + ridge * np.eye(len(w_D))
        step_D = np.linalg.solve(bend_DD, slope_D)
        step_D *= min(1.0, 10.0 / max(float(np.abs(x_ND @ step_D).max(initial=0.0)), 1e-12))
        w_D = w_D + step_D
        if float(np.abs(step_D).max(initial=0.0)) < 1e-8:
            break
    return w_D


def wilson(right: int, examined: int) -> tuple[float, float]:
    """The 95 % interval of a share. Wilson 1927, Journal of the American Statistical Association 22."""
    share, spread = right / examined, Z95**2 / examined
    middle = (share + spread / 2) / (1 + spread)
    half = Z95 / (1 + spread) * np.sqrt(share * (1 - share) / examined + spread / (4 * examined))
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def _point(x_ND: Floats, y_N: Floats, own: np.ndarray, size: int, fold_of: dict[int, int], ridge: float) -> CurvePoint:
    """Train on the first `size` labels of one policy, for each fold without the fold, and examine on it."""
    right = 0
    for fold in range(FOLDS):
        train = [i for i in own.tolist() if fold_of.get(i) != fold][:size]
        w_D = fit_pairs(x_ND[train], y_N[train], ridge)
        aside = [i for i, one in fold_of.items() if one == fold]
        right += int(np.sum((x_ND[aside] @ w_D > 0) == (y_N[aside] > 0.5)))
    low, high = wilson(right, len(fold_of))
    return CurvePoint(size, right / len(fold_of), low, high, len(fold_of))


def _sizes(most: int) -> list[int]:
    """Eight sizes from 10 to `most`, evenly on a logarithmic scale."""
    if most < 10:
        return []
    return sorted({round(each) for each in np.geomspace(10, most, 8).tolist()})
