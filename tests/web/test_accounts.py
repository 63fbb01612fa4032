from __future__ import annotations

import re
import time
from typing import Any

from heedful.feedback.accounts import accounts, keys, sessions
from heedful.feedback.store import Store


def test_the_page_shows_what_there_is(annotator: Any, store: Store) -> None:
    sessions.begin(store, annotator.account.id, "Netscape <4>")
    keys.make(store, annotator.account.id, "my script", ["read"])
    page = annotator.get("/account").text
    for words in ("Netscape &lt;4&gt;", "my script", "this one", "Log out everywhere else", "anna"):
        assert words in page


def test_a_name_changes(annotator: Any, store: Store) -> None:
    assert annotator.post("/account/name", {"name": "  Anna   B. "}).headers["location"] == "/account?done=name"
    assert accounts.of(store, annotator.account.id).name == "Anna B."
    assert annotator.post("/account/name", {"name": " "}).status_code == 400


def test_a_password_changes_and_other_sessions_end(client: Any, store: Store) -> None:
    account = accounts.create(store, "ann", "Ann", "four unrelated words", "annotator")
    elsewhere, _ = sessions.begin(store, account.id)
    client.post("/login", {"login": "ann", "password": "four unrelated words"})
    client.csrf = csrf(client)
    wrong = client.post("/account/password", {"old": "not this one", "new": "another four words"})
    assert wrong.status_code == 400
    assert "old password is wrong" in wrong.text.lower()
    assert client.post("/account/password", {"old": "four unrelated words", "new": "short"}).status_code == 400
    assert sessions.session(store, elsewhere) is not None
    done = client.post("/account/password", {"old": "four unrelated words", "new": "another four words"})
    assert done.headers["location"] == "/account?done=password"
    assert sessions.session(store, elsewhere) is None
    assert client.get("/account").status_code == 200
    assert accounts.authenticate(store, "ann", "another four words") is not None


def test_looks_are_kept_and_shown_on_every_page(annotator: Any, store: Store) -> None:
    page = annotator.get("/account").text
    assert "data-theme" not in page.split("<head>")[0]
    assert "no-hints" not in page
    annotator.post("/account/looks", {"theme": "dark"})
    page = annotator.get("/account").text
    assert 'data-theme="dark"' in page
    assert "no-hints" in page
    assert annotator.post("/account/theme", {"theme": "light"}).status_code == 204
    assert accounts.of(store, annotator.account.id).preferences == {"theme": "light", "hints": False}
    annotator.post("/account/looks", {"theme": "auto", "hints": "yes"})
    assert "no-hints" not in annotator.get("/account").text
    assert annotator.post("/account/looks", {"theme": "pink"}).status_code == 422


def test_sessions_end_one_by_one_or_all(annotator: Any, reviewer: Any, store: Store) -> None:
    tokens = [sessions.begin(store, annotator.account.id)[0] for _ in range(3)]
    foreign = sessions.session(store, tokens[0])
    assert foreign is not None
    reviewer.post("/account/sessions/end", {"session": foreign.id})
    assert sessions.session(store, tokens[0]) is not None, "somebody else's session"
    annotator.post("/account/sessions/end", {"session": foreign.id})
    assert sessions.session(store, tokens[0]) is None
    annotator.post("/account/sessions/end")
    assert [sessions.session(store, token) for token in tokens] == [None, None, None]
    assert annotator.get("/account").status_code == 200


def test_a_key_is_shown_once_works_and_can_be_revoked(annotator: Any, reviewer: Any, store: Store) -> None:
    made = annotator.post("/account/keys", {"name": "my script", "scopes": ["read", "judge"], "days": "30"})
    assert made.status_code == 200
    [token] = set(re.findall(r"heedful_[\w-]{43}", made.text))
    assert token not in annotator.get("/account").text
    found = keys.key(store, token)
    assert found is not None
    assert found.scopes == ("read", "judge")
    assert found.expires is not None
    assert abs(found.expires - time.time() - 30 * 86_400) < 60
    assert reviewer.post(f"/account/keys/{found.id}/revoke").status_code == 404
    assert keys.key(store, token) is not None
    annotator.post(f"/account/keys/{found.id}/revoke")
    assert keys.key(store, token) is None
    assert annotator.post("/account/keys", {"name": "", "scopes": "read"}).status_code == 400
    assert annotator.post("/account/keys", {"name": "x"}).status_code == 400


def test_a_key_opens_no_page(annotator: Any, store: Store, client: Any) -> None:
    token, _ = keys.make(store, annotator.account.id, "my script", ["read"])
    assert client.get("/account", headers={"Authorization": f"Bearer {token}"}).status_code == 303


def test_people_can_take_their_own_data(annotator: Any) -> None:
    response = annotator.get("/account/data")
    assert "attachment" in response.headers["Content-Disposition"]
    assert response.json()["accounts"][0]["login"] == "anna"


def csrf(browser: Any) -> str:
    """The token that the page of a browser carries."""
    found = re.search(r'data-csrf="([^"]+)"', browser.get("/account").text)
    assert found is not None
    return found.group(1)
