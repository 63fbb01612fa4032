from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy import select

from heedful.errors import Problem
from heedful.feedback import account_tables
from heedful.feedback.accounts import accounts, invitations, sessions
from heedful.feedback.store import Store

PASSWORD = "four unrelated words"


def test_the_setup_link_makes_the_first_owner_once(store: Store) -> None:
    first = invitations.open_setup(store)
    token = invitations.open_setup(store)
    assert first is not None
    assert token is not None
    with pytest.raises(Problem, match="any more"):
        invitations.accept(store, first, "olga", "Olga", PASSWORD)
    assert invitations.invitation(store, token, "setup") is not None
    olga = invitations.accept(store, token, "olga", "Olga", PASSWORD)
    assert olga.role == "owner"
    assert accounts.authenticate(store, "olga", PASSWORD) == olga
    assert invitations.open_setup(store) is None
    with pytest.raises(Problem, match="any more"):
        invitations.accept(store, token, "oskar", "Oskar", PASSWORD)


def test_a_setup_link_is_void_once_there_is_an_account(store: Store) -> None:
    token = invitations.open_setup(store)
    assert token is not None
    accounts.create(store, "olga", "Olga", None, "owner")
    with pytest.raises(Problem, match="any more"):
        invitations.accept(store, token, "eve", "Eve", PASSWORD)


def test_an_invitation_is_for_as_many_as_it_says(store: Store) -> None:
    token, made = invitations.invite(store, "reviewer", "the team", uses=2, by="olga")
    assert invitations.open_invitations(store) == [made]
    assert invitations.accept(store, token, "ann", "Ann", PASSWORD).role == "reviewer"
    assert [link.uses_left for link in invitations.open_invitations(store)] == [1]
    with pytest.raises(Problem, match="taken"):
        invitations.accept(store, token, "ann", "Ann", PASSWORD)
    assert [link.uses_left for link in invitations.open_invitations(store)] == [1], "a failed try uses nothing up"
    invitations.accept(store, token, "bob", "Bob", PASSWORD)
    assert invitations.open_invitations(store) == []
    with pytest.raises(Problem, match="any more"):
        invitations.accept(store, token, "cem", "Cem", PASSWORD)


def test_people_who_use_the_last_place_at_once_are_not_both_let_in(store: Store) -> None:
    token, _ = invitations.invite(store, "annotator")
    barrier = threading.Barrier(4)
    came: list[str] = []

    def come(login: str) -> None:
        barrier.wait()
        try:
            came.append(invitations.accept(store, token, login, login, PASSWORD).login)
        except Problem:
            return

    threads = [threading.Thread(target=come, args=(f"person{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [account.login for account in accounts.all_accounts(store)] == came
    assert len(came) == 1


def test_an_invitation_expires_and_can_be_revoked(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    token, _ = invitations.invite(store, "annotator", expires_s=60)
    other, made = invitations.invite(store, "annotator")
    invitations.revoke(store, made.id)
    invitations.revoke(store, made.id)
    assert invitations.invitation(store, other, "invite") is None
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61)
    assert invitations.invitation(store, token, "invite") is None
    with pytest.raises(Problem, match="any more"):
        invitations.accept(store, token, "ann", "Ann", PASSWORD)


@pytest.mark.parametrize(
    ("role", "uses", "expires_s"), [("king", 1, 3600), ("owner", 0, 3600), ("owner", 1001, 3600), ("owner", 1, 1)]
)
def test_what_is_out_of_range_is_refused(store: Store, role: str, uses: int, expires_s: float) -> None:
    with pytest.raises(Problem):
        invitations.invite(store, role, "", uses, expires_s)  # type: ignore[arg-type]
    assert invitations.open_invitations(store) == []


def test_a_reset_link_sets_a_password_once_and_logs_out(store: Store) -> None:
    ann = accounts.create(store, "ann", "Ann", PASSWORD, "annotator")
    session, _ = sessions.begin(store, ann.id)
    earlier = invitations.reset(store, ann.id, by="olga")
    token = invitations.reset(store, ann.id, by="olga")
    for void in (earlier, "x"):
        with pytest.raises(Problem, match="any more"):
            invitations.set_password(store, void, "another four words")
    with pytest.raises(Problem, match="too short"):
        invitations.set_password(store, token, "short")
    assert sessions.session(store, session) is not None
    assert invitations.set_password(store, token, "another four words").id == ann.id
    assert sessions.session(store, session) is None
    assert accounts.authenticate(store, "ann", "another four words") is not None
    with pytest.raises(Problem, match="any more"):
        invitations.set_password(store, token, "yet another four words")


def test_a_reset_link_opens_no_deactivated_account(store: Store) -> None:
    accounts.create(store, "olga", "Olga", PASSWORD, "owner")
    ann = accounts.create(store, "ann", "Ann", PASSWORD, "annotator")
    token = invitations.reset(store, ann.id)
    accounts.deactivate(store, ann.id)
    with pytest.raises(Problem, match="deactivated"):
        invitations.set_password(store, token, "another four words")
    accounts.reactivate(store, ann.id)
    assert invitations.set_password(store, token, "another four words").id == ann.id


def test_a_link_is_for_one_thing(store: Store) -> None:
    ann = accounts.create(store, "ann", "Ann", PASSWORD, "annotator")
    reset = invitations.reset(store, ann.id)
    invite, _ = invitations.invite(store, "annotator")
    with pytest.raises(Problem, match="any more"):
        invitations.accept(store, reset, "eve", "Eve", PASSWORD)
    with pytest.raises(Problem, match="any more"):
        invitations.set_password(store, invite, PASSWORD)
    with store.reading() as connection:
        stored = str(connection.execute(select(account_tables.invitations)).all())
    assert reset not in stored
    assert invite not in stored
