from __future__ import annotations

import pytest
from fastapi import HTTPException

from heedful.feedback.steering.settings import CampaignSettings, save_campaign
from heedful.feedback.store import Store
from heedful.records import Prompt, Question
from heedful.web.campaign_lookup import known


def test_a_campaign_is_known_by_its_settings_or_its_questions(store: Store) -> None:
    save_campaign(store, "one", "First", CampaignSettings())
    store.add_prompts([Prompt("p", text="?")])
    store.add_questions([Question("q", "demonstration", "p", campaign="two")])
    assert known(store, "one").title == "First"
    assert known(store, "two").questions == 1
    with pytest.raises(HTTPException) as caught:
        known(store, "three")
    assert caught.value.status_code == 404
