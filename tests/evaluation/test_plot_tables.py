from __future__ import annotations

from heedful.evaluation.blocks import BarPlot, DotPlot, Item, LinePlot, Series
from heedful.evaluation.intervals import Interval
from heedful.evaluation.plot_tables import ROWS_AT_MOST, table_of


def test_the_lines_of_a_plot_stand_beside_each_other_by_x() -> None:
    bounded = Series("one", [1, 2], [0.5, 0.6], [0.4, 0.5], [0.6, 0.7])
    table = table_of(LinePlot("title", [bounded, Series("two", [2, 3], [1.0, 2.0])], "step", "score"))
    assert [getattr(column, "name", column) for column in table.columns] == ["step", "one", "two"]
    assert table.rows == [
        ["1", Interval(0.5, 0.4, 0.6), None],
        ["2", Interval(0.6, 0.5, 0.7), 1.0],
        ["3", None, 2.0],
    ]


def test_long_lines_are_thinned_and_keep_their_ends() -> None:
    table = table_of(LinePlot("title", [Series("one", range(1000), range(1000))], "step", "score"))
    assert len(table.rows) == ROWS_AT_MOST
    assert (table.rows[0][0], table.rows[-1][0]) == ("0", "999")
    assert table.caption == f"{ROWS_AT_MOST} of 1000 points."


def test_dots_and_bars_are_rows_with_notes_where_there_are_any() -> None:
    items = [Item("v1", Interval(1010, 990, 1030)), Item("v0", Interval(1000, 1000, 1000), "the anchor")]
    assert table_of(DotPlot("league", items, "Elo")).rows == [
        ["v1", items[0].interval, "–"],
        ["v0", items[1].interval, "the anchor"],
    ]
    assert table_of(BarPlot("cost", items[:1], "EUR")).rows == [["v1", items[0].interval]]
