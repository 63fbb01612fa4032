"""Headers on every response, the Host that is asked for, and where changes may come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from heedful.feedback.accounts import accounts, sessions
from heedful.feedback.store import Store
from heedful.web import security
from heedful.web.app import create_app
from heedful.web.settings import ServerSettings


def asked(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": raw, "query_string": b""})


@pytest.mark.parametrize(
    ("path", "status"),
    [("/login", 200), ("/", 303), ("/nowhere", 404), ("/static/style.css", 200), ("/health", 200), ("/people", 303)],
)
def test_every_response_has_the_headers(client: Any, path: str, status: int) -> None:
    response = client.get(path)
    assert response.status_code == status
    for name, value in security.HEADERS.items():
        assert response.headers[name] == value
    assert "Strict-Transport-Security" not in response.headers
    expected = "no-cache" if path.startswith("/static") else "no-store"
    assert response.headers["Cache-Control"] == expected


def test_the_policy_lets_nothing_run_that_is_not_ours() -> None:
    for word in ("unsafe-inline", "unsafe-eval", "http:", "https:", "*", "blob:"):
        assert word not in security.CSP
    assert "default-src 'none'" in security.CSP


def test_a_defect_is_a_page_with_headers_and_without_a_traceback(app: FastAPI, owner: Any) -> None:
    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("the secret inside")

    @app.get("/api/v1/broken")
    def broken_for_programs() -> None:
        raise RuntimeError("the secret inside")

    browser = TestClient(app, base_url="http://testserver", raise_server_exceptions=False)
    page = browser.get("/broken")
    assert page.status_code == 500
    assert "Something broke on our side" in page.text
    answer = browser.get("/api/v1/broken")
    assert answer.json()["error"]["what"]
    for response in (page, answer):
        assert "secret" not in response.text
        assert "Traceback" not in response.text
        assert response.headers["Content-Security-Policy"] == security.CSP
    with pytest.raises(RuntimeError):
        TestClient(app, base_url="http://testserver").get("/broken")


def test_without_a_public_url_only_this_machine_is_known(store: Store, tmp_path: Path) -> None:
    app = create_app(store, ServerSettings(host="192.168.7.7"), tmp_path)
    for host, status in {
        "localhost:8000": 200,
        "127.0.0.1:8000": 200,
        "[::1]:8000": 200,
        "192.168.7.7:8000": 200,
        "evil.example:8000": 421,
        "127.0.0.1.evil.example": 421,
        "": 421,
    }.items():
        response = TestClient(app, base_url="http://127.0.0.1:8000").get("/health", headers={"Host": host})
        assert response.status_code == status, host
        assert response.headers["X-Frame-Options"] == "DENY"
        assert ("--public-url" in response.text) == (status == 421)


def test_no_address_holds_the_nul_character(owner: Any) -> None:
    for path in ("/people/%00", "/audit?action=%00", "/judge/a%00b", "/%00"):
        assert owner.get(path).status_code == 404
    assert owner.post("/login", {"login": "a\0b", "password": "x\0"}).status_code in (400, 401)
    assert owner.post("/account/name", {"name": "a\0b"}).status_code == 400
    assert owner.post("/account/sessions/end", {"session": "a\0b"}).status_code in (303, 400)


OURS = ServerSettings(public_url="https://feedback.example.org/x")


@pytest.mark.parametrize(
    ("headers", "fine"),
    [
        ({"origin": "https://feedback.example.org"}, True),
        ({"origin": "https://feedback.example.org", "sec_fetch_site": "same-origin"}, True),
        ({"origin": "https://feedback.example.org", "host": "internal:8000"}, True),
        ({"sec_fetch_site": "same-origin"}, True),
        ({"origin": "null", "sec_fetch_site": "same-origin"}, True),
        ({}, False),
        ({"origin": "null"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "http://feedback.example.org"}, False),
        ({"origin": "https://feedback.example.org:8443"}, False),
        ({"origin": "https://feedback.example.org", "sec_fetch_site": "cross-site"}, False),
        ({"origin": "https://feedback.example.org", "sec_fetch_site": "same-site"}, False),
        ({"sec_fetch_site": "none"}, False),
        ({"origin": "https://internal:8000", "host": "internal:8000", "x_forwarded_host": "internal:8000"}, False),
    ],
)
def test_a_change_comes_from_our_own_pages(headers: dict[str, str], fine: bool) -> None:
    assert (security.same_origin(asked(**headers), OURS) == "") is fine


def test_without_a_public_url_the_host_says_what_is_ours() -> None:
    local = ServerSettings()
    assert security.same_origin(asked(origin="http://localhost:8000", host="localhost:8000"), local) == ""
    assert security.same_origin(asked(origin="http://localhost:8001", host="localhost:8000"), local)
    assert security.same_origin(asked(origin="https://localhost:8000", host="localhost:8000"), local)


def test_a_change_needs_the_token_of_the_session(owner: Any, annotator: Any) -> None:
    ours = {"Origin": "http://testserver"}
    for headers, data, status in (
        (ours, {"name": "x"}, 403),
        (ours, {"name": "x", "csrf": ""}, 403),
        (ours, {"name": "x", "csrf": annotator.csrf}, 403),
        ({**ours, "X-CSRF-Token": annotator.csrf}, {"name": "x", "csrf": owner.csrf}, 403),
        ({"Origin": "https://evil.example"}, {"name": "x", "csrf": owner.csrf}, 403),
        ({}, {"name": "x", "csrf": owner.csrf}, 403),
        ({**ours, "X-CSRF-Token": owner.csrf}, {"name": "x"}, 303),
        (ours, {"name": "x", "csrf": owner.csrf}, 303),
    ):
        assert owner.http.post("/account/name", data=data, headers=headers).status_code == status, (headers, data)
    multipart = {"name": (None, "y"), "csrf": (None, owner.csrf)}
    assert owner.http.post("/account/name", files=multipart, headers=ours).status_code == 303
    for kind in ("multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "text/plain"):
        broken = owner.http.post("/account/name", content=b"\xff\x00--x", headers={**ours, "Content-Type": kind})
        assert broken.status_code in (400, 403)


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(
    store: Store, tmp_path: Path, enter: Callable[..., Any]
) -> None:
    accounts.create(store, "ann", "Ann", "four unrelated words", "annotator")
    for url, words in {
        "https://x.example": ("__Host-heedful=", "HttpOnly", "SameSite=lax", "Secure", "Path=/;"),
        "https://x.example/team": ("__Secure-heedful=", "HttpOnly", "SameSite=lax", "Secure", "Path=/team;"),
        "http://127.0.0.1:8000": ("heedful_8000=", "HttpOnly", "SameSite=lax"),
    }.items():
        settings = ServerSettings(public_url=url)
        browser = TestClient(create_app(store, settings, tmp_path), base_url=settings.origin, follow_redirects=False)
        form = {"login": "ann", "password": "four unrelated words"}
        response = browser.post(f"{settings.prefix}/login", data=form, headers={"Origin": settings.origin})
        assert response.status_code == 303, response.text
        for word in words:
            assert word in response.headers["set-cookie"] + ";"
        assert ("Strict-Transport-Security" in response.headers) == settings.secure


def test_a_session_in_another_browser_is_another_session(app: FastAPI, store: Store, annotator: Any) -> None:
    token, session = sessions.begin(store, annotator.account.id)
    assert session.csrf != annotator.csrf
    assert token not in annotator.http.cookies.values()


def test_a_body_that_is_too_large_is_refused(store: Store, tmp_path: Path) -> None:
    settings = ServerSettings(public_url="http://testserver", max_body_mb=1)
    browser = TestClient(create_app(store, settings, tmp_path), base_url="http://testserver")
    ours = {"Origin": "http://testserver"}
    small = browser.post("/login", data={"login": "x" * 2**19, "password": "y"}, headers=ours)
    assert small.status_code == 401
    large = browser.post("/login", data={"login": "x" * 2**20, "password": "y"}, headers=ours)
    assert large.status_code == 413
    assert large.headers["Content-Security-Policy"] == security.CSP

    def drops() -> Any:
        for _ in range(2000):
            yield b"x" * 1024

    form = {**ours, "Content-Type": "application/x-www-form-urlencoded"}
    assert browser.post("/login", content=drops(), headers=form).status_code == 413


def test_large_bodies_are_only_read_from_whoever_may_send_files(app: FastAPI, owner: Any) -> None:
    large = {"text": "x" * (security.SHORT_BODY + 1)}
    nobody = TestClient(app, base_url="http://testserver")
    assert nobody.post("/api/v1/prompts", json=large).status_code == 413
    assert owner.http.post("/judge/api/draft", json=large).status_code == 413
    assert owner.http.post("/api/v1/prompts", json=large).status_code in (403, 422)  # read, and then refused
