from __future__ import annotations

from typing import Any

from heedful.feedback.accounts import audit
from heedful.feedback.store import Store


def test_the_log_is_filtered_and_turned_page_by_page(owner: Any, store: Store) -> None:
    for number in range(120):
        audit.record(store, "", "campaign.pause", f"number-{number}-", {"reasons": ["a", "b"], "share": 0.5})
    first = owner.get("/audit").text
    assert "number-119-" in first
    assert "number-69-" not in first
    assert "reasons: a, b; share: 0.5" in first
    older = first.split("&amp;before=")[1].split('"')[0]
    assert "number-69-" in owner.get(f"/audit?before={older}").text
    assert "number-119-" not in owner.get("/audit?action=account.create").text
    assert "number-119-" in owner.get("/audit?account=server").text
    assert "number-119-" not in owner.get(f"/audit?account={owner.account.id}").text
    assert owner.get("/audit?before=x").status_code == 422
    assert owner.get("/audit?before=99999999999999999999").status_code == 422
    assert "Nothing of this kind" in owner.get("/audit?action=%25").text
