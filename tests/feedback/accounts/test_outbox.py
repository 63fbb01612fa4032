from __future__ import annotations

import pytest
from sqlalchemy import func, select

from heedful.errors import Problem
from heedful.feedback import account_tables as tables
from heedful.feedback.accounts import outbox, webhooks
from heedful.feedback.store import Store


def counts(store: Store) -> tuple[int, int]:
    """Events in the outbox, deliveries."""
    with store.reading() as connection:
        return (
            connection.execute(select(func.count()).select_from(tables.outbox)).scalar_one(),
            connection.execute(select(func.count()).select_from(tables.deliveries)).scalar_one(),
        )


def test_an_event_is_there_with_its_change_or_not_at_all(store: Store) -> None:
    def fail() -> None:
        with store.writing() as connection:
            outbox.add(connection, "judgement.stored", {"judgement": "j"})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert counts(store) == (0, 0)
    with store.writing() as connection:
        outbox.add(connection, "judgement.stored", {"judgement": "j"})
    assert counts(store) == (1, 0)


def test_only_webhooks_that_want_it_get_a_delivery(store: Store) -> None:
    wants = webhooks.add(store, "https://one.example/", ["judgement.stored", "batch.full"])
    webhooks.add(store, "https://two.example/", ["batch.full"])
    gone = webhooks.add(store, "https://three.example/", ["judgement.stored"])
    webhooks.remove(store, gone.id)
    with store.writing() as connection:
        event = outbox.add(connection, "judgement.stored", {"judgement": "j"})
    [delivery] = webhooks.take(store)
    assert (delivery.webhook_id, delivery.event_id, delivery.event) == (wants.id, event, "judgement.stored")
    assert delivery.payload == {"judgement": "j"}


def test_an_event_without_a_meaning_is_a_defect(store: Store) -> None:
    with pytest.raises(ValueError, match="no event"), store.writing() as connection:
        outbox.add(connection, "judgement.misspelt", {})


def test_a_payload_that_is_no_json_is_refused(store: Store) -> None:
    with pytest.raises(Problem, match="cannot be stored"), store.writing() as connection:
        outbox.add(connection, "judgement.stored", {"at": object()})
