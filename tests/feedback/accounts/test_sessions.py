from __future__ import annotations

import pytest
from sqlalchemy import select

from heedful.feedback import account_tables
from heedful.feedback.accounts import accounts, sessions
from heedful.feedback.accounts.accounts import Account
from heedful.feedback.store import Store


class Clock:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(sessions, "time", clock)
    return clock


@pytest.fixture
def ann(store: Store) -> Account:
    return accounts.create(store, "ann", "Ann", None, "annotator")


def test_only_the_hash_of_a_token_is_stored(store: Store, ann: Account) -> None:
    token, session = sessions.begin(store, ann.id, "Firefox")
    assert len(token) >= 43
    found = sessions.session(store, token)
    assert found == session
    assert (session.account, session.agent) == (ann, "Firefox")
    with store.reading() as connection:
        [row] = connection.execute(select(account_tables.sessions))
    assert token not in str(row)
    assert sessions.session(store, row.token_hash) is None


def test_every_session_has_a_token_of_its_own_for_forms(store: Store, ann: Account) -> None:
    assert len({sessions.begin(store, ann.id)[1].csrf for _ in range(3)}) == 3


def test_use_prolongs_a_session_and_idleness_ends_it(store: Store, ann: Account, clock: Clock) -> None:
    token, _ = sessions.begin(store, ann.id, lifetime_s=1000.0)
    for _ in range(5):
        clock.now += 900
        assert sessions.session(store, token) is not None
    clock.now += 1001
    assert sessions.session(store, token) is None
    assert sessions.sessions_of(store, ann.id) == []


def test_use_is_written_down_now_and_then_only(store: Store, ann: Account, clock: Clock) -> None:
    token, begun = sessions.begin(store, ann.id)
    clock.now += sessions.TOUCH_S / 2
    sessions.session(store, token)
    assert sessions.sessions_of(store, ann.id)[0].seen == begun.seen
    clock.now += sessions.TOUCH_S
    sessions.session(store, token)
    assert sessions.sessions_of(store, ann.id)[0].seen == clock.now


def test_expired_sessions_are_swept_up(store: Store, ann: Account, clock: Clock) -> None:
    sessions.begin(store, ann.id, lifetime_s=10.0)
    clock.now += 11
    sessions.begin(store, ann.id)
    with store.reading() as connection:
        assert len(connection.execute(select(account_tables.sessions)).all()) == 1


def test_sessions_end_one_by_one_or_all_but_this(store: Store, ann: Account) -> None:
    bob = accounts.create(store, "bob", "Bob", None, "annotator")
    tokens = [sessions.begin(store, ann.id)[0] for _ in range(4)]
    other, its = sessions.begin(store, bob.id)
    sessions.end(store, tokens[0])
    found = sessions.session(store, tokens[1])
    assert found is not None
    sessions.end_one(store, ann.id, its.id)
    sessions.end_one(store, ann.id, found.id)
    assert [sessions.session(store, token) is not None for token in tokens] == [False, False, True, True]
    sessions.end_all(store, ann.id, but=tokens[3])
    assert [sessions.session(store, token) is not None for token in tokens] == [False, False, False, True]
    assert sessions.session(store, other) is not None
    sessions.end_all(store, ann.id)
    assert sessions.sessions_of(store, ann.id) == []


def test_nonsense_is_no_token(store: Store, ann: Account) -> None:
    for token in ("", "x", "\udcff", "%", "_" * 100_000):
        assert sessions.session(store, token) is None
    sessions.begin(store, ann.id)
    sessions.end_one(store, ann.id, "%")
    sessions.end_one(store, ann.id, "")
    assert len(sessions.sessions_of(store, ann.id)) == 1
