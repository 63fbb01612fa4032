"""Layered drawings of what was made from what: boxes in layers, arrows from one to the next, forwards only.

The layout is Sugiyama, Tagawa and Toda's (1981, "Methods for visual understanding of hierarchical system structures",
IEEE SMC 11): layers by the longest path, places for long arrows to pass through, and an order within each layer by
the mean place of the neighbours, swept to and fro.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from heedful.evaluation.axes import shortened, shown
from heedful.evaluation.svg import tag

BOX_WIDTH, BOX_HEIGHT = 112, 48
PASSAGE = 22
"""Room for an arrow that passes a layer, in pixels."""
BETWEEN_LAYERS, BETWEEN_BOXES = 34, 18
MARGIN = 8
SWEEPS = 8
LETTERS = 13
"""That fit into a box."""


@dataclass(frozen=True, slots=True)
class Box:
    """Something that was made."""

    key: str
    kind: str
    """A class of the style sheet: `campaign`, `reward`, `policy`, `function`."""
    label: str
    note: str = ""
    """In smaller type below the label."""
    link: str = ""
    says: str = ""
    """Shown when pointed at, and read aloud."""
    faded: bool = False
    """Rejected, or otherwise out of use."""


@dataclass(frozen=True, slots=True)
class Graph:
    """Boxes, and the pairs of which the second was made from the first. Without circles."""

    boxes: Sequence[Box]
    arrows: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a box or a passage stands: its layer, the middle of its extent across, and that extent."""

    layer: int
    middle: float
    extent: float


def draw(graph: Graph, key: str, title: str, *, marked: Collection[str] | None = None, upright: bool = False) -> Markup:
    """The graph from left to right, or `upright` from top to bottom.

    Args:
        graph: what to draw.
        key: makes the drawing's ids unique on the page.
        title: read aloud.
        marked: keys of the boxes to stress; the others step back. None: all are equal.
        upright: for narrow screens.
    """
    places, routes, across = _layout(graph, upright=upright)
    along = (BOX_HEIGHT if upright else BOX_WIDTH) + BETWEEN_LAYERS
    layers = 1 + max((place.layer for place in places.values()), default=0)
    width, height = across + 2 * MARGIN, layers * along - BETWEEN_LAYERS + 2 * MARGIN
    if not upright:
        width, height = height, width
    parts = [
        tag("path", d=_path([places[name] for name in route], upright=upright), class_=_arrow_class(ends, marked))
        for ends, route in routes.items()
    ]
    parts += [_box(box, places[box.key], marked, upright=upright) for box in graph.boxes]
    said = "; ".join(f"{a} to {b}" for a, b in _names(graph))
    return tag(
        "svg",
        tag("title", title, id=f"{key}-title"),
        tag("desc", f"Made from one another: {said}." if said else "", id=f"{key}-desc"),
        *parts,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        width=round(width),
        height=round(height),
        aria_labelledby=f"{key}-title {key}-desc",
        class_="graph",
    )


def _layout(graph: Graph, *, upright: bool) -> tuple[dict[str, _Place], dict[tuple[str, str], list[str]], float]:
    """(place of every box and passage, the way of every arrow, extent across in pixels)"""
    keys = [box.key for box in graph.boxes]
    arrows = [(a, b) for a, b in graph.arrows if a in keys and b in keys]
    layer = layers_of(keys, arrows)
    routes: dict[tuple[str, str], list[str]] = {}
    rows: list[list[str]] = [[] for _ in range(1 + max(layer.values(), default=0))]
    for key in keys:
        rows[layer[key]].append(key)
    links: list[tuple[str, str]] = []
    for a, b in arrows:
        passages = [f"{a}\x1f{b}\x1f{at}" for at in range(layer[a] + 1, layer[b])]
        for at, name in enumerate(passages, start=layer[a] + 1):
            rows[at].append(name)
        routes[a, b] = [a, *passages, b]
        links += list(pairwise(routes[a, b]))
    _order(rows, links)
    size = BOX_WIDTH if upright else BOX_HEIGHT
    extent = {name: float(size if name in keys else PASSAGE) for row in rows for name in row}
    totals = [sum(extent[name] for name in row) + BETWEEN_BOXES * (len(row) - 1) for row in rows]
    across = max(totals, default=0.0)
    places: dict[str, _Place] = {}
    for at, (row, total) in enumerate(zip(rows, totals, strict=True)):
        start = MARGIN + (across - total) / 2
        for name in row:
            places[name] = _Place(at, start + extent[name] / 2, extent[name])
            start += extent[name] + BETWEEN_BOXES
    return places, routes, across


def layers_of(keys: Sequence[str], arrows: Sequence[tuple[str, str]]) -> dict[str, int]:
    """The layer of every key: the longest way of arrows that leads to it. A circle's last arrow is ignored."""
    before: dict[str, list[str]] = {key: [] for key in keys}
    for a, b in arrows:
        before[b].append(a)
    found: dict[str, int] = {}

    def place(key: str, above: tuple[str, ...]) -> int:
        if key not in found:
            earlier = [place(other, (*above, key)) for other in before[key] if other not in above and other != key]
            found[key] = 1 + max(earlier, default=-1)
        return found[key]

    for key in keys:
        place(key, ())
    return found


def _order(rows: list[list[str]], links: Sequence[tuple[str, str]]) -> None:
    """Sort each row by the mean place of the neighbours in the row before, then in the row after, and so on."""
    before: dict[str, list[str]] = {}
    after: dict[str, list[str]] = {}
    for a, b in links:
        before.setdefault(b, []).append(a)
        after.setdefault(a, []).append(b)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        neighbours = before if down else after
        for at in range(1, len(rows)) if down else range(len(rows) - 2, -1, -1):
            fixed = {
                name: (i + 0.5) / len(row) for row in (rows[at - 1 if down else at + 1],) for i, name in enumerate(row)
            }
            own = {name: (i + 0.5) / len(rows[at]) for i, name in enumerate(rows[at])}
            rows[at].sort(key=lambda name: _mean([fixed[n] for n in neighbours.get(name, ()) if n in fixed], own[name]))


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _path(way: Sequence[_Place], *, upright: bool) -> str:
    """A smooth line from the end of the first place through the passages to the beginning of the last."""
    size = BOX_HEIGHT if upright else BOX_WIDTH
    along = size + BETWEEN_LAYERS
    points = [(MARGIN + way[0].layer * along + size, way[0].middle)]
    for place in way[1:-1]:
        start = MARGIN + place.layer * along
        points += [(start, place.middle), (start + size, place.middle)]
    points.append((MARGIN + way[-1].layer * along, way[-1].middle))

    def at(point: tuple[float, float]) -> str:
        x, y = point[::-1] if upright else point
        return f"{x:.1f} {y:.1f}"

    steps = [f"M{at(points[0])}"]
    for (x0, y0), (x1, y1) in pairwise(points):
        half = (x0 + x1) / 2
        steps.append(f"L{at((x1, y1))}" if y0 == y1 else f"C{at((half, y0))} {at((half, y1))} {at((x1, y1))}")
    x, y = points[-1]
    return "".join(steps) + f"M{at((x - 6, y - 4))}L{at((x - 1, y))}L{at((x - 6, y + 4))}"


def _box(box: Box, place: _Place, marked: Collection[str] | None, *, upright: bool) -> Markup:
    along = (BOX_HEIGHT if upright else BOX_WIDTH) + BETWEEN_LAYERS
    first, middle = MARGIN + place.layer * along, place.middle
    x, y = (middle - BOX_WIDTH / 2, float(first)) if upright else (float(first), middle - BOX_HEIGHT / 2)
    parts = [
        tag("title", box.says or box.label),
        tag("rect", x=x, y=y, width=BOX_WIDTH, height=BOX_HEIGHT, rx=8),
        tag(
            "text",
            shortened(shown(box.label), LETTERS),
            x=x + BOX_WIDTH / 2,
            y=y + (20 if box.note else 29),
            class_="box-label",
            text_anchor="middle",
        ),
    ]
    if box.note:
        note = shortened(shown(box.note), LETTERS + 5)
        parts.append(tag("text", note, x=x + BOX_WIDTH / 2, y=y + 37, class_="box-note", text_anchor="middle"))
    classes = ["box", f"box-{box.kind}", *(["faded"] if box.faded else [])]
    if marked is not None:
        classes.append("marked" if box.key in marked else "apart")
    inside = tag("g", *parts, class_=" ".join(classes))
    return tag("a", inside, href=box.link, aria_label=box.says or box.label) if box.link else inside


def _arrow_class(ends: tuple[str, str], marked: Collection[str] | None) -> str:
    if marked is None:
        return "arrow"
    return "arrow marked" if all(end in marked for end in ends) else "arrow apart"


def _names(graph: Graph) -> list[tuple[str, str]]:
    names: Mapping[str, str] = {box.key: box.label for box in graph.boxes}
    return [(names[a], names[b]) for a, b in graph.arrows if a in names and b in names]
