"""Every route of the app, and who may use it: a route without a row fails here, and so does a row that is not true.

A row says the least role that gets in. Everybody below is sent to the login page, or told 401 or 403; from it upward
nobody is. What a route then says of things that are not there does not matter here. Below the table stands what it
cannot say: that of two people of one role each sees their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient

from heedful.feedback.accounts import accounts, keys, sessions
from heedful.feedback.accounts.accounts import Account
from heedful.feedback.steering import drafts
from heedful.feedback.store import Store
from heedful.records import Completion, Judgement, Prompt, Question
from heedful.web.app import create_app
from heedful.web.settings import ServerSettings

ROLES = ("nobody", "annotator", "reviewer", "owner")

LEAST: dict[str, str] = {
    "GET /": "annotator",
    "POST /samples": "owner",
    "GET /health": "nobody",
    "GET /login": "nobody",
    "POST /login": "nobody",
    "POST /logout": "nobody",
    "GET /setup/{token}": "nobody",
    "POST /setup/{token}": "nobody",
    "GET /join/{token}": "nobody",
    "POST /join/{token}": "nobody",
    "GET /reset/{token}": "nobody",
    "POST /reset/{token}": "nobody",
    "GET /account": "annotator",
    "POST /account/name": "annotator",
    "POST /account/password": "annotator",
    "POST /account/looks": "annotator",
    "POST /account/theme": "annotator",
    "POST /account/sessions/end": "annotator",
    "POST /account/keys": "annotator",
    "POST /account/keys/{key_id}/revoke": "annotator",
    "GET /account/data": "annotator",
    "GET /people": "owner",
    "POST /people/invite": "owner",
    "POST /people/invitations/{invitation_id}/revoke": "owner",
    "GET /people/{account_id}": "owner",
    "POST /people/{account_id}/role": "owner",
    "POST /people/{account_id}/state": "owner",
    "POST /people/{account_id}/reset": "owner",
    "POST /people/{account_id}/pause": "owner",
    "POST /people/{account_id}/reinstate": "owner",
    "GET /people/{account_id}/data": "owner",
    "GET /people/{account_id}/delete": "owner",
    "POST /people/{account_id}/delete": "owner",
    "GET /audit": "owner",
    "GET /media/clip": "annotator",
    "GET /media/completion": "reviewer",
    "GET /judge": "annotator",
    "GET /answers": "annotator",
    "GET /guidelines/{campaign:path}": "annotator",
    "GET /judge/api/session": "annotator",
    "POST /judge/api/next": "annotator",
    "GET /judge/api/task": "annotator",
    "POST /judge/api/submit": "annotator",
    "POST /judge/api/draft": "annotator",
    "POST /judge/api/undo": "annotator",
    "POST /judge/api/heartbeat": "annotator",
    "POST /judge/api/release": "annotator",
    "GET /judge/api/history": "annotator",
    "GET /judge/api/text": "annotator",
    "GET /judge/api/guidelines": "annotator",
    "GET /judge/api/comments": "annotator",
    "POST /judge/api/comments": "annotator",
    "POST /judge/api/read": "annotator",
    "GET /judge/{campaign:path}": "annotator",
    "GET /chat": "annotator",
    "POST /chat": "annotator",
    "GET /chat/{chat_id}": "annotator",
    "POST /chat/{chat_id}/close": "annotator",
    "POST /chat/api/say": "annotator",
    "POST /chat/api/vote": "annotator",
    "GET /campaigns": "owner",
    "GET /campaigns/new": "owner",
    "POST /campaigns/new": "owner",
    "GET /campaigns/{name:path}/settings": "owner",
    "POST /campaigns/{name:path}/settings": "owner",
    "POST /campaigns/{name:path}/state": "owner",
    "GET /campaigns/{name:path}/questions": "owner",
    "POST /campaigns/{name:path}/questions": "owner",
    "GET /campaigns/{name:path}/guidelines": "owner",
    "POST /campaigns/{name:path}/guidelines": "owner",
    "GET /campaigns/{name:path}": "owner",
    "GET /questions": "reviewer",
    "GET /questions/{question_id:path}": "reviewer",
    "POST /questions/{question_id:path}/comments": "reviewer",
    "POST /questions/{question_id:path}/gold": "owner",
    "GET /import": "owner",
    "POST /import": "owner",
    "POST /import/confirm": "owner",
    "GET /export": "owner",
    "GET /export/download": "owner",
    "GET /dashboard": "reviewer",
    "GET /dashboard/live": "reviewer",
    "GET /dashboard/stream": "reviewer",
    "GET /dashboard/runs/{name}.csv": "reviewer",
    "GET /dashboard/runs/{name}": "reviewer",
    "GET /dashboard/{name}.csv": "reviewer",
    "GET /dashboard/annotators": "reviewer",
    "GET /dashboard/annotators/{annotator_id:path}/retract": "owner",
    "POST /dashboard/annotators/{annotator_id:path}/retract": "owner",
    "POST /dashboard/annotators/{annotator_id:path}/pause": "owner",
    "POST /dashboard/annotators/{annotator_id:path}/reinstate": "owner",
    "GET /dashboard/annotators/{annotator_id:path}": "reviewer",
    "GET /models": "reviewer",
    "GET /models.csv": "reviewer",
    "GET /models/{model_id:path}": "reviewer",
    "GET /api/v1/health": "nobody",
    "GET /api/v1/me": "annotator",
    "GET /api/v1/prompts": "reviewer",
    "GET /api/v1/prompts/{id:path}": "reviewer",
    "POST /api/v1/prompts": "owner",
    "GET /api/v1/completions": "reviewer",
    "GET /api/v1/completions/{id:path}": "reviewer",
    "POST /api/v1/completions": "owner",
    "GET /api/v1/kinds": "reviewer",
    "GET /api/v1/questions": "reviewer",
    "GET /api/v1/questions/{id:path}": "reviewer",
    "POST /api/v1/questions": "owner",
    "GET /api/v1/campaigns/{id:path}/consensus": "reviewer",
    "GET /api/v1/campaigns/{id:path}/agreement": "reviewer",
    "GET /api/v1/campaigns": "reviewer",
    "PUT /api/v1/campaigns/{id:path}/state": "owner",
    "GET /api/v1/campaigns/{id:path}/guidelines": "annotator",
    "POST /api/v1/campaigns/{id:path}/guidelines": "owner",
    "POST /api/v1/campaigns/{id:path}/guidelines/read": "annotator",
    "GET /api/v1/campaigns/{id:path}/progress": "reviewer",
    "GET /api/v1/campaigns/{id:path}/ledger": "reviewer",
    "GET /api/v1/campaigns/{id:path}/gold": "reviewer",
    "PUT /api/v1/gold/{id:path}": "owner",
    "DELETE /api/v1/gold/{id:path}": "owner",
    "GET /api/v1/campaigns/{id:path}": "reviewer",
    "PUT /api/v1/campaigns/{id:path}": "owner",
    "POST /api/v1/tasks/next": "annotator",
    "POST /api/v1/tasks/submit": "annotator",
    "POST /api/v1/tasks/skip": "annotator",
    "POST /api/v1/tasks/undo": "annotator",
    "GET /api/v1/tasks/history": "annotator",
    "GET /api/v1/drafts/{id:path}": "annotator",
    "PUT /api/v1/drafts/{id:path}": "annotator",
    "GET /api/v1/judgements": "reviewer",
    "POST /api/v1/judgements": "owner",
    "POST /api/v1/judgements/{id:path}/withdraw": "annotator",
    "GET /api/v1/judgements/{id:path}": "annotator",
    "GET /api/v1/batches": "reviewer",
    "POST /api/v1/batches": "owner",
    "GET /api/v1/batches/{id}": "reviewer",
    "GET /api/v1/batches/{id}/judgements": "reviewer",
    "POST /api/v1/batches/{id}/cancel": "owner",
    "GET /api/v1/annotators": "reviewer",
    "GET /api/v1/annotators/{id:path}/standing": "reviewer",
    "GET /api/v1/annotators/{id:path}/touched": "reviewer",
    "POST /api/v1/annotators/{id:path}/pause": "owner",
    "POST /api/v1/annotators/{id:path}/reinstate": "owner",
    "POST /api/v1/annotators/{id:path}/retract": "owner",
    "GET /api/v1/annotators/{id:path}": "reviewer",
    "GET /api/v1/models": "reviewer",
    "GET /api/v1/models/{id}": "reviewer",
    "GET /api/v1/snapshots": "reviewer",
    "GET /api/v1/snapshots/{id}": "reviewer",
    "GET /api/v1/exports/formats": "reviewer",
    "GET /api/v1/exports/{format}": "reviewer",
    "POST /api/v1/imports": "owner",
    "GET /api/v1/webhooks": "owner",
    "GET /api/v1/webhooks/events": "owner",
    "POST /api/v1/webhooks": "owner",
    "DELETE /api/v1/webhooks/{id}": "owner",
    "POST /api/v1/webhooks/{id}/ping": "owner",
    "GET /api/v1/webhooks/{id}/deliveries": "owner",
    "POST /api/v1/webhooks/{id}/deliveries/{event}/retry": "owner",
    "GET /api/v1/audit": "owner",
    "GET /openapi.json": "nobody",
    "GET /api/docs": "nobody",
}
"""Method and path as the app has them -> the least role that may use it."""

STREAMS = {"GET /dashboard/stream"}
"""They never end: only refusals are tried."""

URL = "http://testserver"
UUID = "11111111-1111-4111-8111-111111111111"


def routes(app: FastAPI) -> Iterator[str]:
    """Method and path of every route; files of `static/` are for everybody."""
    for context in iter_route_contexts(app.routes):
        for method in sorted(context.methods or ()):
            yield f"{method} {context.path}"


class House:
    """An app with somebody of each role."""

    def __init__(self, store: Store, folder: Path) -> None:
        settings = ServerSettings(public_url=URL, login_rate="100000 per minute", api_rate="100000 per minute")
        self.store, self.app = store, create_app(store, settings, folder)
        self.cookie = settings.cookie
        self.people = {role: accounts.create(store, f"{role}-1", role, None, role) for role in accounts.ROLES}

    def ask(self, route: str, role: str, *, forged: bool = False) -> Any:
        """Ask for a route as somebody who has just logged in; `forged`: without the session's token."""
        method, path = route.split(" ")
        browser = TestClient(self.app, base_url=URL, follow_redirects=False)
        headers = {"Origin": URL}
        if role != "nobody":
            token, session = sessions.begin(self.store, self.people[role].id)  # type: ignore[index]
            browser.cookies.set(self.cookie, token)
            headers |= {} if forged else {"X-CSRF-Token": session.csrf}
        return browser.request(method, re.sub(r"{[^}]*}", "not-there", path), headers=headers)


def refused(response: Any) -> bool:
    """Whether somebody was sent away for who they are."""
    to_login = response.status_code == 303 and response.headers["location"].startswith("/login")
    return to_login or response.status_code in (401, 403)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with Store.open(folder / "store.db") as store:
        yield House(store, folder)


def test_every_route_has_a_row(house: House) -> None:
    found = list(routes(house.app))
    missing = [route for route in found if route not in LEAST]
    assert missing == [], f"say in LEAST ({Path(__file__).name}) who may use these"
    assert [route for route in LEAST if route not in found] == [], "these are gone: take their rows out"


@pytest.mark.parametrize("role", ROLES)
def test_the_table_is_true(house: House, role: str) -> None:
    wrong = []
    for route, least in LEAST.items():
        may = ROLES.index(role) >= ROLES.index(least)
        if route in ("POST /login", "POST /logout") or (may and route in STREAMS):
            continue  # they answer as a refusal does, or never
        response = house.ask(route, role)
        if refused(response) == may:
            wrong.append((route, role, response.status_code))
        assert response.status_code < 500, route
    assert wrong == []


@pytest.mark.parametrize("role", ["annotator", "owner"])
def test_no_change_is_taken_without_the_token_of_the_session(house: House, role: str) -> None:
    entering = ("/login", "/setup/{token}", "/join/{token}", "/reset/{token}")
    for route in LEAST:
        method, path = route.split(" ")
        if method != "GET" and path not in entering:
            assert house.ask(route, role, forged=True).status_code == 403, route


def test_a_key_opens_the_api_only_and_no_more_than_its_scopes(house: House) -> None:
    token, _ = keys.make(house.store, house.people["owner"].id, "reads", ["read"])
    browser = TestClient(house.app, base_url=URL, follow_redirects=False)
    for route, least in LEAST.items():
        method, path = route.split(" ")
        if least == "nobody" or route in STREAMS:
            continue
        headers = {"Authorization": f"Bearer {token}", "Origin": URL}
        response = browser.request(method, re.sub(r"{[^}]*}", "not-there", path), headers=headers)
        if path.startswith("/api/v1") and method == "GET":
            assert response.status_code not in (401, 500), route
        else:
            assert refused(response), route


# To each their own


@pytest.fixture
def two(store: Store, enter: Callable[..., Any]) -> tuple[Any, Any]:
    """Anna, with an answer, a draft, a key and a session of hers; and Bert, who is curious."""
    anna, bert = enter("anna"), enter("bert")
    store.add_prompts([Prompt("p", text="?")])
    store.add_completions([Completion(f"c{i}", "p", f"answer {i}") for i in range(2)])
    store.add_questions([Question(f"q{i}", "critique", "p", (f"c{i}",), overlap=2) for i in range(2)])
    assert anna.send("POST", "/judge/api/next", {}).status_code == 200
    store.submit(Judgement("anna-1", "q0", anna.annotator_id, {"text": "words of anna"}))
    drafts.save(store, "q0", anna.annotator_id, {"text": "draft of anna"}, 1.0)
    return anna, bert


def test_nobody_reads_or_changes_what_another_annotator_wrote(two: tuple[Any, Any], store: Store) -> None:
    anna, bert = two
    for path in (
        "/judge/api/history",
        "/api/v1/tasks/history",
        "/api/v1/judgements/anna-1",
        "/api/v1/drafts/q0",
        "/answers",
        "/account/data",
    ):
        assert "of anna" not in bert.get(path).text, path
    assert "words of anna" in anna.get("/judge/api/history").text
    assert "draft of anna" in anna.get("/api/v1/drafts/q0").text
    for method, path, body in (
        ("POST", "/judge/api/undo", {"judgement": "anna-1", "id": UUID}),
        ("POST", "/judge/api/submit", {"id": UUID, "question": "q0", "answer": {"text": "x"}, "supersedes": "anna-1"}),
        ("POST", "/judge/api/draft", {"question": "q0", "answer": {"text": "x"}, "saved": 9e9}),
        ("POST", "/api/v1/tasks/undo", {"judgement": "anna-1", "id": UUID}),
        ("POST", "/api/v1/judgements/anna-1/withdraw", {"id": UUID}),
        ("PUT", "/api/v1/drafts/q0", {"answer": {"text": "x"}, "saved": 9e9}),
    ):
        response = bert.send(method, path, body)
        assert 400 <= response.status_code < 500, (path, response.text)
        assert response.status_code != 422, (path, response.text)
    [kept] = store.judgements(annotator_id=anna.annotator_id)
    assert kept.answer == {"text": "words of anna"}
    draft = drafts.of(store, "q0", anna.annotator_id)
    assert draft is None or draft.answer == {"text": "draft of anna"}


def test_nobody_sees_questions_that_were_not_given_to_them(two: tuple[Any, Any], store: Store) -> None:
    _, bert = two
    for path in (
        "/judge/api/task?question=q1",
        "/judge/api/text?question=q1&place=0",
        "/judge/api/comments?question=q1",
        "/api/v1/questions/q1",
        "/api/v1/completions/c1",
        "/questions/q1",
    ):
        response = bert.get(path)
        assert response.status_code in (403, 404, 422), path
        assert "answer 1" not in response.text, path


def test_nobody_ends_anothers_sessions_or_keys(two: tuple[Any, Any], store: Store) -> None:
    anna, bert = two
    token, key = keys.make(store, anna.account.id, "a script", ["read"])
    [session] = sessions.sessions_of(store, anna.account.id)
    assert bert.post(f"/account/keys/{key.id}/revoke").status_code == 404
    bert.post("/account/sessions/end", {"session": session.id})
    bert.post("/account/sessions/end")
    assert keys.key(store, token) is not None
    assert anna.get("/account").status_code == 200


def test_a_person_is_nobody_elses_business(two: tuple[Any, Any], reviewer: Any, owner: Any) -> None:
    anna, bert = two
    account: Account = anna.account
    for browser in (bert, reviewer):
        for path in ("", "/data", "/delete"):
            assert browser.get(f"/people/{account.id}{path}").status_code == 403
        for path in ("/role", "/state", "/reset", "/pause", "/reinstate", "/delete"):
            form = {
                "role": "owner",
                "state": "deactivated",
                "campaign": "default",
                "login": "anna",
                "answers": "remove",
            }
            assert browser.post(f"/people/{account.id}{path}", form).status_code == 403
    assert owner.get(f"/people/{account.id}").status_code == 200
    assert anna.get("/account").status_code == 200
