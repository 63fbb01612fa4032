"""Training: the runs in progress with their curves, and what every run was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from heedful.evaluation.blocks import Cell, Column, Table
from heedful.web import addresses
from heedful.web.figures.panel import Panel, duration
from heedful.web.plots import HALF, Figure, figure
from heedful.web.runs import Seen, curves
from heedful.web.sheets import Sheet

TITLE = "Training"

EMPTY = (
    "No stage has run in this project yet. Once judgements are in, `heedful reward PROJECT` trains a reward model and "
    "`heedful improve PROJECT` a policy; `heedful iterate PROJECT` does the whole round and waits for people by itself."
)

CURVES_OF_ONE = 4
"""Curves shown of a run on the dashboard; its own page has all."""


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as a page shows it."""

    run: Seen
    says: str
    figures: Sequence[Figure]


def panel(runs: Sequence[Seen]) -> Panel:
    """Curves of the runs in progress, or of the newest that has any, and a table of all."""
    if not runs:
        return Panel("training", TITLE, empty=EMPTY)
    running = [run for run in runs if run.state == "running"]
    newest = next((run for run in runs if run.metrics), None)
    figures = [drawn for run in running for drawn in figures_of(run, CURVES_OF_ONE)]
    says = " ".join(f"{run.name}: {says_of(run)}" for run in running)
    if not figures and newest is not None:
        figures = figures_of(newest, CURVES_OF_ONE)
        says = says or f"Nothing is in progress. The newest curves are those of {newest.name}."
    return Panel("training", TITLE, says, figures, [_sheet(runs)])


def view(run: Seen) -> RunView:
    """A run with all of its curves."""
    return RunView(run, says_of(run), figures_of(run))


def figures_of(run: Seen, most: int | None = None) -> list[Figure]:
    """The curves of a run, or the first of them."""
    return [figure(plot, f"curve-{run.name}-{number}", HALF) for number, plot in enumerate(curves(run)[:most])]


def says_of(run: Seen) -> str:
    """Where a run stands, in words."""
    steps = f"{run.steps:,} steps" if run.steps else "no step logged"
    match run.state:
        case "finished":
            return f"finished, {steps}."
        case "running":
            return f"in progress, {steps}; last sign of life {duration(run.silent_s)} ago."
        case _:
            return (
                f"stopped or broken off after {steps}: silent for {duration(run.silent_s)}. The same command goes on."
            )


def _sheet(runs: Sequence[Seen]) -> Sheet:
    rows: list[list[Cell]] = []
    for run in runs:
        took = run.metrics[-1].get("time_s") if run.metrics else None
        made = run.result.get("model") or run.result.get("version") or run.result.get("campaign") or ""
        minutes = took / 60 if isinstance(took, int | float) else None
        rows.append(
            [
                run.name,
                run.stage,
                run.state,
                str(made) or None,
                run.steps or None,
                minutes,
                run.started[:16].replace("T", " "),
            ]
        )
    columns: list[Column | str] = [
        *("run", "stage", "state", "gave"),
        Column("steps", digits=0),
        Column("minutes", digits=1, explanation="of the steps, in the process that finished the run"),
        "begun (UTC)",
    ]
    links = {r: addresses.run(run.name) for r, run in enumerate(runs)}
    return Sheet("runs", Table(columns, rows, "Runs, the newest first"), links)
