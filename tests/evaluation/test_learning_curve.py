"""The learning curve: sizes, points and the last doubling by hand."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from scipy import stats

from heedful.errors import Problem
from heedful.evaluation.learning_curve import drawn, halved, in_words, label_curve


def test_sizes_are_halved_down_to_the_least() -> None:
    assert halved(2700) == [21, 42, 84, 168, 337, 675, 1350, 2700]
    assert halved(100, 30) == [50, 100]
    assert halved(10) == []


def test_points_and_the_last_doubling_by_hand() -> None:
    target = [1.0, 0.0, 0.75, 0.5, 1.0]
    half = [[1.0, 2.0, 3.0, 9.0, -1.0], [1.0, -2.0, 3.0, 9.0, -1.0]]
    """Of the four decided ones the first draw is right about two, the second about three."""
    whole = [[1.0, -2.0, 3.0, 9.0, 0.0]]
    """Right about three and without a preference about the last."""
    found = label_curve([half, whole], [20, 40], target, ["p", "q", "r", "s", "t"])
    assert found.examined == 4
    assert [point.comparisons for point in found.points] == [20, 40]
    assert found.points[0].accuracy.value == pytest.approx((1 + 0.5 + 1 + 0) / 4)
    assert found.points[1].accuracy.value == pytest.approx(3.5 / 4)
    gains = np.array([0, 0.5, 0, 0.5])
    low, high = stats.t.interval(0.95, 3, gains.mean(), stats.sem(gains))
    assert found.doubling is not None
    assert (found.doubling.value, found.doubling.low, found.doubling.high) == pytest.approx((0.25, low, high))
    assert found.points[1].accuracy.low < 3.5 / 4 < found.points[1].accuracy.high <= 1


def test_words_and_figure_say_the_same() -> None:
    curve = asdict(label_curve([[[1.0, -1.0]], [[1.0, 1.0]]], [20, 40], [1.0, 1.0], ["p", "q"]))
    words = in_words(curve)
    assert words.startswith("50.0 % with 20, 100.0 % [")
    assert "with 40; the last doubling brought +50.0 points [" in words
    plot = drawn(curve, "r1")
    assert plot.title.endswith("at r1")
    assert (list(plot.series[0].x), list(plot.series[0].y)) == ([20, 40], [0.5, 1.0])
    alone = asdict(label_curve([[[1.0, -1.0]]], [20], [1.0, 1.0], ["p", "q"]))
    assert "doubling" not in in_words(alone)


def test_what_makes_no_curve_is_refused() -> None:
    with pytest.raises(Problem, match="tie"):
        label_curve([[[1.0]]], [20], [0.5], ["p"])
    with pytest.raises(Problem, match="sizes"):
        label_curve([[[1.0]]], [20, 40], [1.0], ["p"])
    with pytest.raises(Problem, match="not allowed"):
        label_curve([[[np.nan]]], [20], [1.0], ["p"])
