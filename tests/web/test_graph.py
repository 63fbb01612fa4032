from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from heedful.web.graph import BOX_HEIGHT, BOX_WIDTH, Box, Graph, draw, layers_of

ROUND = Graph(
    [
        Box("v0", "policy", "v0"),
        Box("one", "campaign", "round-1", "3,000 judgements", "/campaigns/round-1", "Campaign <round-1>"),
        Box("r1", "reward", "r1"),
        Box("v1", "policy", "a name that is too long for its box", "rejected", faded=True),
    ],
    [("v0", "one"), ("one", "r1"), ("r1", "v1"), ("v0", "v1"), ("gone", "v1")],
)


def test_layers_follow_the_longest_way() -> None:
    keys = ["v0", "one", "r1", "v1"]
    assert layers_of(keys, list(ROUND.arrows[:4])) == {"v0": 0, "one": 1, "r1": 2, "v1": 3}
    assert layers_of(["alone"], []) == {"alone": 0}


def test_a_circle_does_no_harm() -> None:
    found = layers_of(["a", "b"], [("a", "b"), ("b", "a"), ("a", "a")])
    assert set(found) == {"a", "b"}
    draw(Graph([Box("a", "policy", "a"), Box("b", "policy", "b")], [("a", "b"), ("b", "a")]), "g", "title")


@pytest.mark.parametrize("upright", [False, True])
def test_boxes_do_not_touch_and_stay_inside(upright: bool) -> None:
    drawing = ElementTree.fromstring(draw(ROUND, "g", "Lineage", upright=upright))
    width, height = (float(part) for part in drawing.attrib["viewBox"].split()[2:])
    boxes = [(float(one.attrib["x"]), float(one.attrib["y"])) for one in drawing.iter("rect")]
    assert len(boxes) == 4
    for x, y in boxes:
        assert 0 <= x <= width - BOX_WIDTH
        assert 0 <= y <= height - BOX_HEIGHT
    for i, (x, y) in enumerate(boxes):
        for other_x, other_y in boxes[:i]:
            assert abs(x - other_x) >= BOX_WIDTH or abs(y - other_y) >= BOX_HEIGHT
    assert (height > width) == upright


def test_an_arrow_that_passes_a_layer_goes_round_its_box() -> None:
    """From v0 to v1 past the campaign and the reward model: its way lies beside both boxes."""
    drawing = ElementTree.fromstring(draw(ROUND, "g", "Lineage"))
    paths = [one.attrib["d"] for one in drawing.iter("path")]
    assert len(paths) == 4
    longest = max(paths, key=len)
    points = [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", longest)]
    for box in drawing.iter("rect"):
        x, y = float(box.attrib["x"]), float(box.attrib["y"])
        inside = [p for p in points if x + 1 < p[0] < x + BOX_WIDTH - 1 and y < p[1] < y + BOX_HEIGHT]
        assert inside == []


def test_marked_boxes_stand_out_and_the_others_step_back() -> None:
    plain, marked = draw(ROUND, "g", "Lineage"), draw(ROUND, "g", "Lineage", marked={"one", "r1"})
    assert "marked" not in plain
    classes = [one.attrib["class"] for one in ElementTree.fromstring(marked).iter() if "class" in one.attrib]
    assert sum(name.endswith(" marked") and name.startswith("box") for name in classes) == 2
    assert classes.count("arrow marked") == 1
    assert "box box-policy faded apart" in classes


def test_texts_are_escaped_and_links_lead_somewhere() -> None:
    drawing = draw(ROUND, "g", "Lineage")
    assert "Campaign &lt;round-1&gt;" in drawing
    assert 'href="/campaigns/round-1"' in drawing
    assert "a name that…" in drawing
    assert "style=" not in drawing
    assert "Made from one another: v0 to round-1" in drawing


def test_nothing_to_draw_is_drawn_as_nothing() -> None:
    ElementTree.fromstring(draw(Graph([], []), "g", "Lineage"))
