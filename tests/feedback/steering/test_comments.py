from __future__ import annotations

from collections.abc import Callable

import pytest

from heedful.errors import Problem
from heedful.feedback.steering import comments
from heedful.feedback.store import Store
from heedful.records import Question


def test_a_thread_reads_from_the_top(store: Store, fill: Callable[..., list[Question]]) -> None:
    fill(2)
    first = comments.add(store, "q0", "account-1", "  What counts as rude?  ")
    second = comments.add(store, "q0", "account-2", "Insults.")
    comments.add(store, "q1", "account-1", "Elsewhere.")
    assert comments.of(store, "q0") == [first, second]
    assert (first.author, first.text) == ("account-1", "What counts as rude?")
    assert comments.of(store, "q9") == []


def test_what_is_no_comment_is_refused(store: Store, fill: Callable[..., list[Question]]) -> None:
    fill(1)
    for text in ("", "   ", "x" * (comments.LONGEST + 1), "a\0b"):
        with pytest.raises(Problem):
            comments.add(store, "q0", "account-1", text)
    with pytest.raises(Problem, match='no question "q9"'):
        comments.add(store, "q9", "account-1", "Hello?")
    assert comments.of(store, "q0") == []
