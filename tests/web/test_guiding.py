from __future__ import annotations

from typing import Any

import pytest

from heedful.feedback.steering import guidelines
from heedful.feedback.steering.settings import CampaignSettings, save_campaign
from heedful.feedback.store import Store

HERE = "/campaigns/one/guidelines"


@pytest.fixture(autouse=True)
def campaign(store: Store) -> None:
    save_campaign(store, "one", "First", CampaignSettings())


def test_an_empty_editor_begins_with_something(owner: Any, store: Store) -> None:
    page = owner.get(HERE).text
    assert "both are bad" in page
    assert "Publish version 1" in page
    assert guidelines.history(store, "one") == []


def test_a_preview_stores_nothing_and_is_safe(owner: Any, store: Store) -> None:
    page = owner.post(HERE, {"text": "# Read\n\n**well** <script>alert(1)</script>", "action": "preview"}).text
    assert "<strong>well</strong>" in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert guidelines.newest(store, "one") is None


def test_versions_are_published_kept_and_compared(owner: Any, store: Store) -> None:
    sent = owner.post(HERE, {"text": "Be kind.\r\nBe true.", "action": "publish"})
    assert (sent.status_code, sent.headers["location"]) == (303, f"{HERE}?done=published")
    page = owner.post(HERE, {"text": "Be kind.\nBe brief.", "action": "preview"}).text
    assert '<span class="went">- Be true.</span>' in page
    assert '<span class="came">+ Be brief.</span>' in page
    owner.post(HERE, {"text": "Be kind.\nBe brief.", "action": "publish"})
    assert [one.version for one in guidelines.history(store, "one")] == [2, 1]
    assert guidelines.history(store, "one")[1].text == "Be kind.\nBe true."
    page = owner.get(HERE).text
    assert "Version 2" in page
    assert "Publish version 3" in page


def test_nothing_is_no_guideline(owner: Any, store: Store) -> None:
    assert owner.post(HERE, {"text": "  ", "action": "publish"}).status_code == 400
    assert guidelines.newest(store, "one") is None
