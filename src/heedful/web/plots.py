"""Figures of a page: evaluation's plots, drawn wide and narrow, with legend, numbers, and small plots for tables.

Nothing here carries a colour or a style of its own: classes do, and `static/dashboard.css` knows light and dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from heedful.evaluation.axes import Scale, cell_text
from heedful.evaluation.blocks import BarPlot, DotPlot, LinePlot, Plot
from heedful.evaluation.intervals import Interval
from heedful.evaluation.line_plot import draw_lines, legend
from heedful.evaluation.plot_tables import table_of
from heedful.evaluation.row_plots import draw_bars, draw_dots
from heedful.evaluation.svg import tag
from heedful.web.sheets import Sheet, SheetView, view_of

FULL = (920, 380)
"""Widths in pixels of a plot that has the page to itself: on a screen, on a phone."""

HALF = (460, 360)
"""The same for one that has a neighbour."""

SPARK_WIDTH, SPARK_HEIGHT = 110, 18


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot as the template shows it."""

    key: str
    title: str
    caption: str
    drawings: Sequence[Markup]
    """Wide and narrow; the page shows the one that fits."""
    legend: Sequence[tuple[str, Markup]]
    numbers: SheetView


def figure(plot: Plot, key: str, widths: tuple[int, int] = FULL) -> Figure:
    """A plot drawn in two widths; `key` makes ids unique on the page and names the file of its numbers."""
    drawings = [_drawn(plot, width, f"{key}-{width}") for width in widths]
    samples = legend(plot) if isinstance(plot, LinePlot) else []
    return Figure(key, plot.title, plot.caption, drawings, samples, view_of(Sheet(f"{key} in numbers", table_of(plot))))


def _drawn(plot: Plot, width: int, key: str) -> Markup:
    match plot:
        case LinePlot():
            return draw_lines(plot, width, key)
        case DotPlot():
            return draw_dots(plot, width, key)
        case BarPlot():
            return draw_bars(plot, width, key)


def bar(done: float, total: float, *, title: str, more: float = 0.0) -> Markup:
    """A progress bar: `done` of `total`, and `more` under way; the title is what is read aloud."""
    whole = max(total, done + more, 1)
    parts = [tag("rect", x=0, y=0, width=1000, height=10, rx=5, class_="bar-rest")]
    if more:
        parts.append(
            tag("rect", x=0, y=0, width=round(1000 * (done + more) / whole), height=10, rx=5, class_="bar-more")
        )
    if done:
        parts.append(tag("rect", x=0, y=0, width=round(1000 * done / whole), height=10, rx=5, class_="bar-done"))
    return _small("progress-bar", title, parts, 1000, 10, stretched=True)


def spark(cell: Interval | None, low: float, high: float, *, reference: float | None = None, title: str) -> Markup:
    """An estimate with its interval on a scale of its own, small enough for a table."""
    if cell is None:
        return Markup("")
    x = Scale(low, high, 5, SPARK_WIDTH - 5)
    middle = SPARK_HEIGHT / 2
    parts = [tag("path", d=f"M{x.start:.1f} {middle}H{x.end:.1f}", class_="spark-axis")]
    if reference is not None:
        parts.append(tag("path", d=f"M{x(reference):.1f} 2V{SPARK_HEIGHT - 2}", class_="spark-reference"))
    if cell.low < cell.high:
        parts.append(tag("path", d=f"M{x(cell.low):.1f} {middle}H{x(cell.high):.1f}", class_="spark-range"))
    parts.append(tag("circle", cx=x(cell.value), cy=middle, r=3.5, class_="spark-dot"))
    main, bounds = cell_text(cell, percent=True)
    return _small("spark", f"{title}: {main}" + (f" ({bounds})" if bounds else ""), parts, SPARK_WIDTH, SPARK_HEIGHT)


def columns(counts: Sequence[tuple[str, int]], *, title: str) -> Markup:
    """A timeline of counts as columns, oldest first; each says its own name and number when pointed at."""
    width, height = 320, 44
    top = max((count for _, count in counts), default=0) or 1
    step = width / max(len(counts), 1)
    parts = [tag("path", d=f"M0 {height - 0.5}H{width}", class_="spark-axis")]
    for i, (name, count) in enumerate(counts):
        tall = max(2.0, (height - 4) * count / top) if count else 0.0
        inside = tag("title", f"{name}: {count}")
        size = {"x": i * step + step * 0.12, "width": step * 0.76}
        parts.append(
            tag("rect", inside, y=height - 1 - tall, height=tall, rx=min(2.0, step / 5), class_="column", **size)
        )
    return _small("columns", title, parts, width, height, stretched=True)


def _small(
    name: str, title: str, parts: Sequence[Markup], width: int, height: int, *, stretched: bool = False
) -> Markup:
    """A small drawing with its title; `stretched` fills the width that it is given."""
    how = {"preserveAspectRatio": "none"} if stretched else {"width": width, "height": height}
    return tag(
        "svg",
        tag("title", title),
        *parts,
        viewBox=f"0 0 {width} {height}",
        role="img",
        class_=name,
        **how,
    )
