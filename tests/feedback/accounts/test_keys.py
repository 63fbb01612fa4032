from __future__ import annotations

import time

import pytest
from sqlalchemy import select

from heedful.errors import Problem
from heedful.feedback import account_tables
from heedful.feedback.accounts import accounts, keys
from heedful.feedback.accounts.accounts import Account
from heedful.feedback.store import Store


@pytest.fixture
def ann(store: Store) -> Account:
    accounts.create(store, "olga", "Olga", None, "owner")
    return accounts.create(store, "ann", "Ann", None, "reviewer")


def test_a_key_acts_for_its_account_in_its_scopes(store: Store, ann: Account) -> None:
    token, made = keys.make(store, ann.id, "a script", ["write", "read", "read"])
    assert token.startswith(keys.PREFIX)
    found = keys.key(store, token)
    assert found is not None
    assert (found.id, found.account, found.scopes) == (made.id, ann, ("read", "write"))
    assert keys.key(store, token + "x") is None
    with store.reading() as connection:
        assert token not in str(connection.execute(select(account_tables.api_keys)).all())
    [listed] = keys.keys_of(store, ann.id)
    assert listed.used is not None


def test_a_revoked_key_is_dead_and_stays_on_the_list(store: Store, ann: Account) -> None:
    token, made = keys.make(store, ann.id, "a script", ["read"])
    with pytest.raises(Problem, match="no such key"):
        keys.revoke(store, "somebody else", made.id)
    keys.revoke(store, ann.id, made.id)
    keys.revoke(store, ann.id, made.id)
    assert keys.key(store, token) is None
    assert keys.keys_of(store, ann.id)[0].revoked is not None


def test_a_key_expires(store: Store, ann: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    token, _ = keys.make(store, ann.id, "a script", ["read"], now + 60)
    assert keys.key(store, token) is not None
    monkeypatch.setattr(time, "time", lambda: now + 61)
    assert keys.key(store, token) is None
    with pytest.raises(Problem, match="expired already"):
        keys.make(store, ann.id, "a script", ["read"], now + 60)


def test_a_key_of_somebody_who_is_kept_out_is_dead(store: Store, ann: Account) -> None:
    token, _ = keys.make(store, ann.id, "a script", ["read"])
    accounts.set_role(store, ann.id, "annotator")
    found = keys.key(store, token)
    assert found is not None
    assert found.account.role == "annotator", "a key has the rights that its account has now"
    accounts.deactivate(store, ann.id)
    assert keys.key(store, token) is None


@pytest.mark.parametrize(("name", "scopes"), [("", ["read"]), ("x", []), ("x", ["read", "rule"])])
def test_what_is_not_fit_is_refused(store: Store, ann: Account, name: str, scopes: list[str]) -> None:
    with pytest.raises(Problem):
        keys.make(store, ann.id, name, scopes)
    assert keys.keys_of(store, ann.id) == []
