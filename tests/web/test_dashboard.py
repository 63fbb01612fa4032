from __future__ import annotations

import csv
import io
import re
import threading
from typing import Any

import pytest

from heedful.feedback.accounts import accounts
from heedful.feedback.steering.settings import CampaignSettings, save_campaign
from heedful.feedback.store import Store
from heedful.records import Completion, Judgement, Prompt, Question
from heedful.web import overview
from heedful.web.overview import PANELS


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_an_empty_project_is_told_what_to_do(owner: Any) -> None:
    page = owner.get("/dashboard")
    assert page.status_code == 200
    assert "There is nothing to judge yet" in page.text
    assert page.text.count('class="empty"') == 1 + len(PANELS)


def test_the_whole_page_has_every_part_and_no_style_of_its_own(lively: Any) -> None:
    page = lively.owner.get("/dashboard").text
    for key in ("campaigns", *PANELS):
        assert f'id="{key}"' in page
    said = text_of(page)
    assert "Which answer explains better?" in said
    assert "Krippendorff&#39;s alpha" in page
    assert "round-3-improve: in progress, 27 steps" in said
    assert "style=" not in page
    assert not re.search(r"<script(?! src| type=\"module\" src)", page)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert sorted(ids) == sorted(set(ids))


def test_the_fragment_has_the_same_parts_as_the_page(lively: Any) -> None:
    page, fragment = lively.owner.get("/dashboard").text, lively.owner.get("/dashboard/live").text
    assert "<html" not in fragment
    assert fragment.count("data-live") == 1 + len(PANELS) == page.count("data-live")


def test_answers_move_the_fragment(owner: Any, store: Store, annotator: Any) -> None:
    store.add_everything(
        prompts=[Prompt("p", text="?")],
        completions=[Completion(f"c{i}", "p", f"text {i}") for i in range(2)],
        questions=[Question("q", "comparison", "p", ("c0", "c1"), campaign="one")],
    )
    assert "<strong>0</strong> of 1 answers" in owner.get("/dashboard/live").text
    store.submit(Judgement("j", "q", annotator.annotator_id, {"choice": "a"}))
    page = owner.get("/dashboard/live").text
    assert "<strong>1</strong> of 1 answers" in page
    assert "complete" in page


def test_an_owners_act_shows_at_once(owner: Any, store: Store) -> None:
    assert "Safety" not in owner.get("/dashboard/live").text
    save_campaign(store, "safety", "Safety first", CampaignSettings())
    assert "Safety first" in owner.get("/dashboard/live").text


@pytest.mark.parametrize("name", ["campaigns", "annotators", "agreement", "league", "rewards", "runs", "ledger"])
def test_every_table_is_a_file(lively: Any, name: str) -> None:
    response = lively.owner.get(f"/dashboard/{name}.csv")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    head, *rows = csv.reader(io.StringIO(response.content.decode("utf-8-sig")))
    assert rows
    assert all(len(row) == len(head) for row in rows)


def test_a_hostile_name_is_text_on_the_page_and_in_the_file(owner: Any, store: Store, enter: Any) -> None:
    someone = enter("eve")
    accounts.rename(store, someone.account.id, "=HYPERLINK(1)<script>")
    save_campaign(store, "x", "=1+1 <img src=x>", CampaignSettings())
    page = owner.get("/dashboard").text
    assert "=1+1 &lt;img src=x&gt;" in page
    assert "'=1+1 <img src=x>" in owner.get("/dashboard/campaigns.csv").text


def test_a_table_that_is_not_there_is_not_found(owner: Any) -> None:
    assert owner.get("/dashboard/passwords.csv").status_code == 404
    assert owner.get("/dashboard/league.csv").status_code == 404


def test_a_run_has_a_page_and_its_metrics(lively: Any) -> None:
    page = lively.owner.get("/dashboard/runs/round-2-improve").text
    assert "finished, 44 steps" in page
    assert "learning_rate" in page
    rows = list(
        csv.reader(io.StringIO(lively.owner.get("/dashboard/runs/round-2-improve.csv").content.decode("utf-8-sig")))
    )
    assert rows[0][:3] == ["step", "time_s", "score"]
    assert len(rows) == 45
    assert lively.owner.get("/dashboard/runs/nothing").status_code == 404
    assert lively.owner.get("/dashboard/runs/..%2F..%2Fetc.csv").status_code == 404


def test_numbers_that_take_long_do_not_keep_the_page(owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()

    def slow(_: Store) -> list[Any]:
        go.wait(10)
        return []

    monkeypatch.setattr(overview, "profile", slow)
    here = owner.app.state.heedful
    here.shared["patience_s"] = 0.01
    page = owner.get("/dashboard").text
    assert overview.SOON in page.split('id="annotators"')[1].split("<section")[0]
    before = overview.version_of(here)
    go.set()
    here.shared["remembered"].settle()
    assert overview.version_of(here) != before  # so that open pages are told
    here.shared["patience_s"] = 600.0
    assert overview.SOON not in owner.get("/dashboard").text
