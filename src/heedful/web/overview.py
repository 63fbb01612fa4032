"""Everything that the dashboard shows, computed when it is asked for and kept while nothing moves."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TypeVar

from heedful.errors import Problem
from heedful.feedback.earnings import Earning, earnings
from heedful.feedback.pace import Pace, paces
from heedful.feedback.pulse import pulse
from heedful.feedback.quality.annotators import profile
from heedful.feedback.steering import ledger, standing
from heedful.feedback.steering.ledger import LedgerLine
from heedful.feedback.steering.settings import Campaign, campaigns_of
from heedful.web.figures import agreement, annotators, choosing, league, money, rewards, training
from heedful.web.figures.annotators import Someone
from heedful.web.figures.lineage import Lineage, lineage_of
from heedful.web.figures.panel import Panel, spoken_problem
from heedful.web.figures.progress import Progress, progress_of, sheet
from heedful.web.remembered import NotYet, Remembered
from heedful.web.runs import Seen, mark_of, seen
from heedful.web.sheets import Sheet
from heedful.web.site import Site

Value = TypeVar("Value")

TITLES: Mapping[str, str] = {
    "annotators": annotators.TITLE,
    "agreement": agreement.TITLE,
    "league": league.TITLE,
    "rewards": rewards.TITLE,
    "training": training.TITLE,
    "selection": choosing.TITLE,
    "money": money.TITLE,
}
PANELS = tuple(TITLES)
"""The parts of the dashboard below the campaigns, in order."""

SOON = "These numbers are being computed; they appear here by themselves, without JavaScript after loading anew."

SILENT_STEP_S = 30.0
"""How exactly the page says how long a run has been silent."""

PATIENCE_S = 0.6
"""How long the dashboard waits for numbers; `Site.shared["patience_s"]` says otherwise."""

SHEETS: Mapping[str, str] = {
    "annotators": "annotators",
    "agreement": "agreement",
    "league": "league",
    "rewards": "rewards",
    "runs": "training",
    "selection": "selection",
    "ledger": "money",
}
"""Table -> the part that it stands in."""


def version_of(here: Site) -> str:
    """A word that changes when anything that the dashboard shows has changed."""
    return f"{pulse(here.store).version} {mark_of(here.folder)} {_memory_of(here).made}"


def patience_of(here: Site) -> float:
    """How long the dashboard waits."""
    return float(here.shared.get("patience_s", PATIENCE_S))


def _memory_of(here: Site) -> Remembered:
    found = here.shared.setdefault("remembered", Remembered())
    assert isinstance(found, Remembered)
    return found


class Overview:
    """The state of a project at one moment; parts that nobody asks for are not computed."""

    def __init__(self, here: Site, patience_s: float | None = None) -> None:
        """Look at the store of `here` now; wait so long for values that are dear, None: until they are there."""
        self.here, self.store = here, here.store
        self.memory = _memory_of(here)
        now = pulse(here.store)
        self._work, self._acts = now.work, now.acts
        self._patience_s = patience_s
        self.runs_mark = mark_of(here.folder)

    def campaigns(self) -> dict[str, Campaign]:
        """Every campaign by name."""
        found = self.light("campaigns", lambda: campaigns_of(self.store))
        return {one.name: one for one in found}

    def currencies(self) -> dict[str, str]:
        """Campaign -> its currency."""
        return {name: one.settings.currency for name, one in self.campaigns().items()}

    @cached_property
    def paces(self) -> list[Pace]:
        """How far each campaign has come."""
        return paces(self.store)

    def progress(self) -> list[Progress]:
        """The campaigns for the eye."""
        costs: dict[str, float] = {}
        for line in self.ledger():
            costs[line.campaign] = costs.get(line.campaign, 0.0) + line.cost
        return progress_of(self.paces, self.campaigns(), costs)

    def people(self) -> list[Someone]:
        """Everybody who has answered, with profile, standings and earnings."""
        profiles = self.kept("profiles", lambda: profile(self.store))
        noted = {name: standing.standings(self.store, name) for name in self.campaigns()}
        return annotators.everybody(profiles, noted, self.earnings())

    def ledger(self) -> list[LedgerLine]:
        """Cost and time by campaign and kind."""
        return self.light("ledger", lambda: ledger.totals(self.store))

    def earnings(self) -> list[Earning]:
        """Work by person and campaign."""
        return self.light("earnings", lambda: earnings(self.store))

    def runs(self) -> list[Seen]:
        """The runs of the project, the newest first."""
        return seen(self.here.folder, self.memory)

    def lineage(self) -> Lineage:
        """What was made from what."""
        return self.kept("lineage", lambda: lineage_of(self.store))

    def panel(self, key: str) -> Panel:
        """A part of the dashboard; one whose numbers cannot be computed says why."""
        try:
            return self._panel(key)
        except Problem as problem:
            return Panel(key, TITLES[key], empty=spoken_problem(problem))
        except NotYet:
            return Panel(key, TITLES[key], empty=SOON)

    def sheet(self, name: str) -> Sheet | None:
        """A table by its name; None when there is no such table, or nothing in it yet."""
        if name == "campaigns":
            return sheet(self.progress())
        if name == "annotators":
            people = self.people()
            return annotators.sheet(people, self.currencies()) if people else None
        if name not in SHEETS:
            return None
        return next((one for one in self.panel(SHEETS[name]).sheets if one.name == name), None)

    def _panel(self, key: str) -> Panel:
        match key:
            case "annotators":
                return annotators.panel(self.people(), self.currencies())
            case "agreement":
                names = [pace.campaign for pace in self.paces if pace.given]
                return self.kept("agreement", lambda: agreement.panel(self.store, names))
            case "league":
                return self.kept("league", lambda: league.panel(self.store, self.store.models()))
            case "rewards":
                return self._of_runs("rewards", rewards.panel)
            case "training":
                return self._of_runs("training", training.panel)
            case "selection":
                return self.kept("selection", lambda: choosing.panel(self.store))
            case _:
                return money.panel(self.ledger(), self.currencies())

    def _of_runs(self, name: str, make: Callable[[Sequence[Seen]], Panel]) -> Panel:
        """A part that is made of the runs: drawn anew when they move, and as time goes by."""
        minute = time.time() // SILENT_STEP_S
        return self.memory.of(name, "", (self.runs_mark, minute), lambda: make(self.runs()))

    def light(self, name: str, make: Callable[[], Value]) -> Value:
        """A value that is soon there, waited for."""
        return self.memory.of(name, self._work, self._acts, make)

    def kept(self, name: str, make: Callable[[], Value]) -> Value:
        """A value of this moment, or of a little earlier when it is dear (see `Remembered`)."""
        return self.memory.of(name, self._work, self._acts, make, self._patience_s)
