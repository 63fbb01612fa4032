from __future__ import annotations

from typing import Any

from heedful.feedback.questions import KINDS
from heedful.feedback.store import Store
from heedful.records import Model
from heedful.web import samples


def test_an_owner_begins_in_three_ways(owner: Any, store: Store) -> None:
    page = owner.get("/").text
    for words in ("/samples", "/import", "heedful collect", "heedful init"):
        assert words in page
    store.add_model(Model("v0", "policy", "policies/v0"))
    assert "heedful init" not in owner.get("/").text


def test_samples_are_there_at_once(owner: Any, store: Store) -> None:
    assert owner.post("/samples").headers["location"] == f"/judge/{samples.CAMPAIGN}"
    assert {question.kind for question in store.questions()} == set(KINDS)
    owner.post("/samples")
    assert len(store.questions()) == samples.EACH * len(KINDS)
    assert "What shall people judge?" not in owner.get("/").text


def test_everybody_sees_their_own_first_page(owner: Any, reviewer: Any, annotator: Any, store: Store) -> None:
    samples.add(store)
    for browser, sees, does_not in (
        (owner, ("/people", "/audit", "/campaigns/samples", "judgements"), ()),
        (reviewer, ("/dashboard", "judgements"), ("/people", "/audit", "/campaigns")),
        (annotator, ("/judge/samples", "Start judging"), ("/people", "/audit", "/campaigns", "/dashboard")),
    ):
        page = browser.get("/").text
        for words in sees:
            assert words in page
        for words in does_not:
            assert f'href="{words}' not in page


def test_the_sign_of_life_says_no_more_than_needed(client: Any) -> None:
    assert client.get("/health").json() == {"status": "ok"}
