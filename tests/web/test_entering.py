from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from heedful.feedback.accounts import accounts, audit, invitations, sessions
from heedful.feedback.store import Store
from heedful.web.app import create_app
from heedful.web.entering import own_path
from heedful.web.settings import ServerSettings

PASSWORD = "four unrelated words"


def account(store: Store, login: str = "ann") -> accounts.Account:
    return accounts.create(store, login, login.title(), PASSWORD, "annotator")


def test_the_first_owner_comes_in_by_the_link_that_was_printed(client: Any, store: Store) -> None:
    assert "heedful serve" in client.get("/login").text
    token = invitations.open_setup(store)
    page = client.get(f"/setup/{token}")
    assert page.status_code == 200
    assert "Set up this project" in page.text
    wrong = client.post(f"/setup/{token}", {"login": "olga", "name": "Olga <b>", "password": "short"})
    assert wrong.status_code == 400
    assert "too short" in wrong.text
    assert "Olga &lt;b&gt;" in wrong.text
    response = client.post(f"/setup/{token}", {"login": "olga", "name": "Olga", "password": PASSWORD})
    assert (response.status_code, response.headers["location"]) == (303, "/")
    assert "What shall people judge?" in client.get("/").text
    assert client.get(f"/setup/{token}").status_code == 404
    [owner] = accounts.all_accounts(store)
    assert (owner.login, owner.role) == ("olga", "owner")
    assert client.get("/login").headers["location"] == "/"


def test_an_invitation_makes_an_account_of_its_role(client: Any, store: Store, owner: Any) -> None:
    token, _ = invitations.invite(store, "reviewer")
    assert "reviewer" in client.get(f"/join/{token}").text
    for path in (f"/setup/{token}", f"/reset/{token}", "/join/x"):
        assert client.get(path).status_code == 404
        assert client.post(path, {"login": "eve", "name": "Eve", "password": PASSWORD}).status_code == 404
    client.post(f"/join/{token}", {"login": "rob", "name": "Rob", "password": PASSWORD})
    assert accounts.all_accounts(store)[-1].role == "reviewer"
    assert client.get("/account").status_code == 200


def test_a_reset_link_sets_a_new_password(client: Any, store: Store) -> None:
    ann = account(store)
    before, _ = sessions.begin(store, ann.id)
    token = invitations.reset(store, ann.id)
    assert "Ann" in client.get(f"/reset/{token}").text
    assert client.post(f"/reset/{token}", {"password": "short"}).status_code == 400
    assert client.post(f"/reset/{token}", {"password": "another four words"}).status_code == 303
    assert client.get("/account").status_code == 200
    assert sessions.session(store, before) is None
    assert client.post(f"/reset/{token}", {"password": "yet another four words"}).status_code == 404


def test_logging_in_begins_a_session_that_nobody_knew_before(client: Any, app: FastAPI, store: Store) -> None:
    account(store)
    cookie = app.state.heedful.settings.cookie
    client.http.cookies.set(cookie, "planted by somebody else")
    response = client.post("/login", {"login": "ANN", "password": PASSWORD, "next": "/account?done=name"})
    assert (response.status_code, response.headers["location"]) == (303, "/account?done=name")
    first = client.http.cookies.get(cookie, domain="testserver.local")
    assert first not in (None, "planted by somebody else")
    client.http.cookies.clear()
    client.http.cookies.set(cookie, first)
    client.post("/login", {"login": "ann", "password": PASSWORD})
    assert sessions.session(store, first) is None, "the session before the login ended with it"
    assert audit.entries(store)[0].action == "session.begin"


def test_an_unknown_login_and_a_wrong_password_read_the_same(client: Any, store: Store) -> None:
    ann = account(store)
    wrong = client.post("/login", {"login": "ann", "password": "not the password"})
    unknown = client.post("/login", {"login": "bob", "password": "not the password"})
    accounts.deactivate(store, ann.id)
    shut_out = client.post("/login", {"login": "ann", "password": PASSWORD})
    assert wrong.status_code == unknown.status_code == shut_out.status_code == 401
    assert wrong.text == shut_out.text == unknown.text.replace('value="bob"', 'value="ann"')


def test_logging_out_ends_the_session(annotator: Any, store: Store, app: FastAPI) -> None:
    token = annotator.http.cookies.get(app.state.heedful.settings.cookie)
    assert annotator.post("/logout").headers["location"] == "/login"
    assert sessions.session(store, token) is None
    assert annotator.get("/account").status_code == 303


def test_who_is_not_logged_in_comes_back_to_where_they_wanted(client: Any, store: Store) -> None:
    account(store)
    response = client.get("/account?done=name&x=%26")
    assert response.headers["location"] == "/login?next=/account%3Fdone%3Dname%26x%3D%2526"
    page = client.get(response.headers["location"])
    assert 'name="next" value="/account?done=name&amp;x=%26"' in page.text


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/judge/x?y=1", "/judge/x?y=1"),
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/logout", "/"),
        ("/login?next=/login", "/"),
        ("", "/"),
    ],
)
def test_nobody_is_sent_to_another_site(path: str, kept: str) -> None:
    assert own_path(path) == kept


def test_trying_passwords_and_links_is_slowed_down(store: Store, tmp_path: Path) -> None:
    account(store)
    settings = ServerSettings(public_url="http://testserver", login_rate="3 per day")
    app = create_app(store, settings, tmp_path)
    ours = {"Origin": "http://testserver"}

    def tries(address: str) -> Callable[..., Any]:
        browser = TestClient(app, base_url="http://testserver", follow_redirects=False, client=(address, 1))
        return lambda login, password: browser.post("/login", data={"login": login, "password": password}, headers=ours)

    here, there, elsewhere = tries("10.0.0.1"), tries("10.0.0.2"), tries("10.0.0.3")
    assert [here("x", "y").status_code for _ in range(4)] == [401, 401, 401, 429]
    assert there("ann", PASSWORD).status_code == 303, "another address is not slowed down"
    assert [there("ann", "wrong password").status_code for _ in range(3)] == [401, 401, 401]
    assert elsewhere("ann", PASSWORD).status_code == 303, "who guesses does not shut the person out"
    neighbours = [tries(f"2001:db8::{number}") for number in range(3)]
    assert [one("z", "y").status_code for one in neighbours] == [401, 401, 401]
    assert tries("2001:db8::abcd")("z", "y").status_code == 429, "a network of IPv6 is one address"
    assert tries("2001:db8:0:1::1")("z", "y").status_code == 401
    many = [tries(f"10.1.0.{number}")("ann", "wrong password").status_code for number in range(27)]
    assert set(many) == {401}
    slowed = tries("10.2.0.1")("ann", PASSWORD)
    assert slowed.status_code == 429, "all addresses together are ten times as fast at one login"
    assert int(slowed.headers["Retry-After"]) >= 1
    guesser = TestClient(app, base_url="http://testserver", client=("10.0.0.4", 1))
    assert [guesser.get(f"/join/{number}").status_code for number in range(4)] == [404, 404, 404, 429]


def test_logging_in_from_another_site_is_refused(client: Any, store: Store) -> None:
    account(store)
    form = {"login": "ann", "password": PASSWORD}
    assert client.post("/login", form, headers={"Origin": "https://evil.example"}).status_code == 403
    assert client.get("/account").status_code == 303
