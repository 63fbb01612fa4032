from __future__ import annotations

from typing import Any

import pytest

from heedful.errors import Problem
from heedful.feedback.accounts import outbox, webhooks
from heedful.feedback.accounts.webhooks import FIRST_RETRY_S, LEASE_S, MAX_ATTEMPTS, Delivery
from heedful.feedback.store import Store

LATER = 4_000_000_000.0
"""A moment after everything that the clock of this test gives out, in seconds since 1970."""


def happen(store: Store, **payload: Any) -> str:
    with store.writing() as connection:
        return outbox.add(connection, "judgement.stored", payload)


@pytest.fixture
def hook(store: Store) -> webhooks.Webhook:
    return webhooks.add(store, "https://hooks.example/in", ["judgement.stored"])


def only(store: Store, hook: webhooks.Webhook) -> Delivery:
    [found] = webhooks.deliveries_of(store, hook.id)
    return found


def test_a_webhook_is_kept_with_a_secret_of_its_own(store: Store, hook: webhooks.Webhook) -> None:
    other = webhooks.add(store, "http://other.example:8080/x?y=1", ["batch.full", "batch.full"], "sixteen-or-longer")
    assert webhooks.webhooks_of(store) == [hook, other]
    assert (other.secret, other.events) == ("sixteen-or-longer", ("batch.full",))
    assert len(hook.secret) >= 32


@pytest.mark.parametrize(
    "url",
    [
        *("", "example.org", "ftp://example.org/", "javascript:alert(1)", "https://", "https://a b/", "http://h:0/"),
        *("https://user:pass@example.org/", "https://example.org/\n", "https://bücher.example/", "http://[::1/", "//x"),
        "https://example.org/" + "x" * 2000,
        "http://h:99999/",
    ],
)
def test_what_is_no_web_address_is_refused(store: Store, url: str) -> None:
    with pytest.raises(Problem):
        webhooks.add(store, url, ["judgement.stored"])
    assert webhooks.webhooks_of(store) == []


@pytest.mark.parametrize("events", [[], ["judgement.misspelt"], ["ping"]])
def test_events_must_be_known(store: Store, events: list[str]) -> None:
    with pytest.raises(Problem, match=r"batch\.full"):
        webhooks.add(store, "https://hooks.example/", events)


def test_a_short_secret_is_refused(store: Store) -> None:
    with pytest.raises(Problem, match="16"):
        webhooks.add(store, "https://hooks.example/", ["batch.full"], "short")


def test_there_is_a_bound_on_webhooks(store: Store) -> None:
    for number in range(webhooks.MOST_WEBHOOKS):
        webhooks.add(store, f"https://hooks.example/{number}", ["batch.full"])
    with pytest.raises(Problem, match="20 webhooks"):
        webhooks.add(store, "https://hooks.example/", ["batch.full"])


def test_what_was_taken_belongs_to_the_taker_for_a_while(store: Store, hook: webhooks.Webhook) -> None:
    event = happen(store, judgement="j")
    [taken] = webhooks.take(store, now=LATER)
    assert (taken.event_id, taken.url, taken.secret, taken.attempts) == (event, hook.url, hook.secret, 0)
    assert webhooks.take(store, now=LATER + LEASE_S - 1) == []
    [again] = webhooks.take(store, now=LATER + LEASE_S)  # whoever took it first died
    assert again.event_id == event


def test_a_delivery_that_arrived_is_over(store: Store, hook: webhooks.Webhook) -> None:
    happen(store)
    [taken] = webhooks.take(store, now=LATER)
    assert not webhooks.settle(store, taken, now=LATER + 1)
    assert webhooks.take(store, now=LATER * 2) == []
    assert (only(store, hook).state, only(store, hook).delivered, only(store, hook).attempts) == (
        *("delivered", LATER + 1),
        1,
    )


def test_a_failure_is_tried_again_later_and_later_and_then_given_up(store: Store, hook: webhooks.Webhook) -> None:
    happen(store)
    now, waits, ends = LATER, [], []
    for _ in range(MAX_ATTEMPTS):
        [taken] = webhooks.take(store, now=now)
        ends.append(webhooks.settle(store, taken, "status 500", now=now))
        due = only(store, hook).due
        if due is not None:
            assert webhooks.take(store, now=due - 0.001) == []
            waits.append(due - now)
            now = due
    assert waits == [FIRST_RETRY_S * 4**k for k in range(MAX_ATTEMPTS - 1)]
    assert ends == [False] * (MAX_ATTEMPTS - 1) + [True]
    assert only(store, hook).state == "given_up"
    assert only(store, hook).error == "given up after 8 attempts: status 500"
    assert webhooks.take(store, now=now * 2) == []


def test_a_removed_webhook_is_told_nothing_more(store: Store, hook: webhooks.Webhook) -> None:
    happen(store)
    [taken] = webhooks.take(store, now=LATER)
    webhooks.remove(store, hook.id)
    webhooks.settle(store, taken, "status 500", now=LATER)
    happen(store)
    assert webhooks.take(store, now=LATER * 2) == []
    assert webhooks.webhooks_of(store) == []
    for refused in (webhooks.remove, webhooks.ping, webhooks.deliveries_of):
        with pytest.raises(Problem, match="no webhook"):
            refused(store, hook.id)


def test_oldest_first_and_no_more_than_asked_for(store: Store, hook: webhooks.Webhook) -> None:
    events = [happen(store, number=number) for number in range(5)]
    first = webhooks.take(store, limit=2, now=LATER)
    second = webhooks.take(store, limit=10, now=LATER)
    assert [delivery.event_id for delivery in first + second] == events


def test_a_ping_goes_to_one_webhook(store: Store, hook: webhooks.Webhook) -> None:
    webhooks.add(store, "https://other.example/", ["judgement.stored"])
    webhooks.ping(store, hook.id)
    [delivery] = webhooks.take(store, now=LATER)
    assert (delivery.webhook_id, delivery.event, delivery.payload) == (hook.id, "ping", {"webhook": hook.id})


def test_a_delivery_can_be_sent_once_more(store: Store, hook: webhooks.Webhook) -> None:
    event = happen(store)
    [taken] = webhooks.take(store, now=LATER)
    webhooks.settle(store, taken, now=LATER)
    webhooks.retry(store, hook.id, event)
    assert only(store, hook).state == "due"
    [again] = webhooks.take(store, now=LATER)
    assert (again.event_id, again.attempts) == (event, 0)
    with pytest.raises(Problem, match="not meant"):
        webhooks.retry(store, hook.id, "nothing")


def test_deliveries_are_listed_in_pages(store: Store, hook: webhooks.Webhook) -> None:
    events = [happen(store, number=number) for number in range(5)][::-1]
    first = webhooks.deliveries_of(store, hook.id, limit=3)
    rest = webhooks.deliveries_of(store, hook.id, limit=3, before=first[-1].number)
    assert [delivery.event_id for delivery in first + rest] == events


def test_deliveries_survive_a_restart(location: str) -> None:
    with Store.open(location) as store:
        webhooks.add(store, "https://hooks.example/in", ["judgement.stored"])
        event = happen(store)
    with Store.open(location) as store:
        [delivery] = webhooks.take(store, now=LATER)
    assert delivery.event_id == event
