"""Tables of a page: as rows for the template, and as CSV that no spreadsheet takes for formulas."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fastapi.responses import Response
from markupsafe import Markup

from heedful.evaluation.axes import cell_text, shown
from heedful.evaluation.blocks import Cell, Column, Table
from heedful.evaluation.intervals import Interval

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""A text that begins with one of these may be run by a spreadsheet (OWASP, "CSV Injection")."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table that can be looked at and taken away."""

    name: str
    """Of the CSV file, and of the element on the page: `annotators`."""
    table: Table
    links: Mapping[int, str] = field(default_factory=dict)
    """Row -> path of the page that tells more."""
    pictures: Mapping[int, Sequence[Markup]] = field(default_factory=dict)
    """Column -> a small drawing for each row, shown above the number."""
    folded: bool = False
    """Shown only when asked for: a figure tells the same."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A cell on the page."""

    text: str
    bounds: str
    """The interval, in smaller type; or nothing."""
    picture: Markup
    link: str


@dataclass(frozen=True, slots=True)
class SheetView:
    """What the template needs."""

    name: str
    caption: str
    heads: Sequence[tuple[str, bool, str]]
    """(name, whether it holds numbers, explanation)"""
    rows: Sequence[Sequence[Shown]]


def view_of(sheet: Sheet) -> SheetView:
    """A sheet as the template shows it. A column that says nothing is left out; one without any text holds numbers."""
    columns = [_column(column) for column in sheet.table.columns]
    told = [c for c in range(len(columns)) if any(row[c] is not None for row in sheet.table.rows)]
    numeric = [not any(isinstance(row[c], str) for row in sheet.table.rows) for c in range(len(columns))]
    rows = []
    for r, row in enumerate(sheet.table.rows):
        cells = []
        for c in told:
            cell, column = row[c], columns[c]
            text, bounds = cell_text(cell, column.digits, percent=column.percent, signed=column.signed)
            picture = sheet.pictures[c][r] if c in sheet.pictures else Markup("")
            cells.append(Shown(shown(text), bounds, picture, sheet.links.get(r, "") if c == 0 else ""))
        rows.append(cells)
    heads = [(columns[c].name, numeric[c], columns[c].explanation) for c in told]
    return SheetView(sheet.name, sheet.table.caption, heads, rows)


def csv_text(table: Table) -> str:
    """The table as CSV (RFC 4180): numbers in full, an interval as three columns, texts that are only texts.

    A text that a spreadsheet might run as a formula gets an apostrophe in front.
    """
    columns = [_column(column) for column in table.columns]
    with_bounds = [any(isinstance(row[c], Interval) for row in table.rows) for c in range(len(columns))]
    heads: list[str] = []
    for column, bounded in zip(columns, with_bounds, strict=True):
        heads += [column.name, f"{column.name} low", f"{column.name} high"] if bounded else [column.name]
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\r\n")
    writer.writerow([harmless(head) for head in heads])
    for row in table.rows:
        cells: list[str] = []
        for cell, bounded in zip(row, with_bounds, strict=True):
            cells += _three(cell) if bounded else [_one(cell)]
        writer.writerow(cells)
    return target.getvalue()


def csv_response(name: str, table: Table) -> Response:
    """The table as a file to keep. It begins with a byte order mark, without which Excel misreads UTF-8."""
    content = ("\ufeff" + csv_text(table)).encode("utf-8", "replace")
    return Response(
        content,
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


def harmless(text: str) -> str:
    """`text` so that a spreadsheet shows it and does not run it."""
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA_SIGNS) else text


def _column(column: Column | str) -> Column:
    return column if isinstance(column, Column) else Column(column)


def _one(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case str():
            return harmless(cell)
        case Interval(value):
            return _number(value)
        case _:
            return _number(cell)


def _three(cell: Cell) -> list[str]:
    if isinstance(cell, Interval):
        return [_number(cell.value), _number(cell.low), _number(cell.high)]
    return [_one(cell), "", ""]


def _number(value: float) -> str:
    return "" if math.isnan(value) else repr(value)
