from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI

from heedful.feedback.accounts import accounts, keys
from heedful.feedback.store import Store
from heedful.web.access import Anyone, Owner, Reviewer, Signed, needs


@pytest.fixture
def routes(app: FastAPI) -> FastAPI:
    """Routes for everybody, for each role, and for keys of a scope."""

    @app.get("/try/anyone")
    def for_anyone(person: Anyone) -> str:
        return person.role if person else "nobody"

    @app.get("/try/signed")
    @app.get("/api/v1/try")
    @app.post("/api/v1/try")
    def for_signed(person: Signed) -> str:
        return f"{person.role} via {person.via}"

    @app.get("/try/reviewer")
    def for_reviewer(person: Reviewer) -> str:
        return person.role

    @app.get("/try/owner")
    @app.get("/api/v1/try/owner")
    def for_owner(person: Owner) -> str:
        return person.role

    @app.get("/api/v1/try/write", dependencies=[needs("write")])
    def for_writers(person: Signed) -> str:
        return person.role

    return app


def test_every_role_gets_in_where_it_may(
    routes: FastAPI, client: Any, annotator: Any, reviewer: Any, owner: Any
) -> None:
    allowed = {
        browser_name: [browser.get(f"/try/{name}").status_code for name in ("anyone", "signed", "reviewer", "owner")]
        for browser_name, browser in (("c", client), ("a", annotator), ("r", reviewer), ("o", owner))
    }
    assert allowed == {
        "c": [200, 303, 303, 303],
        "a": [200, 200, 403, 403],
        "r": [200, 200, 200, 403],
        "o": [200, 200, 200, 200],
    }
    assert client.get("/try/anyone").json() == "nobody"


def test_programs_are_told_401(routes: FastAPI, client: Any) -> None:
    response = client.get("/api/v1/try")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert client.http.post("/api/v1/try").status_code == 401
    for value in ("Bearer x", "Bearer ", "Basic x", "bearer heedful_\xff", "Bearer " + "x" * 5000):
        assert client.http.get("/api/v1/try", headers={"Authorization": value.encode("latin-1")}).status_code == 401


def test_a_key_needs_no_token_and_no_origin(routes: FastAPI, client: Any, reviewer: Any, store: Store) -> None:
    token, _ = keys.make(store, reviewer.account.id, "a script", ["read"])
    with_key = {"Authorization": f"Bearer {token}"}
    assert client.http.post("/api/v1/try", headers=with_key).json() == "reviewer via key"
    assert client.http.get("/api/v1/try/owner", headers=with_key).status_code == 403
    assert client.http.get("/api/v1/try/write", headers=with_key).status_code == 403
    assert reviewer.get("/api/v1/try/write").status_code == 200, "a session may what its person may"
    other, _ = keys.make(store, reviewer.account.id, "a script", ["write"])
    assert client.http.get("/api/v1/try/write", headers={"Authorization": f"Bearer {other}"}).status_code == 200
    accounts.set_role(store, reviewer.account.id, "annotator")
    assert client.http.post("/api/v1/try", headers=with_key).json() == "annotator via key"


def test_a_session_on_the_api_needs_its_token(routes: FastAPI, owner: Any) -> None:
    assert owner.http.post("/api/v1/try").status_code == 403
    assert owner.http.post("/api/v1/try", headers={"Origin": "http://testserver"}).status_code == 403
    assert owner.send("POST", "/api/v1/try").json() == "owner via session"
