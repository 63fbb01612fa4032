from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI, HTTPException

from heedful.errors import Conflict, Problem, Unavailable


@pytest.fixture
def wrong(app: FastAPI) -> FastAPI:
    """Routes that go wrong in every way that is foreseen."""

    @app.get("/wrong/{way}")
    @app.get("/api/v1/wrong/{way}")
    def fail(way: str) -> None:
        raise {
            "problem": Problem("the <b> is wrong", where="here", mend="mend it"),
            "database": Unavailable("the disk is full"),
            "conflict": Conflict("another has this id"),
            "forbidden": HTTPException(403, "not yours"),
            "teapot": HTTPException(418),
        }[way]

    return app


@pytest.mark.parametrize(
    ("way", "status", "words"),
    [
        ("problem", 400, ("The &lt;b&gt; is wrong.", "To mend it: mend it.", "Where: here")),
        ("database", 503, ("The disk is full.",)),
        ("conflict", 409, ("Another has this id.",)),
        ("forbidden", 403, ("Not yours.",)),
        ("teapot", 418, ("I&#39;m a Teapot",)),
    ],
)
def test_people_see_a_page(wrong: FastAPI, owner: Any, way: str, status: int, words: tuple[str, ...]) -> None:
    response = owner.get(f"/wrong/{way}", headers={"Accept": "text/html"})
    assert response.status_code == status
    assert response.headers["content-type"].startswith("text/html")
    for word in words:
        assert word in response.text


def test_programs_get_json_of_one_shape(wrong: FastAPI, owner: Any) -> None:
    expected = {"error": {"what": "the <b> is wrong", "where": "here", "mend": "mend it"}}
    assert owner.get("/api/v1/wrong/problem").json() == expected
    assert owner.get("/wrong/problem", headers={"Accept": "application/json"}).json() == expected
    assert owner.get("/api/v1/nowhere").json()["error"]["what"] == "no page has this address"
    assert owner.get("/wrong/problem", headers={"Accept": "text/html,application/json"}).text.startswith("<!doctype")


def test_a_form_that_is_not_filled_in_names_the_field(owner: Any) -> None:
    response = owner.post("/account/looks", {"theme": "pink"}, headers={"Accept": "application/json"})
    assert response.status_code == 422
    assert response.json()["error"]["fields"][0]["where"] == "body.theme"
    assert "body.theme" in owner.post("/account/looks", {"theme": "pink"}).text


def test_the_wrong_kind_of_request_is_refused(client: Any) -> None:
    assert client.get("/logout").status_code == 405
    assert client.get("/nowhere").status_code == 404
    assert client.get("/static/../app.py").status_code == 404
    assert client.get("/static/%2e%2e/app.py").status_code == 404
