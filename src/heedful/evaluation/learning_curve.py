"""What more labels bring: accuracy on held-out comparisons against the number that was learnt from.

Whoever fits the models hands in score differences; here they become points with intervals, and the gain of the last
doubling. Sizes are halved from the whole downwards. Of each size several random subsets are learnt from, and a held-out
comparison counts as the share of them that is right about it: the intervals are over the held-out comparisons.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from heedful.errors import Problem
from heedful.evaluation.accuracy import checked_pairs
from heedful.evaluation.blocks import LinePlot, Series
from heedful.evaluation.clusters import clustering_of
from heedful.evaluation.intervals import Interval, mean_interval, proportion_interval

LEAST = 16
"""Comparisons below which nothing is fitted."""


@dataclass(frozen=True, slots=True)
class LabelPoint:
    """What so many comparisons teach."""

    comparisons: int
    accuracy: Interval
    """Share of decided held-out comparisons in which the model prefers the side that people prefer."""


@dataclass(frozen=True, slots=True)
class LabelCurve:
    """From few comparisons to all of them."""

    points: tuple[LabelPoint, ...]
    doubling: Interval | None
    """Accuracy with all comparisons less that with half of them, paired; None where there is one point only."""
    examined: int
    """Decided held-out comparisons."""


def halved(comparisons: int, least: int = LEAST) -> list[int]:
    """Sizes from few to all: `comparisons`, half of it, a quarter ..., none below `least`."""
    sizes = []
    while comparisons >= max(least, 1):
        sizes.append(comparisons)
        comparisons //= 2
    return sizes[::-1]


def label_curve(
    delta_SRM: Sequence[ArrayLike],
    sizes: Sequence[int],
    target_M: ArrayLike,
    groups: Sequence[Hashable],
    confidence: float = 0.95,
) -> LabelCurve:
    """The curve of models fitted on S sizes.

    Args:
        delta_SRM: for each size (R, M): by R random subsets of it, the score of a less that of b of each held-out
            comparison.
        sizes: length S, growing; the last is the whole and the one before it its half.
        target_M: the mean vote of each held-out comparison: 1 all for a, 0 all for b.
        groups: length M, what hangs together, such as the prompt.
        confidence: coverage.

    Raises:
        Problem: no size, lengths that do not fit, or no decided comparison.
    """
    if not sizes or len(sizes) != len(delta_SRM):
        raise Problem(f"{len(sizes)} sizes for {len(delta_SRM)} sets of scores", where="label_curve")
    target = np.asarray(target_M, dtype=np.float64)
    decided = target != 0.5
    if not decided.any():
        raise Problem("every held-out comparison is a tie", mend="collect more judgements")
    kept = [group for group, keep in zip(groups, decided, strict=True) if keep]
    clustering = clustering_of(None, kept, "prompt")
    rows, points = [], []
    for size, delta_RM in zip(sizes, delta_SRM, strict=True):
        right_RM = []
        for delta in np.atleast_2d(np.asarray(delta_RM, dtype=np.float64)):
            checked, _ = checked_pairs(delta, target, "learning curve")
            right_RM.append((1 + np.sign(checked[decided]) * np.sign(target[decided] - 0.5)) / 2)
        rows.append(np.mean(right_RM, axis=0))
        points.append(LabelPoint(size, proportion_interval(rows[-1], clustering, confidence)))
    doubling = mean_interval(rows[-1] - rows[-2], clustering, confidence) if len(rows) > 1 else None
    return LabelCurve(tuple(points), doubling, len(kept))


def in_words(curve: Mapping[str, Any]) -> str:
    """`60.1 % with 675 comparisons, 64.0 % with 1,350, 66.2 % [61.0, 71.0] with 2,700; ...`, from its JSON.

    At most the last three points are named.
    """
    points = curve["points"][-3:]
    said = [f"{100 * point['accuracy']['value']:.1f} % with {point['comparisons']:,}" for point in points[:-1]]
    last = points[-1]
    value, low, high = (100 * last["accuracy"][name] for name in ("value", "low", "high"))
    said.append(f"{value:.1f} % [{low:.1f}, {high:.1f}] with {last['comparisons']:,}")
    words = ", ".join(said)
    if (gain := curve["doubling"]) is None:
        return words
    value, low, high = (100 * gain[name] for name in ("value", "low", "high"))
    return f"{words}; the last doubling brought {value:+.1f} points [{low:+.1f}, {high:+.1f}]"


def drawn(curve: Mapping[str, Any], model: str) -> LinePlot:
    """The curve beside a reward model, as a figure, from its JSON."""
    points = curve["points"]
    found = {name: [point["accuracy"][name] for point in points] for name in ("value", "low", "high")}
    x = [float(point["comparisons"]) for point in points]
    series = Series("held-out comparisons", x, found["value"], found["low"], found["high"])
    return LinePlot(
        f"What fewer comparisons would have taught, at {model}",
        [series],
        "comparisons learnt from",
        "accuracy",
        "Linear heads on the start model's features, a small stand-in: not the curve of the reward model. "
        "95 % intervals over held-out comparisons.",
        percent=True,
    )
