from __future__ import annotations

import json
import re
from typing import Any

import pytest

from heedful.feedback import lineage
from heedful.feedback.accounts import accounts, audit, invitations, sessions
from heedful.feedback.store import Store
from heedful.records import Completion, Judgement, Prompt, Question


@pytest.fixture
def answered(store: Store, annotator: Any) -> str:
    """The annotator has answered one question of the campaign `pilot`; returns the account's address."""
    store.add_prompts([Prompt("p", text="?")])
    store.add_completions([Completion("c", "p", "!")])
    store.add_questions([Question("q", "critique", "p", ("c",), "pilot")])
    store.submit(Judgement("j", "q", annotator.annotator_id, {"text": "a secret remark"}))
    return f"/people/{annotator.account.id}"


def test_the_list_shows_everybody(owner: Any, answered: str, annotator: Any, store: Store) -> None:
    page = owner.get("/people").text
    assert answered in page
    assert "olga" in page
    lineage.retract(store, annotator.annotator_id)
    assert "answers retracted" in owner.get("/people").text
    assert "answers retracted" in owner.get(answered).text


def test_an_invitation_link_is_shown_once_and_leads_to_an_account(owner: Any, client: Any, store: Store) -> None:
    page = owner.post("/people/invite", {"role": "reviewer", "uses": "2", "days": "3", "note": "the team"})
    [link] = re.findall(r'value="http://testserver(/join/[\w-]+)"', page.text)
    assert "the team" in page.text
    assert link not in owner.get("/people").text
    assert client.get(link).status_code == 200
    [open_one] = invitations.open_invitations(store)
    assert (open_one.uses_left, open_one.role) == (2, "reviewer")
    assert owner.post(f"/people/invitations/{open_one.id}/revoke").headers["location"] == "/people?done=revoked"
    assert client.get(link).status_code == 404
    assert owner.post("/people/invite", {"role": "king"}).status_code == 422


def test_roles_change_but_one_owner_stays(owner: Any, annotator: Any, store: Store) -> None:
    owner.post(f"/people/{annotator.account.id}/role", {"role": "reviewer"})
    assert accounts.of(store, annotator.account.id).role == "reviewer"
    refused = owner.post(f"/people/{owner.account.id}/role", {"role": "annotator"})
    assert refused.status_code == 400
    assert "only owner" in refused.text
    assert owner.get("/people").status_code == 200


def test_deactivating_keeps_out_and_can_be_taken_back(owner: Any, annotator: Any, store: Store) -> None:
    path = f"/people/{annotator.account.id}/state"
    owner.post(path, {"state": "deactivated"})
    assert annotator.get("/account").status_code == 303
    assert "Let them in again" in owner.get(f"/people/{annotator.account.id}").text
    owner.post(path, {"state": "active"})
    assert accounts.of(store, annotator.account.id).state == "active"
    assert owner.post(f"/people/{owner.account.id}/state", {"state": "deactivated"}).status_code == 400


def test_a_reset_link_is_for_one_person(owner: Any, annotator: Any, client: Any, store: Store) -> None:
    page = owner.post(f"/people/{annotator.account.id}/reset")
    [link] = re.findall(r'value="http://testserver(/reset/[\w-]+)"', page.text)
    client.post(link, {"password": "another four words"})
    assert accounts.authenticate(store, "anna", "another four words") is not None
    actions = [(entry.action, entry.account_id) for entry in audit.entries(store)]
    assert ("account.reset", owner.account.id) in actions


def test_somebody_is_paused_and_reinstated_in_a_campaign(owner: Any, answered: str, store: Store) -> None:
    owner.post(f"{answered}/pause", {"campaign": "pilot", "reason": "too fast <i>", "reask": "yes"})
    page = owner.get(answered).text
    assert "paused" in page
    assert "too fast &lt;i&gt;" in page
    owner.post(f"{answered}/reinstate", {"campaign": "pilot"})
    assert "working" in owner.get(answered).text


def test_the_data_of_one_person_can_be_taken_away_and_deleted(
    owner: Any, answered: str, annotator: Any, store: Store
) -> None:
    exported = owner.get(f"{answered}/data")
    assert exported.json()["judgements"][0]["answer"] == {"text": "a secret remark"}
    page = owner.get(f"{answered}/delete").text
    assert "type their login: <code>anna</code>" in page
    assert owner.post(f"{answered}/delete", {"answers": "remove", "login": "olga"}).status_code == 400
    assert owner.post(f"{answered}/delete", {"login": "anna"}).status_code == 422
    assert owner.post(f"{answered}/delete", {"answers": "remove", "login": "anna"}).status_code == 303
    assert annotator.get("/account").status_code == 303
    assert owner.get(answered).status_code == 404
    assert store.judgements() == []
    assert "secret" not in json.dumps([dict(event.answer) for event in store.judgements(current=False)])
    log = owner.get("/audit").text
    assert "account.delete" in log
    assert "anna" not in log.lower()


def test_the_only_owner_cannot_delete_themselves(owner: Any, store: Store) -> None:
    answer = owner.post(f"/people/{owner.account.id}/delete", {"answers": "keep", "login": "olga"})
    assert answer.status_code == 400
    assert len(sessions.sessions_of(store, owner.account.id)) == 1


@pytest.mark.parametrize("account_id", ["nobody", "%00", "%F0%9F%A6%86", "x" * 3000])
def test_nobody_of_that_name_is_not_found(owner: Any, account_id: str) -> None:
    for path in ("", "/delete", "/data"):
        assert owner.get(f"/people/{account_id}{path}").status_code == 404
