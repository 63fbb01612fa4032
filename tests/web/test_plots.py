from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from heedful.evaluation.blocks import BarPlot, DotPlot, Item, LinePlot, Plot, Series
from heedful.evaluation.intervals import Interval
from heedful.web.plots import bar, columns, figure, spark

ITEM = Item("<v1>", Interval(0.6, 0.5, 0.7))
PLOTS: list[Plot] = [
    LinePlot("Curve", [Series("one", [0, 1], [1.0, 2.0]), Series("two", [0, 1], [1.0, 3.0])], "step", "loss"),
    DotPlot("League", [ITEM], "Elo"),
    BarPlot("Cost", [ITEM], "EUR"),
]


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.title)
def test_a_figure_is_drawn_wide_and_narrow_with_its_numbers(plot: Plot) -> None:
    found = figure(plot, "key")
    assert len(found.drawings) == 2
    assert found.numbers.rows
    ids = re.findall(r' id="([^"]+)"', "".join(found.drawings))
    assert len(ids) == len(set(ids)) == 4
    for drawing in found.drawings:
        ElementTree.fromstring(drawing)
        assert "style=" not in drawing
        assert "<title" in drawing
        assert "<desc" in drawing


def test_only_several_lines_have_a_legend() -> None:
    assert [len(figure(plot, "key").legend) for plot in PLOTS] == [2, 0, 0]


def rectangles(drawing: str) -> list[tuple[str, float]]:
    found = ElementTree.fromstring(drawing).iter("rect")
    return [(one.attrib["class"], float(one.attrib["width"])) for one in found]


def test_a_bar_is_as_long_as_what_is_done() -> None:
    assert rectangles(bar(25, 100, title="a quarter")) == [("bar-rest", 1000), ("bar-done", 250)]
    assert rectangles(bar(25, 100, more=50, title="")) == [("bar-rest", 1000), ("bar-more", 750), ("bar-done", 250)]
    assert rectangles(bar(0, 0, title="nothing")) == [("bar-rest", 1000)]
    assert rectangles(bar(120, 100, title="more than asked"))[-1] == ("bar-done", 1000)


def test_a_spark_says_its_numbers_and_shows_nothing_for_nothing() -> None:
    drawing = spark(Interval(0.72, 0.6, 0.8), 0.0, 1.0, reference=0.5, title="Skill of <ann>")
    assert "Skill of &lt;ann&gt;: 72 % (60 to 80)" in drawing
    dot = ElementTree.fromstring(drawing).find("circle")
    assert dot is not None
    assert float(dot.attrib["cx"]) == pytest.approx(5 + 0.72 * 100, abs=0.1)
    assert spark(None, 0.0, 1.0, title="Skill") == ""


def test_columns_have_the_heights_of_their_counts() -> None:
    drawing = columns([("1 May", 0), ("2 May", 5), ("3 May", 10)], title="answers by the day")
    tall = [float(one.attrib["height"]) for one in ElementTree.fromstring(drawing).iter("rect")]
    assert tall == [0, 20, 40]
    assert "2 May: 5" in drawing
    ElementTree.fromstring(columns([], title="none"))
