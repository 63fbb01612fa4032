"""What a report is made of: frozen values that say what to show, not how it looks.

They check themselves when they are made, so that a report that exists can be drawn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from heedful.errors import Problem
from heedful.evaluation.intervals import Interval

Cell = str | int | float | Interval | None
"""What a table shows in one place; None and NaN are shown as a dash."""

Tone = Literal["good", "warning", "bad", "neutral"]


@dataclass(frozen=True, slots=True)
class Text:
    """Prose; an empty line begins a new paragraph."""

    text: str
    title: str = ""
    """Stands above it, where what follows is one thing of several."""


@dataclass(frozen=True, slots=True)
class Column:
    """A table's column, and how its numbers are written."""

    name: str
    digits: int = 2
    """Decimal places; whole numbers have none."""
    percent: bool = False
    """Write 0.5 as 50 %."""
    signed: bool = False
    """Write + before positive numbers."""
    explanation: str = ""
    """Shown below the table."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns. A column without text is aligned as numbers."""

    columns: Sequence[Column | str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    emphasised: Sequence[int] = ()
    """Indices of rows to stress."""

    def __post_init__(self) -> None:
        for i, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise Problem(
                    f"a row has {len(row)} cells and the table {len(self.columns)} columns",
                    where=f"table {self.caption!r}, row {i}",
                )


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one line. Where y is not finite the line has a gap."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    """Bounds, drawn as a band around a line and as whiskers on single points."""
    joined: bool = True
    """A line through the points, or the points alone."""
    reference: bool = False
    """Something to compare with (a diagonal, a baseline): muted and dashed."""

    def __post_init__(self) -> None:
        columns = (self.x, self.y, self.low, self.high)
        lengths = {len(column) for column in columns if column is not None}
        if len(lengths) > 1 or (self.low is None) != (self.high is None):
            raise Problem(
                "x, y, low and high of a series must have one length, and low and high come together",
                where=f"series {self.name!r}",
            )
        if not all(math.isfinite(x) for x in self.x):
            raise Problem("an x of a series is not a finite number", where=f"series {self.name!r}")


@dataclass(frozen=True, slots=True)
class LinePlot:
    """Lines over a common x."""

    title: str
    series: Sequence[Series]
    x_label: str
    y_label: str
    caption: str = ""
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    percent: bool = False
    """Write y (and x, where x_range is that of y) as per cent."""


@dataclass(frozen=True, slots=True)
class Item:
    """A named estimate in a dot or bar plot."""

    name: str
    interval: Interval
    """Bounds may be infinite (drawn as arrows); without error bars they equal the value."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class DotPlot:
    """Estimates with their intervals, one below the other: a league."""

    title: str
    items: Sequence[Item]
    label: str
    """The axis."""
    caption: str = ""
    reference: float | None = None
    """Where to draw a line to compare with."""
    digits: int = 2
    percent: bool = False


@dataclass(frozen=True, slots=True)
class BarPlot:
    """Amounts from zero, one below the other."""

    title: str
    items: Sequence[Item]
    label: str
    caption: str = ""
    reference: float | None = None
    digits: int = 2
    percent: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What one version wrote."""

    version: str
    text: str
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Samples:
    """Completions of one prompt side by side. Everything in them is shown as plain text."""

    prompt: str
    answers: Sequence[Answer]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Keys and values: settings, lineage."""

    entries: Mapping[str, Cell]
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """Small plots, two abreast where there is room."""

    plots: Sequence[LinePlot | DotPlot | BarPlot]


Plot = LinePlot | DotPlot | BarPlot
Block = Text | Table | LinePlot | DotPlot | BarPlot | Samples | Facts | Grid


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks under a heading."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class Report:
    """A whole report: the verdict in words first, what supports it below."""

    title: str
    subtitle: str
    summary: Sequence[str]
    """Sentences in plain words; the first is the verdict."""
    sections: Sequence[Section]
    tone: Tone = "neutral"
    """How the verdict is to be read: also shown as a word, for those who do not see the colour."""
