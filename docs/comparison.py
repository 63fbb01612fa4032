"""The comparison page's tables and picture, from what `benchmarks/algorithms.py` measured.

benchmarks/algorithms.json -> the generated parts of docs/comparison.md, docs/comparison-light.svg and -dark.svg
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from heedful.evaluation.blocks import LinePlot, Series
from heedful.evaluation.line_plot import draw_lines, legend
from heedful.evaluation.svg import tag

ROOT = Path(__file__).parents[1]
MEASURED, STORIES = (ROOT / "benchmarks" / f"{name}.json" for name in ("algorithms", "algorithms_stories"))
STYLE = ROOT / "src" / "heedful" / "evaluation" / "templates" / "report.css.j2"

DRAWN = ("ppo", "rloo", "grpo", "best_of", "online_dpo", "reinforce")
"""Whose way is drawn; more lines than six would be told apart by nobody."""

EVERY = 3
"""Steps between the points that are drawn; neighbours share most of their window."""

FROM_COMPARISONS = ("dpo", "ipo", "simpo", "slic", "kto", "orpo")
FROM_DEMONSTRATIONS = ("sft", "irl", "spin", "mixer", "rlgaf")
"""Also from samples, of `mixer` and `rlgaf`."""
FROM_LOGS = ("weighted", "bandit", "ilql")

WIDTH = 880
Row = dict[str, Any]


def measured(path: Path = MEASURED) -> Row:
    """What the benchmark wrote."""
    found: Row = json.loads(path.read_text(encoding="utf-8"))
    return found


def with_half_width(value: Sequence[float] | None) -> str:
    """Mean and half width of an interval; a dash where there is none."""
    if value is None or value[0] != value[0]:
        return "-"
    return f"{value[0]:+.2f} ± {value[1]:.2f}"


def learns_from(name: str) -> str:
    """What an algorithm is given."""
    if name == "start":
        return ""
    if name in FROM_COMPARISONS:
        return "comparisons"
    if name in FROM_DEMONSTRATIONS:
        return "demonstrations" + (", scores" if name == "mixer" else "")
    return "a log and its scores" if name in FROM_LOGS else "scores"


def stories_rows() -> str:
    """Those that were run on another model too."""
    return comparison_rows(STORIES)


def comparison_rows(path: Path = MEASURED) -> str:
    """Every algorithm, the largest gain first; the start at the end."""
    rows: dict[str, Row] = measured(path)["rows"]
    columns = [
        *("algorithm", "learns from", "gain in true score", "least lower bound", "KL, nats"),
        *("gain at 2 nats", "gain in equal time", "tokens", "CPU s"),
    ]
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for name, row in sorted(rows.items(), key=lambda item: (item[0] == "start", -item[1]["gain"])):
        gain = with_half_width((row["gain"], row["half_width"])) if name != "start" else "0"
        cells = [
            f"`{name}`" if name != "start" else "the start",
            learns_from(name),
            gain,
            f"{row['least_lower_bound']:+.2f}" if name != "start" else "",
            f"{row['kl']:.1f}",
            with_half_width(row.get("gain_at_kl")),
            with_half_width(row.get("gain_in_budget")),
            f"{row['length']:.0f}",
            f"{row['seconds']:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def comparison_setting() -> str:
    """What was measured, where."""
    found = measured()
    seeds = ", ".join(str(seed) for seed in found["seeds"])
    return (
        f"Seeds {seeds}; {found['comparisons']:,} comparisons by simulated people; {found['steps']} steps of 64 "
        f"completions for the online algorithms; {found['machine']}."
    )


def comparison_picture(theme: str) -> str:
    """Gain in true score along each drawn algorithm's way from the start, `light` or `dark`."""
    rows: dict[str, Row] = measured()["rows"]
    drawn = [name for name in DRAWN if rows.get(name, {}).get("curve")]
    series = []
    for name in drawn:
        kl, gain = zip((0.0, 0.0), *rows[name]["curve"][::EVERY], strict=True)
        series.append(Series(name, kl, gain))
    plot = LinePlot("Gain in true score against KL", series, "KL from the start, nats per answer", "gain in true score")
    inside = draw_lines(plot, WIDTH, "comparison")
    size = re.search(r'viewBox="0 0 (\d+) (\d+)"', inside)
    assert size is not None
    height = int(size[2])
    entries = [
        tag(
            "g",
            Markup(swatch),
            tag("text", name, x=36, y=12, class_="name"),
            transform=f"translate({14 + index * 140} {height + 4})",
        )
        for index, (name, swatch) in enumerate(legend(plot))
    ]
    body = re.sub(r"^<svg[^>]*>|</svg>$", "", inside)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height + 28}" role="img" '
        f'aria-labelledby="comparison-title comparison-desc" font-family="system-ui, sans-serif" font-size="12">'
        f"<style>{style(theme)}</style>{body}{''.join(entries)}</svg>\n"
    )


def style(theme: str) -> str:
    """The report's rules for plots with the colours of a theme."""
    text = STYLE.read_text(encoding="utf-8")
    colours = re.search(rf"macro {theme}\(\) %}}\n(.*?){{% endmacro", text, re.DOTALL)
    assert colours is not None
    rules = re.findall(r"^(?:svg |\.s\d|\.line|\.ref|\.band|\.mark|\.whisker|\.hit)[^\n]*\}$", text, re.MULTILINE)
    return f"svg {{ {' '.join(colours[1].split())} background: var(--page); }} {' '.join(rules)}"
