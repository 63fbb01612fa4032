from __future__ import annotations

from collections.abc import Callable

import pytest

from heedful.errors import Problem
from heedful.feedback.steering import desk, drafts
from heedful.feedback.steering.drafts import Draft
from heedful.feedback.store import Store
from heedful.records import Judgement, Question

Fill = Callable[..., list[Question]]
Give = Callable[..., desk.Task]


def test_the_newest_by_the_writers_clock_wins(store: Store, fill: Fill, give: Give) -> None:
    fill(1)
    give("ann")
    assert drafts.of(store, "q0", "ann") is None
    assert drafts.save(store, "q0", "ann", {"choice": "a"}, 10.0)
    assert drafts.save(store, "q0", "ann", {"choice": "b", "reason": "half a sen"}, 12.0)
    assert not drafts.save(store, "q0", "ann", {"choice": "a"}, 11.0)
    assert drafts.of(store, "q0", "ann") == Draft("q0", "ann", {"choice": "b", "reason": "half a sen"}, 12.0)
    assert drafts.save(store, "q0", "ann", {}, 12.0)
    found = drafts.of(store, "q0", "ann")
    assert found is not None
    assert found.answer == {}


def test_a_draft_is_only_kept_of_what_was_given(store: Store, fill: Fill, give: Give) -> None:
    fill(2)
    give("ann")
    for person, question in (("ann", "q1"), ("bob", "q0"), ("ann", "q9")):
        with pytest.raises(Problem, match="not given to you"):
            drafts.save(store, question, person, {}, 1.0)
    with pytest.raises(Problem, match="number of seconds"):
        drafts.save(store, "q0", "ann", {}, float("nan"))
    with pytest.raises(Problem, match="cannot be stored"):
        drafts.save(store, "q0", "ann", {"x": float("nan")}, 1.0)


def test_a_draft_that_arrives_after_the_answer_is_dropped_and_one_of_an_edit_is_kept(
    store: Store, fill: Fill, give: Give
) -> None:
    fill(1)
    give("ann")
    created = "1970-01-01T00:01:40+00:00"
    desk.submit(store, Judgement("one", "q0", "ann", {"choice": "a"}, created=created))
    assert not drafts.save(store, "q0", "ann", {"choice": "b"}, 99.0)
    assert drafts.save(store, "q0", "ann", {"choice": "b"}, 101.0)


def test_without_a_moment_on_the_answer_drafts_are_kept(store: Store, fill: Fill, give: Give) -> None:
    fill(1)
    give("ann")
    desk.submit(store, Judgement("one", "q0", "ann", {"choice": "a"}))
    assert drafts.save(store, "q0", "ann", {"choice": "b"}, 1.0)
