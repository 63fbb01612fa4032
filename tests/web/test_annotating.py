from __future__ import annotations

from typing import Any

import pytest

from heedful.feedback import lineage
from heedful.feedback.accounts import audit
from heedful.feedback.steering import standing
from heedful.feedback.steering.settings import CampaignSettings, save_campaign
from heedful.feedback.store import Store
from heedful.records import Completion, Judgement, Model, Prompt, Question


@pytest.fixture
def eve(store: Store, enter: Any) -> Any:
    """Somebody whose answer a reward model and a policy rest on."""
    eve = enter("eve")
    save_campaign(store, "one", "First", CampaignSettings())
    store.add_everything(
        prompts=[Prompt("p", text="?")],
        completions=[Completion(f"c{i}", "p", f"text {i}") for i in range(2)],
        questions=[Question("q", "comparison", "p", ("c0", "c1"), campaign="one")],
        judgements=[Judgement("j", "q", eve.annotator_id, {"choice": "a"})],
    )
    taken = lineage.snapshot(store, ["j"]).hash
    store.add_model(Model("r1", "reward", "rewards/r1", snapshot=taken))
    store.add_model(Model("v1", "policy", "policies/v1", reward="r1"))
    return eve


def test_everybody_is_listed(lively: Any) -> None:
    page = lively.owner.get("/dashboard/annotators").text
    assert "Finn O’Brien" in page
    assert "trainer-0" in page


def test_one_who_does_not_read_is_pointed_at(lively: Any) -> None:
    page = lively.owner.get(f"/dashboard/annotators/{lively.team['finn']}").text
    assert "Worth a look" in page
    assert "faster than the texts can be skimmed" in page
    assert "which-explains-better" in page


def test_pausing_and_reinstating(owner: Any, eve: Any, store: Store) -> None:
    here = f"/dashboard/annotators/{eve.annotator_id}"
    sent = owner.post(f"{here}/pause", {"campaign": "one", "reason": "Too fast", "reask": "yes"})
    assert (sent.status_code, sent.headers["location"]) == (303, f"{here}?done=paused")
    assert standing.standing(store, "one", eve.annotator_id).state == "paused"
    assert store.judgements("one") == []
    page = owner.get(sent.headers["location"]).text
    assert "is paused and gets no more work" in page
    assert "Too fast" in page
    assert owner.post(f"{here}/reinstate", {"campaign": "one"}).status_code == 303
    assert standing.standing(store, "one", eve.annotator_id).state == "working"
    assert len(store.judgements("one")) == 1


def test_retracting_shows_first_what_it_touches(owner: Any, eve: Any, store: Store) -> None:
    here = f"/dashboard/annotators/{eve.annotator_id}"
    page = owner.get(f"{here}/retract").text
    assert '<a href="/models/r1">r1</a>' in page
    assert '<a href="/models/v1">v1</a>' in page
    assert owner.post(f"{here}/retract", {"reason": "asked to"}).status_code == 400
    assert len(store.judgements()) == 1
    assert owner.post(f"{here}/retract", {"reason": "asked to", "sure": "yes"}).status_code == 303
    assert store.judgements() == []
    [entry] = audit.entries(store, action="annotator.retract")
    assert (entry.target, entry.detail) == (eve.annotator_id, {"judgements": 1, "models": ["r1", "v1"]})
    assert "retracted" in owner.get(here).text
    assert "1 of the judgements behind it" in owner.get("/models/v1").text


def test_a_reviewer_looks_and_changes_nothing(reviewer: Any, eve: Any, store: Store) -> None:
    here = f"/dashboard/annotators/{eve.annotator_id}"
    page = reviewer.get(here)
    assert page.status_code == 200
    assert "<form" not in page.text.split("<main")[1]
    assert reviewer.get(f"{here}/retract").status_code == 403
    for act in ("pause", "reinstate", "retract"):
        assert reviewer.post(f"{here}/{act}", {"campaign": "one", "sure": "yes"}).status_code == 403
    assert len(store.judgements()) == 1


def test_somebody_who_is_not_there_is_not_found(owner: Any) -> None:
    for path in ("/dashboard/annotators/nobody", "/dashboard/annotators/nobody/retract"):
        assert owner.get(path).status_code in (400, 404)
