"""How far people agree with each other: Krippendorff's alpha and kappa of everything that a campaign asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from heedful.errors import Problem
from heedful.evaluation.agreement import Agreement, agreement, raw_agreement
from heedful.evaluation.blocks import Cell, Column, DotPlot, Item, Table
from heedful.evaluation.intervals import Interval
from heedful.feedback.quality.agreement import RatingsTable, ratings_tables
from heedful.feedback.store import Store
from heedful.web import addresses
from heedful.web.figures.panel import Panel
from heedful.web.plots import figure
from heedful.web.sheets import Sheet

TITLE = "Agreement"

EMPTY = (
    "Agreement shows once two people have answered the same question. Give a campaign an overlap of two or more: "
    "some of its questions are enough to see how far people agree."
)

LEAST_ITEMS, ENOUGH_ITEMS = 5, 20
"""Questions that two people answered: with fewer there is nothing to show, and nothing to say in words."""


PUBLISHED = "63 to 77 %"
"""Bai et al. 2022 (63), Ouyang et al. 2022 (72.6), Stiennon et al. 2020 (73 to 77, labellers and researchers)."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Agreement on one thing that a campaign asks."""

    campaign: str
    what: str
    """`choice`, `rank`, `thumb`, `flag:unsafe`, `rating:helpful`."""
    found: Agreement
    raw: float | None
    """The share of equal answers, chance included; None where answers are numbers."""

    @property
    def name(self) -> str:
        """For the plot, whose names are cut at their ends: what tells apart stands first."""
        what = self.what.removeprefix("rating:").replace(":", " ")
        return self.campaign if self.what == "choice" else f"{what}, {self.campaign}"


def panel(store: Store, campaigns: Sequence[str]) -> Panel:
    """Alpha with its interval, beside what chance gives; kappa; how many questions it comes from."""
    found = [one for name in campaigns for table in ratings_tables(store, name) if (one := _measured(name, table))]
    if not found:
        return Panel("agreement", TITLE, empty=EMPTY, link=("/campaigns", "To the campaigns"))
    plot = DotPlot(
        "Krippendorff's alpha",
        [Item(one.name, _on_scale(one.found)) for one in found],
        "alpha",
        "1 is always the same answer; 0, the line, is what guessing gives.",
        reference=0.0,
    )
    return Panel("agreement", TITLE, _says(found), [figure(plot, "agreement")], [_sheet(found)])


def _measured(campaign: str, table: RatingsTable) -> Measured | None:
    try:
        found = agreement(table.items, table.annotators, table.values, table.distance)
    except Problem:  # no question has two answers
        return None
    if found.items < LEAST_ITEMS:
        return None
    raw = None
    if table.distance == "nominal":
        units: dict[str, list[str | float]] = {}
        for item, value in zip(table.items, table.values, strict=True):
            units.setdefault(item, []).append(value)
        raw = raw_agreement(list(units.values()))
    return Measured(campaign, table.name, found, raw)


def _on_scale(found: Agreement) -> Interval:
    """Alpha for the plot: what lies below -1 says no more than that there are few answers."""
    return Interval(max(found.alpha, -1.0), max(found.low, -1.0), found.high)


def _says(found: Sequence[Measured]) -> str:
    lowest = min([one for one in found if one.found.items >= ENOUGH_ITEMS] or found, key=lambda one: one.found.alpha)
    says = f"People agree least on {lowest.name} (alpha {lowest.found.alpha:.2f})." if len(found) > 1 else ""
    if lowest.found.low <= 0:
        says += (
            f" On {lowest.name} chance alone is not ruled out: look at the guidelines, and at the questions on which "
            "people differ."
        )
    choices = [one for one in found if one.what == "choice" and one.raw is not None]
    if choices:
        says += f" Two people give the same answer to {PUBLISHED} of the pairs in published comparisons."
    return says.strip()


def _sheet(found: Sequence[Measured]) -> Sheet:
    rows: list[list[Cell]] = [
        [
            one.campaign,
            one.what.replace(":", " "),
            Interval(one.found.alpha, one.found.low, one.found.high),
            one.found.kappa,
            one.raw,
            one.found.items,
            one.found.annotators,
        ]
        for one in found
    ]
    columns: list[Column | str] = [
        *("campaign", "what"),
        Column(
            "alpha", explanation="Krippendorff's alpha, 95 % interval clustered by question and annotator; 0: chance"
        ),
        Column("kappa", explanation="Cohen's kappa, pooled over all pairs of annotators; 0: chance"),
        Column(
            "equal answers", percent=True, explanation="share of pairs of answers that are the same, chance included"
        ),
        Column("questions", digits=0, explanation="with two answers or more"),
        Column("people", digits=0),
    ]
    links = {r: addresses.questions(campaign=one.campaign, mark="disagreement") for r, one in enumerate(found)}
    return Sheet("agreement", Table(columns, rows, "Agreement"), links)
