from __future__ import annotations

from typing import Any

import pytest

from heedful.errors import Problem
from heedful.feedback.store import Store
from heedful.records import Model
from heedful.web import overview as overviews
from heedful.web.figures import league
from heedful.web.overview import PANELS, SHEETS, Overview, version_of
from heedful.web.sheets import csv_text


def overview_of(browser: Any) -> Overview:
    return Overview(browser.app.state.heedful)


def test_every_part_and_every_table_is_there(lively: Any) -> None:
    overview = overview_of(lively.owner)
    panels = {key: overview.panel(key) for key in PANELS}
    assert [key for key, panel in panels.items() if panel.key != key] == []
    assert [key for key, panel in panels.items() if panel.empty] == []
    for name in ("campaigns", *SHEETS):
        found = overview.sheet(name)
        assert found is not None, name
        assert csv_text(found.table).count("\r\n") == 1 + len(found.table.rows)
    assert overview.sheet("annotators") is not None
    assert overview.sheet("passwords") is None


def test_people_come_with_where_they_stand_and_what_they_earned(lively: Any) -> None:
    people = {one.profile.annotator_id: one for one in overview_of(lively.owner).people()}
    amira = people[lively.team["amira"]]
    assert amira.name == "Amira Haddad"
    assert {earning.campaign for earning in amira.earnings} == {"which-explains-better", "rate-and-mend"}


def test_the_version_moves_with_the_store(owner: Any, store: Store) -> None:
    here = owner.app.state.heedful
    before = version_of(here)
    assert version_of(here) == before
    store.add_model(Model("v0", "policy", "policies/v0"))
    assert version_of(here) != before


def test_nothing_is_computed_twice_while_nothing_moves(owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Store] = []

    def profile(store: Store) -> list[Any]:
        made.append(store)
        return []

    monkeypatch.setattr(overviews, "profile", profile)
    for _ in range(3):
        overview_of(owner).people()
    assert len(made) == 1


def test_a_part_that_cannot_be_computed_says_why(owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise Problem("the votes contradict each other", mend="look at them")

    monkeypatch.setattr(league, "panel", fail)
    panel = overview_of(owner).panel("league")
    assert panel.empty == "The votes contradict each other. To mend it: look at them."
