"""Reward models: how often they prefer what people prefer, beside what length alone gives, and whether they know it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from heedful.evaluation.blocks import Cell, Column, DotPlot, Item, LinePlot, Series, Table
from heedful.evaluation.intervals import Interval
from heedful.web import addresses
from heedful.web.figures.panel import Panel
from heedful.web.plots import HALF, Figure, figure
from heedful.web.runs import Seen
from heedful.web.sheets import Sheet

TITLE = "Reward models"

EMPTY = "No reward model has been trained yet. When judgements are in: `heedful reward PROJECT`."

SHOWN = 6
"""The newest reward models in the plot; the table has all."""


def panel(runs: Sequence[Seen]) -> Panel:
    """Accuracy on held-out comparisons of every reward model, and the newest one's calibration."""
    rewards = [run for run in reversed(runs) if run.stage == "reward" and "accuracy" in run.result]
    if not rewards:
        return Panel("rewards", TITLE, empty=EMPTY)
    newest = rewards[-1]
    dots = [item for run in rewards[-SHOWN:] for item in _items(run)]
    plot = DotPlot(
        "Accuracy on held-out comparisons",
        dots,
        "share of comparisons",
        "Half, the line, is guessing. The longer one: always preferring the longer completion.",
        reference=0.5,
        percent=True,
        digits=3,
    )
    figures = [figure(plot, "rewards", HALF)]
    if calibration := calibration_figure(newest):
        figures.append(calibration)
    return Panel("rewards", TITLE, _says(newest), figures, [_sheet(rewards)])


def calibration_figure(run: Seen) -> Figure | None:
    """Whether a reward model that is 80 % sure is right in 80 % of the votes; None for a run without calibration."""
    found = run.result.get("calibration")
    if not found or not found.get("bins"):
        return None
    bins = found["bins"]
    observed = [part["observed"] for part in bins]
    reliability = Series(
        "held-out comparisons",
        [part["predicted"] for part in bins],
        [part["value"] for part in observed],
        [part["low"] for part in observed],
        [part["high"] for part in observed],
    )
    diagonal = Series("perfectly calibrated", [0.5, 1.0], [0.5, 1.0], reference=True)
    caption = f"Calibration error {found['ece']:.3f}; by chance alone {found['ece_by_chance']:.3f}."
    model = run.result.get("model", run.name)
    plot = LinePlot(
        f"Calibration of {model}",
        [reliability, diagonal],
        "how sure the model is",
        "share of votes that agree",
        caption,
        x_range=(0.5, 1.0),
        y_range=(0.0, 1.0),
    )
    return figure(plot, f"calibration-{model}", HALF)


def _items(run: Seen) -> list[Item]:
    accuracy, model = run.result["accuracy"], run.result.get("model", run.name)
    named = (("accuracy", model), ("length_baseline", f"longer one, {model}"))
    return [Item(label, interval) for name, label in named if (interval := interval_of(accuracy.get(name)))]


def _says(run: Seen) -> str:
    accuracy, model = run.result["accuracy"], run.result.get("model", run.name)
    lead = interval_of(accuracy.get("lead"))
    if lead is None:
        return ""
    points = f"{100 * lead.value:+.1f} points ({100 * lead.low:+.1f} to {100 * lead.high:+.1f})"
    if lead.low > 0:
        return f"{model} knows more than length: {points} above always preferring the longer completion."
    return f"{model} is not better than always preferring the longer completion beyond the interval: {points}."


def _sheet(rewards: Sequence[Seen]) -> Sheet:
    rows: list[list[Cell]] = []
    for run in reversed(rewards):
        accuracy, calibration = run.result["accuracy"], run.result.get("calibration") or {}
        cells = [interval_of(accuracy.get(name)) for name in ("accuracy", "length_baseline", "lead")]
        ceiling = interval_of((accuracy.get("ceiling") or {}).get("person"))
        scale = interval_of(calibration.get("scale"))
        rows.append([run.result.get("model", run.name), *cells, ceiling, scale, accuracy.get("pairs"), run.name])
    columns: list[Column | str] = [
        "model",
        Column("accuracy", percent=True, digits=3),
        Column("always the longer", percent=True, digits=3),
        Column("lead", percent=True, digits=3, signed=True, explanation="accuracy above always the longer, paired"),
        Column(
            "people", percent=True, digits=3, explanation="how well one person predicts another's vote: the ceiling"
        ),
        Column("scale", explanation="1 is calibrated, below 1 too sure of itself, above 1 too timid"),
        Column("pairs", digits=0, explanation="held-out comparisons with a favourite"),
        "run",
    ]
    links = {r: addresses.model(str(row[0])) for r, row in enumerate(rows)}
    return Sheet("rewards", Table(columns, rows, "Reward models with 95 % intervals"), links)


def interval_of(row: Mapping[str, Any] | None) -> Interval | None:
    """An interval as a run's result keeps it; None where there is none."""
    if not row or not all(isinstance(row.get(name), int | float) for name in ("value", "low", "high")):
        return None
    return Interval(float(row["value"]), float(row["low"]), float(row["high"]))
