"""What judgements cost and how long they took, by campaign and kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from heedful.evaluation.blocks import BarPlot, Cell, Column, Item, Table
from heedful.evaluation.intervals import Interval
from heedful.feedback.steering.ledger import LedgerLine
from heedful.web import addresses
from heedful.web.figures.panel import Panel
from heedful.web.plots import HALF, figure
from heedful.web.sheets import Sheet

TITLE = "Cost and time"

EMPTY = (
    "Cost and time show once people have worked on the pages. "
    "A price per judgement and a budget are set in a campaign's settings."
)


def panel(lines: Sequence[LedgerLine], currencies: Mapping[str, str]) -> Panel:
    """Sums of the ledger; `currencies` by campaign. Amounts in different currencies are never added."""
    if not lines:
        return Panel("money", TITLE, empty=EMPTY, link=("/campaigns", "To the campaigns"))
    hours = sum(line.hours for line in lines)
    count = sum(line.count for line in lines)
    totals: dict[str, float] = {}
    for line in lines:
        currency = currencies.get(line.campaign, "")
        totals[currency] = totals.get(currency, 0.0) + line.cost
    costs = " and ".join(f"{amount:,.2f} {currency}".strip() for currency, amount in totals.items() if amount)
    says = f"{count:,} entries, {hours:,.1f} hours of people's time" + (f", {costs}." if costs else ".")
    by_kind: dict[str, float] = {}
    for line in lines:
        by_kind[line.kind] = by_kind.get(line.kind, 0.0) + line.hours
    figures = [figure(_bars("Hours by kind", by_kind, "hours"), "hours", HALF)]
    if len(totals) == 1 and costs:
        [currency] = totals
        cost_by_kind: dict[str, float] = {}
        for line in lines:
            cost_by_kind[line.kind] = cost_by_kind.get(line.kind, 0.0) + line.cost
        paid = {kind: cost for kind, cost in cost_by_kind.items() if cost}
        figures.append(figure(_bars("Cost by kind", paid, currency), "cost", HALF))
    return Panel("money", TITLE, says, figures, [_sheet(lines, currencies)])


def _bars(title: str, amounts: Mapping[str, float], label: str) -> BarPlot:
    ordered = sorted(amounts.items(), key=lambda pair: -pair[1])
    return BarPlot(title, [Item(name, Interval(value, value, value)) for name, value in ordered], label)


def _sheet(lines: Sequence[LedgerLine], currencies: Mapping[str, str]) -> Sheet:
    rows: list[list[Cell]] = []
    for line in lines:
        each = line.cost / line.count if line.count else None
        seconds = 3600 * line.hours / line.count if line.count else None
        currency = currencies.get(line.campaign, "")
        rows.append([line.campaign, line.kind, line.count, line.cost, each, currency, line.hours, seconds])
    columns: list[Column | str] = [
        "campaign",
        "kind",
        Column("number", digits=0),
        Column("cost"),
        Column("cost each", digits=3),
        "currency",
        Column("hours"),
        Column("seconds each", digits=1),
    ]
    return Sheet(
        "ledger",
        Table(columns, rows, "The ledger, summed"),
        {r: addresses.campaign(line.campaign) for r, line in enumerate(lines)},
    )
