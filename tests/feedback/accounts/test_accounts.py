from __future__ import annotations

import threading

import pytest

from heedful.errors import Problem
from heedful.feedback.accounts import accounts, audit, sessions
from heedful.feedback.store import Store

PASSWORD = "four unrelated words"


def test_an_account_comes_in_by_its_login_however_it_is_written(store: Store) -> None:
    made = accounts.create(store, "  Ann@Example.org ", "Ann  Example", PASSWORD, "reviewer")
    assert (made.login, made.name, made.role, made.state) == ("ann@example.org", "Ann Example", "reviewer", "active")
    assert accounts.authenticate(store, "ANN@example.ORG", PASSWORD) == made
    assert accounts.authenticate(store, "ann@example.org", PASSWORD + "x") is None
    assert accounts.authenticate(store, "bob", PASSWORD) is None
    assert accounts.of(store, made.id) == made
    assert [annotator.id for annotator in store.annotators()] == [made.annotator_id]
    assert store.annotators()[0].name == "Ann Example"


def test_an_account_without_a_password_cannot_log_in(store: Store) -> None:
    accounts.create(store, "ann", "Ann", None, "annotator")
    for password in ("", "None", PASSWORD):
        assert accounts.authenticate(store, "ann", password) is None


@pytest.mark.parametrize(
    ("login", "name", "password", "role", "words"),
    [
        ("a", "Ann", PASSWORD, "owner", "no login"),
        ("ann smith", "Ann", PASSWORD, "owner", "no login"),
        ("ann\n", " ", PASSWORD, "owner", "1 to 100"),
        ("ann", "Ann\0", PASSWORD, "owner", "NUL"),
        ("ann", "Ann", "too short", "owner", "too short"),
        ("ann", "Ann", "x" * 1001, "owner", "too long"),
        ("ann", "Ann", "aaaaaaaaaaaa", "owner", "easy to guess"),
        ("ann.example.org", "Ann", "Ann.Example.org", "owner", "easy to guess"),
        ("ann", "Ann", PASSWORD, "king", "no role"),
    ],
)
def test_what_is_not_fit_is_refused(store: Store, login: str, name: str, password: str, role: str, words: str) -> None:
    with pytest.raises(Problem, match=words):
        accounts.create(store, login, name, password, role)  # type: ignore[arg-type]
    assert not accounts.any_account(store)
    assert store.annotators() == []


def test_a_login_is_given_once(store: Store) -> None:
    accounts.create(store, "ann", "Ann", None, "annotator")
    with pytest.raises(Problem, match="taken"):
        accounts.create(store, "ANN", "Another", None, "annotator")
    assert len(store.annotators()) == 1


def test_deactivating_keeps_somebody_out_at_once(store: Store) -> None:
    accounts.create(store, "olga", "Olga", None, "owner")
    ann = accounts.create(store, "ann", "Ann", PASSWORD, "annotator")
    token, _ = sessions.begin(store, ann.id)
    accounts.deactivate(store, ann.id)
    assert sessions.session(store, token) is None
    assert accounts.authenticate(store, "ann", PASSWORD) is None
    accounts.reactivate(store, ann.id)
    assert accounts.authenticate(store, "ann", PASSWORD) is not None
    assert sessions.session(store, token) is None


def test_there_is_always_an_owner(store: Store) -> None:
    olga = accounts.create(store, "olga", "Olga", None, "owner")
    with pytest.raises(Problem, match="only owner"):
        accounts.deactivate(store, olga.id)
    with pytest.raises(Problem, match="only owner"):
        accounts.set_role(store, olga.id, "annotator")
    accounts.set_role(store, olga.id, "owner")
    oskar = accounts.create(store, "oskar", "Oskar", None, "annotator")
    accounts.set_role(store, oskar.id, "owner", by=olga.id)
    accounts.set_role(store, olga.id, "reviewer", by=oskar.id)
    assert [account.role for account in accounts.all_accounts(store)] == ["reviewer", "owner"]
    with pytest.raises(Problem, match="no role"):
        accounts.set_role(store, olga.id, "king")  # type: ignore[arg-type]


def test_owners_who_demote_each_other_at_the_same_moment_leave_one(store: Store) -> None:
    pair = [accounts.create(store, name, name, None, "owner") for name in ("olga", "oskar")]
    barrier = threading.Barrier(2)
    refused: list[Problem] = []

    def demote(account_id: str) -> None:
        barrier.wait()
        try:
            accounts.set_role(store, account_id, "annotator")
        except Problem as problem:
            refused.append(problem)

    threads = [threading.Thread(target=demote, args=(account.id,)) for account in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(account.role for account in accounts.all_accounts(store)) == ["annotator", "owner"]
    assert len(refused) == 1


def test_a_new_password_replaces_the_old_one(store: Store) -> None:
    ann = accounts.create(store, "ann", "Ann", PASSWORD, "annotator")
    accounts.change_password(store, ann.id, "another four words")
    assert accounts.has_password(store, ann.id, "another four words")
    assert not accounts.has_password(store, ann.id, PASSWORD)
    with pytest.raises(Problem, match="too short"):
        accounts.change_password(store, ann.id, "short")
    assert [entry.action for entry in audit.entries(store)] == ["account.password", "account.create"]


def test_names_and_preferences_change(store: Store) -> None:
    ann = accounts.create(store, "ann", "Ann", None, "annotator")
    accounts.change_preferences(store, ann.id, theme="dark", hints=False)
    assert accounts.change_preferences(store, ann.id, theme="light").preferences == {"theme": "light", "hints": False}
    assert accounts.rename(store, ann.id, "Anna").name == "Anna"
    assert store.annotators()[0].name == "Anna"
    with pytest.raises(Problem, match="no such account"):
        accounts.rename(store, "nobody", "Anna")
