from __future__ import annotations

from collections.abc import Callable

import pytest

from heedful.errors import Problem
from heedful.feedback.accounts import audit
from heedful.feedback.steering import guidelines
from heedful.feedback.steering.guidelines import LONGEST, history, mark_read, newest, publish, unread
from heedful.feedback.store import Store
from heedful.records import Annotator


def test_versions_are_numbered_and_kept(store: Store, told: Callable[..., list[dict[str, object]]]) -> None:
    assert newest(store, "one") is None
    first = publish(store, "one", "Be kind.", by="owner")
    assert publish(store, "one", "Be kind.") == first
    second = publish(store, "one", "Be kinder.")
    publish(store, "two", "Be quick.")
    assert [first.version, second.version] == [1, 2]
    assert newest(store, "one") == second
    assert history(store, "one") == [second, first]
    assert [each["version"] for each in told("guidelines.published")] == [1, 2, 1]
    assert audit.entries(store)[-1].account_id == "owner"


def test_everybody_reads_each_version(store: Store) -> None:
    store.add_annotators([Annotator("ann"), Annotator("bob")])
    assert unread(store, "one", "ann") is None
    publish(store, "one", "Be kind.")
    second = publish(store, "one", "Be kinder.")
    assert unread(store, "one", "ann") == second
    mark_read(store, "one", "ann", 1)
    assert unread(store, "one", "ann") == second
    mark_read(store, "one", "ann", 2)
    assert unread(store, "one", "ann") is None
    mark_read(store, "one", "ann", 1)
    assert unread(store, "one", "ann") is None
    assert unread(store, "one", "bob") == second


def test_what_cannot_be_is_refused(store: Store) -> None:
    store.add_annotators([Annotator("ann")])
    for text in ("", "  ", "x" * (LONGEST + 1), "a\0b"):
        with pytest.raises(Problem):
            publish(store, "one", text)
    with pytest.raises(Problem, match="no version 1"):
        mark_read(store, "one", "ann", 1)
    assert guidelines.history(store, "one") == []
