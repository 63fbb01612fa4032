"""Whether choosing questions beats asking at random: what is foreseen after so many labels, by way of choosing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heedful.evaluation.blocks import Cell, Column, LinePlot, Series, Table
from heedful.evaluation.intervals import Interval
from heedful.feedback.posing import ways_of_choosing
from heedful.feedback.selection import Curve, learning_curve
from heedful.feedback.store import Store
from heedful.feedback.traits import NEWEST, differences
from heedful.feedback.views import comparisons
from heedful.records import Comparison
from heedful.web.figures.panel import Panel
from heedful.web.plots import figure
from heedful.web.sheets import Sheet

TITLE = "Selection"

RANDOM_ONLY = (
    "Every question was chosen at random, which is the policy that the others have to beat. Choose another selection "
    "policy in a campaign's rules: a share stays random, and the curve of both is drawn here."
)

TOO_FEW = (
    "Questions were chosen by a policy, and too few random ones have been answered to say whether it helps. "
    "Ten that people decided are the least."
)


def panel(store: Store) -> Panel:
    """The learning curve of each policy against random, examined on the random share."""
    if not set(ways_of_choosing(store)) - {"random"}:
        return Panel("selection", TITLE, empty=RANDOM_ONLY, link=("/campaigns", "To the campaigns"))
    asked = {question.id: question.selection or "random" for question in store.questions(purpose="train")}
    judged = comparisons(store, purpose="train", kinds="comparison")[-NEWEST:]
    selections = [asked[one.question_id] for one in judged]
    x_ND = differences((one.prompt.as_text(), one.a, one.b) for one in judged)
    curves = learning_curve(x_ND, np.array([one.target for one in judged]), selections)
    if len(curves) < 2:
        return Panel("selection", TITLE, empty=TOO_FEW, link=("/campaigns", "To the campaigns"))
    return Panel(
        "selection",
        TITLE,
        _says(curves),
        [figure(_plot(curves, _longer(judged, selections)), "selection")],
        [_sheet(curves)],
    )


def _plot(curves: Sequence[Curve], longer: float | None) -> LinePlot:
    series = [
        Series(
            curve.selection,
            [point.labels for point in curve.points],
            [point.accuracy for point in curve.points],
            [point.low for point in curve.points],
            [point.high for point in curve.points],
        )
        for curve in curves
    ]
    ends = [float(min(min(one.x) for one in series)), float(max(max(one.x) for one in series))]
    if longer is not None:
        series.append(Series("always the longer", ends, [longer, longer], reference=True))
    return LinePlot(
        "Foreseen after so many labels",
        series,
        "labels learned from",
        "share of random questions whose winner is foreseen",
        "By a small model of plain features, examined on random questions that it did not see. The curves compare ways "
        "of choosing; they do not say how good a reward model will be.",
        percent=True,
    )


def _says(curves: Sequence[Curve]) -> str:
    """At the greatest number of labels that random and a policy share, which is ahead."""
    random, *others = curves
    said = []
    for curve in others:
        most = min(random.points[-1].labels, curve.points[-1].labels)
        chance, own = (_at(one, most) for one in (random, curve))
        if own.low > chance.high:
            said.append(f"{curve.selection} is ahead of random beyond the intervals")
        elif own.high < chance.low:
            said.append(f"{curve.selection} is behind random beyond the intervals")
        else:
            said.append(f"{curve.selection} cannot be told from random ({own.value:.0%} against {chance.value:.0%})")
    says = "; ".join(said)
    return f"{says[:1].upper()}{says[1:]}, at the number of labels that both have." if said else ""


def _at(curve: Curve, labels: int) -> Interval:
    """The last point with at most so many labels, or the first."""
    point = [one for one in curve.points if one.labels <= labels][-1:] or [curve.points[0]]
    return Interval(point[0].accuracy, point[0].low, point[0].high)


def _longer(judged: Sequence[Comparison], selections: Sequence[str]) -> float | None:
    """How often the longer completion wins among the random questions that were decided."""
    decided = [one for one, name in zip(judged, selections, strict=True) if name == "random" and one.target != 0.5]
    right = [
        0.5 if len(one.a) == len(one.b) else float((len(one.a) > len(one.b)) == (one.target > 0.5)) for one in decided
    ]
    return sum(right) / len(right) if right else None


def _sheet(curves: Sequence[Curve]) -> Sheet:
    rows: list[list[Cell]] = [
        [curve.selection, point.labels, Interval(point.accuracy, point.low, point.high), point.examined]
        for curve in curves
        for point in curve.points
    ]
    columns: list[Column | str] = [
        "chosen by",
        Column("labels", digits=0),
        Column("foreseen", percent=True, digits=3),
        Column("examined", digits=0, explanation="random questions that it was examined on"),
    ]
    return Sheet("selection", Table(columns, rows, "Learning curves with 95 % intervals"), folded=True)
