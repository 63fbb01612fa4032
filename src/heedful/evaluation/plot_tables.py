"""The numbers of a plot as a table: for those who want to read them, and for export."""

from __future__ import annotations

from heedful.evaluation.axes import ABSENT
from heedful.evaluation.blocks import BarPlot, Cell, Column, DotPlot, LinePlot, Plot, Table
from heedful.evaluation.intervals import Interval

ROWS_AT_MOST = 200
"""Rows of a line plot's table; longer series are thinned evenly."""


def table_of(plot: Plot) -> Table:
    """What a plot shows, as rows: a line plot by x, dots and bars by name."""
    return _lines(plot) if isinstance(plot, LinePlot) else _rows(plot)


def _lines(plot: LinePlot) -> Table:
    """x, and each series at that x."""
    xs = sorted({x for series in plot.series for x in series.x})
    kept = (
        [xs[round(i * (len(xs) - 1) / (ROWS_AT_MOST - 1))] for i in range(ROWS_AT_MOST)]
        if len(xs) > ROWS_AT_MOST
        else xs
    )
    columns: list[dict[float, Cell]] = []
    for series in plot.series:
        cells: dict[float, Cell] = {}
        bounds = None if series.low is None or series.high is None else list(zip(series.low, series.high, strict=True))
        for i, (x, y) in enumerate(zip(series.x, series.y, strict=True)):
            cells[x] = Interval(y, *bounds[i]) if bounds else float(y)
        columns.append(cells)
    rows = [[f"{x:.6g}", *(cells.get(x) for cells in columns)] for x in kept]
    thinned = f"{len(kept)} of {len(xs)} points." if len(kept) < len(xs) else ""
    heads = [Column(series.name, digits=4, percent=plot.percent) for series in plot.series]
    return Table((Column(plot.x_label), *heads), rows, thinned)


def _rows(plot: DotPlot | BarPlot) -> Table:
    """Name, estimate, and a note where any item has one."""
    with_notes = any(item.note for item in plot.items)
    rows: list[list[Cell]] = [
        [item.name, item.interval, *([item.note or ABSENT] if with_notes else [])] for item in plot.items
    ]
    value = Column(plot.label, digits=plot.digits, percent=plot.percent)
    return Table(("", value, *(["Note"] if with_notes else [])), rows)
