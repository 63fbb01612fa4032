"""Inline SVG by hand: elements, the frame of a plot, its horizontal axis, its marks.

No script, no font, no network, and every text escaped. Colours and type come from the page's style sheet through
classes (`s0` to `s5` for series), so a plot follows the reader's light or dark theme.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

from heedful.evaluation.axes import Scale, shortened, shown, tick_text, ticks

COLOURS = 6
LETTER = 6.6
"""Width in pixels that a letter of the plots' 12-pixel type is given."""
WIDE = 600
"""Plots wider than this have room for more ticks and longer names."""


def tag(name: str, *content: str, **attributes: object) -> Markup:
    """An element with escaped attributes; plain strings inside are escaped, `Markup` is not. `class_` is class."""
    pairs = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), shown(_attribute(value)))
        for key, value in attributes.items()
    )
    inside = Markup("").join(part if isinstance(part, Markup) else escape(shown(part)) for part in content)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), pairs, inside)


def x_axis(x: Scale, bottom: float, label: str, *, percent: bool, about: int) -> Iterable[Markup]:
    """The horizontal axis at height `bottom`: line, about so many ticks, their numbers, the label."""
    values, step = ticks(x.low, x.high, about)
    yield tag("path", d=f"M{x.start:.1f} {bottom}H{x.end:.1f}", class_="axis")
    for value in values:
        yield tag("path", d=f"M{x(value):.1f} {bottom}v5", class_="axis")
        name = tick_text(value, step, percent=percent)
        yield tag("text", name, x=x(value), y=bottom + 18, class_="tick", text_anchor="middle")
    label = shortened(shown(label), int((x.end - x.start) / LETTER) + 8)
    yield tag("text", label, x=(x.start + x.end) / 2, y=bottom + 38, class_="label", text_anchor="middle")


def frame(parts: Iterable[Markup], width: int, height: float, key: str, title: str, described: str) -> Markup:
    """The drawing as a whole, with the title and description that are read aloud; ids begin with `key`.

    How wide it may become is the page's affair, by its class: `wide-drawing` or `small-drawing`.
    """
    return tag(
        "svg",
        tag("title", title, id=f"{key}-title"),
        tag("desc", described, id=f"{key}-desc"),
        *parts,
        viewBox=f"0 0 {width} {height:.0f}",
        role="img",
        aria_labelledby=f"{key}-title {key}-desc",
        class_="wide-drawing" if width > WIDE else "small-drawing",
    )


def mark(px: float, py: float, index: int) -> Markup:
    """Circle, square, triangle, diamond in turn: a second way to tell series apart."""
    match index % 4:
        case 0:
            return tag("circle", cx=px, cy=py, r=3.6, class_="mark")
        case 1:
            return tag("rect", x=px - 3.3, y=py - 3.3, width=6.6, height=6.6, class_="mark")
        case 2:
            return tag("path", d=f"M{px:.1f} {py - 4.4:.1f}l4.4 7.6h-8.8Z", class_="mark")
        case _:
            return tag("path", d=f"M{px:.1f} {py - 4.8:.1f}l4.8 4.8l-4.8 4.8l-4.8 -4.8Z", class_="mark")


def finite_range(columns: Iterable[Sequence[float]]) -> tuple[float, float]:
    """The least and greatest finite number; (0, 1) without any."""
    finite = [value for column in columns for value in column if math.isfinite(value)]
    return (min(finite), max(finite)) if finite else (0.0, 1.0)


def _attribute(value: object) -> str:
    """Numbers with one decimal place, the rest as it is."""
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
