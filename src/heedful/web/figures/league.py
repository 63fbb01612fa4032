"""The league of policy versions: strengths from all votes at once, and each version's wins against the first."""

from __future__ import annotations

from collections.abc import Sequence

from heedful.evaluation.blocks import Cell, Column, DotPlot, Item, Table
from heedful.evaluation.intervals import Interval
from heedful.evaluation.ratings import Game, Rating, league
from heedful.evaluation.win_rate import length_controlled_win_rate, win_rate
from heedful.feedback.duels import Duel, duels
from heedful.feedback.store import Store
from heedful.records import Model
from heedful.web import addresses
from heedful.web.figures.panel import Panel
from heedful.web.plots import HALF, figure
from heedful.web.sheets import Sheet

TITLE = "The league of versions"

EMPTY = (
    "Nobody has compared two versions yet. Let people compare what they wrote on the same prompts: "
    "`heedful evaluate PROJECT` makes such questions, and so does a rematch in a campaign."
)


def panel(store: Store, models: Sequence[Model]) -> Panel:
    """Ratings on the Elo scale and win rates, with 95 % intervals clustered by annotator and prompt."""
    votes = duels(store)
    if not votes:
        return Panel("league", TITLE, empty=EMPTY, link=("/campaigns", "To the campaigns"))
    anchor = _anchor(votes, models)
    games = [Game(vote.a, vote.b, vote.outcome, vote.annotator, vote.prompt) for vote in votes]
    ratings = league(games, anchor)
    people = len({vote.annotator for vote in votes})
    best = next((rating for rating in ratings if rating.version != anchor and rating.elo == rating.elo), None)
    says = f"{len(votes):,} votes of {people:,} people. {_leader(best, anchor)}"
    rates = {rating.version: _against(votes, rating.version, anchor) for rating in ratings}
    elo = DotPlot(
        "Strength",
        [Item(rating.version, rating.interval, rating.note) for rating in ratings],
        f"Elo; {anchor} is fixed at 1000",
        "100 points ahead wins 64 % of the comparisons.",
        reference=1000.0,
        digits=0,
    )
    wins = DotPlot(
        f"Wins against {anchor}",
        [Item(name, found) for name, (found, _) in rates.items() if found],
        "share of votes",
        "Half, the line, is what two equal versions would get. A tie counts half.",
        reference=0.5,
        percent=True,
        digits=3,
    )
    figures = [figure(elo, "league", HALF)]
    if wins.items:
        figures.append(figure(wins, "wins", HALF))
    return Panel("league", TITLE, says, figures, [_sheet(ratings, rates, models, anchor)])


def _anchor(votes: Sequence[Duel], models: Sequence[Model]) -> str:
    """The first policy that has a vote; without models the version that met most votes."""
    met = [name for vote in votes for name in (vote.a, vote.b)]
    known = [model.id for model in models if model.kind == "policy" and model.id in met]
    return known[0] if known else max(sorted(set(met)), key=met.count)


def _leader(best: Rating | None, anchor: str) -> str:
    if best is None:
        return ""
    if best.low > 1000:
        return f"{best.version} is ahead of {anchor} beyond the interval."
    if best.high < 1000:
        return f"No version is ahead of {anchor}."
    return f"Nothing is ahead of {anchor} beyond the interval yet: more votes would tell."


def _against(votes: Sequence[Duel], version: str, anchor: str) -> tuple[Interval | None, Interval | None]:
    """How often a version wins against the anchor: as it is, and as it would be at equal length."""
    between = [vote for vote in votes if {vote.a, vote.b} == {version, anchor}]
    if version == anchor or not between:
        return None, None
    outcomes = [vote.outcome if vote.a == version else 1 - vote.outcome for vote in between]
    longer = [vote.length_a - vote.length_b if vote.a == version else vote.length_b - vote.length_a for vote in between]
    annotators, prompts = [vote.annotator for vote in between], [vote.prompt for vote in between]
    fair = length_controlled_win_rate(outcomes, longer, annotators, prompts)
    return win_rate(outcomes, annotators, prompts).interval, fair.interval


def _sheet(
    ratings: Sequence[Rating],
    rates: dict[str, tuple[Interval | None, Interval | None]],
    models: Sequence[Model],
    anchor: str,
) -> Sheet:
    status = {model.id: model.status for model in models}
    rows: list[list[Cell]] = []
    for rating in ratings:
        won, fair = rates[rating.version]
        rows.append(
            [
                rating.version,
                rating.interval,
                won,
                fair,
                rating.games,
                status.get(rating.version, "not of this project"),
            ]
        )
    columns: list[Column | str] = [
        "version",
        Column("Elo", digits=0),
        Column(f"wins against {anchor}", percent=True, digits=3),
        Column("at equal length", percent=True, digits=3, explanation="what is left when length decides nothing"),
        Column("votes", digits=0),
        "status",
    ]
    links = {r: addresses.model(rating.version) for r, rating in enumerate(ratings) if rating.version in status}
    return Sheet("league", Table(columns, rows, "Versions with 95 % intervals"), links)
