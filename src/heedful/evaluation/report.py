"""One self-contained HTML file per run: verdict first, then the numbers behind it, then what the models wrote.

`render` turns a `Report` (see `heedful.evaluation.blocks`) into a page without scripts, fonts, images or network
access, readable on paper, on a phone, in light and in dark. What models and people wrote is hostile input: it is
escaped everywhere, and a content security policy forbids everything that is not the page's own style.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

import heedful
from heedful.evaluation.axes import cell_text, number, shown
from heedful.evaluation.blocks import (
    Answer,
    BarPlot,
    Block,
    Cell,
    Column,
    DotPlot,
    Facts,
    Grid,
    Item,
    LinePlot,
    Plot,
    Report,
    Samples,
    Section,
    Series,
    Table,
    Text,
    Tone,
)
from heedful.evaluation.intervals import Interval
from heedful.evaluation.line_plot import draw_lines, legend
from heedful.evaluation.plot_tables import table_of
from heedful.evaluation.row_plots import draw_bars, draw_dots
from heedful.files import write_text

__all__ = [
    "Answer",
    "BarPlot",
    "Block",
    "Cell",
    "Column",
    "DotPlot",
    "Facts",
    "Grid",
    "Interval",
    "Item",
    "LinePlot",
    "Plot",
    "Report",
    "Samples",
    "Section",
    "Series",
    "Table",
    "Text",
    "Tone",
    "render",
    "save",
]

WIDE_PLOT, SMALL_PLOT = 920, 380

_View = dict[str, Any]


def render(report: Report) -> str:
    """The report as one HTML page. The same report gives the same page, byte for byte."""
    sections = []
    for i, section in enumerate(report.sections):
        blocks = [_view(block, f"p{i}-{j}") for j, block in enumerate(section.blocks)]
        sections.append({"id": f"section-{i + 1}", "title": section.title, "blocks": blocks})
    template = _environment().get_template("report.html.j2")
    return template.render(report=report, sections=sections, version=heedful.__version__)


def save(report: Report, path: Path) -> None:
    """Write the page to `path`, whole or not at all."""
    write_text(path, render(report))


@functools.cache
def _environment() -> jinja2.Environment:
    """Jinja with everything escaped, undefined names forbidden, and control characters made visible."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("heedful.evaluation", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) else shown(str(value)),
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _view(block: Block, key: str) -> _View:
    """What the template needs of a block; `kind` names the macro that shows it."""
    match block:
        case Text(text, title):
            paragraphs = [part.strip() for part in text.split("\n\n") if part.strip()]
            return {"kind": "text", "title": title, "paragraphs": paragraphs}
        case Table():
            return _table_view(block)
        case Samples(prompt, answers, note):
            shown_answers = [
                {
                    "version": answer.version,
                    "text": answer.text,
                    "scores": [(name, number(score, 2)) for name, score in answer.scores.items()],
                }
                for answer in answers
            ]
            return {"kind": "samples", "prompt": prompt, "answers": shown_answers, "note": note}
        case Facts(entries, caption):
            pairs = [(name, *_fact(cell)) for name, cell in entries.items()]
            return {"kind": "facts", "entries": pairs, "caption": caption}
        case Grid(plots):
            return {
                "kind": "grid",
                "plots": [_plot_view(plot, f"{key}-{i}", (SMALL_PLOT,)) for i, plot in enumerate(plots)],
            }
        case LinePlot() | DotPlot() | BarPlot():
            return _plot_view(block, key, (WIDE_PLOT, SMALL_PLOT))


def _fact(cell: Cell) -> tuple[str, str]:
    """A setting as it was written: six significant digits."""
    if isinstance(cell, float) and math.isfinite(cell):
        return f"{cell:.6g}", ""
    return cell_text(cell)


def _table_view(table: Table, label: str = "") -> _View:
    columns = [column if isinstance(column, Column) else Column(column) for column in table.columns]
    numeric = [not any(isinstance(row[c], str) for row in table.rows) for c in range(len(columns))]
    rows = [
        [
            cell_text(cell, column.digits, percent=column.percent, signed=column.signed)
            for cell, column in zip(row, columns, strict=True)
        ]
        for row in table.rows
    ]
    return {
        "kind": "table",
        "columns": [(column.name, right) for column, right in zip(columns, numeric, strict=True)],
        "explanations": [(column.name, column.explanation) for column in columns if column.explanation],
        "rows": rows,
        "emphasised": set(table.emphasised),
        "caption": table.caption,
        "label": label or table.caption or "Table",
    }


def _plot_view(plot: Plot, key: str, widths: Sequence[int]) -> _View:
    """The drawing for each width (the page shows the one that fits), the legend and the numbers."""
    drawings = []
    for width in widths:
        name = f"{key}-{width}"
        match plot:
            case LinePlot():
                drawings.append(draw_lines(plot, width, name))
            case DotPlot():
                drawings.append(draw_dots(plot, width, name))
            case BarPlot():
                drawings.append(draw_bars(plot, width, name))
    return {
        "kind": "plot",
        "title": plot.title,
        "caption": plot.caption,
        "drawings": drawings,
        "legend": legend(plot) if isinstance(plot, LinePlot) else [],
        "data": _table_view(table_of(plot), f"{plot.title}: numbers"),
    }
