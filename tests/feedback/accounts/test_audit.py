from __future__ import annotations

import pytest
from sqlalchemy.exc import DBAPIError

from heedful.feedback.accounts import audit
from heedful.feedback.store import Store


def test_the_newest_entries_come_first_page_by_page(store: Store) -> None:
    for number in range(5):
        audit.record(store, "olga" if number % 2 else "", "campaign.pause", f"c{number}", {"number": number})
    audit.record(store, "olga", "campaign_x", "")
    first = audit.entries(store, limit=2)
    assert [entry.target for entry in first] == ["", "c4"]
    second = audit.entries(store, limit=3, before=first[-1].number)
    assert [entry.detail["number"] for entry in second] == [3, 2, 1]
    assert [entry.target for entry in audit.entries(store, action="campaign.")] == ["c4", "c3", "c2", "c1", "c0"]
    assert [entry.target for entry in audit.entries(store, account_id="olga")] == ["", "c3", "c1"]
    assert [entry.target for entry in audit.entries(store, account_id="")] == ["c4", "c2", "c0"]
    assert audit.actions(store) == ["campaign.pause", "campaign_x"]


def test_an_entry_is_written_with_the_change_or_not_at_all(store: Store) -> None:
    def fail() -> None:
        with store.writing() as connection:
            audit.record(connection, "olga", "campaign.pause")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    assert audit.entries(store) == []


@pytest.mark.parametrize("statement", ["UPDATE audit SET action = 'x'", "DELETE FROM audit"])
def test_the_log_cannot_be_changed(store: Store, statement: str) -> None:
    audit.record(store, "olga", "campaign.pause")

    def run() -> None:
        with store.writing() as connection:
            connection.exec_driver_sql(statement)

    with pytest.raises(DBAPIError, match="is append-only"):
        run()
