from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from heedful.errors import Problem
from heedful.feedback import lineage, listing
from heedful.feedback.listing import LAST, Page, SnapshotLine
from heedful.feedback.store import Store
from heedful.records import Judgement, Question

Fill = Callable[..., list[Question]]
Says = Callable[..., Judgement]


def walk(read: Callable[..., Page[Any]], limit: int, **chosen: Any) -> list[list[str]]:
    """The ids of every page, one page after the other."""
    pages, after = [], 0
    while True:
        page = read(after=after, limit=limit, **chosen)
        pages.append([record.id for record in page.items])
        if page.after is None:
            return pages
        after = page.after


def test_pages_follow_one_another_to_the_end(store: Store, fill: Fill) -> None:
    fill(5)
    read: dict[str, Callable[..., Page[Any]]] = {
        "prompts": lambda **named: listing.prompts(store, **named),
        "completions": lambda **named: listing.completions(store, **named),
        "questions": lambda **named: listing.questions(store, **named),
    }
    assert walk(read["questions"], 2) == [["q0", "q1"], ["q2", "q3"], ["q4"]]
    assert walk(read["questions"], 5) == [["q0", "q1", "q2", "q3", "q4"]]
    assert walk(read["prompts"], 3) == [["q0-prompt", "q1-prompt", "q2-prompt"], ["q3-prompt", "q4-prompt"]]
    assert walk(read["completions"], 2, prompt_id="q3-prompt") == [["q3-0", "q3-1"]]
    assert walk(read["completions"], 2, policy="v9") == [[]]


def test_records_come_whole(store: Store, fill: Fill, says: Says) -> None:
    questions = fill(2)
    said = says("ann", "q0", choice="a", strength=2)
    assert listing.questions(store).items == tuple(questions)
    assert listing.prompts(store).items == tuple(store.prompts())
    assert listing.completions(store).items == tuple(store.completions())
    assert listing.judgements(store).items == (said,)


def test_questions_of_a_campaign_kind_and_purpose(store: Store, fill: Fill) -> None:
    fill(1, campaign="one")
    fill(1, name="r", kind="rating", completions=1, campaign="two", purpose="evaluate")
    assert [q.id for q in listing.questions(store, campaign="two").items] == ["r0"]
    assert [q.id for q in listing.questions(store, kind="comparison").items] == ["q0"]
    assert [q.id for q in listing.questions(store, purpose="evaluate").items] == ["r0"]
    assert listing.questions(store, campaign="one", kind="rating").items == ()


def test_judgements_that_hold_or_every_event(store: Store, fill: Fill, says: Says) -> None:
    fill(3, campaign="one")
    first = says("ann", "q0", choice="a")
    says("ann", "q0", as_id="better", choice="b", supersedes=first.id)
    says("bob", "q1", choice="a")
    says("bob", "q1", as_id="gone", withdrawn=True, supersedes="bob-q1")
    says("cem", "q2", choice="tie")
    lineage.retract(store, "cem")

    def read(**named: Any) -> Page[Judgement]:
        return listing.judgements(store, **named)

    assert walk(read, 10) == [["better"]]
    assert walk(read, 10, current=False) == [["ann-q0", "better", "bob-q1", "gone", "cem-q2"]]
    assert walk(read, 10, current=False, annotator_id="bob") == [["bob-q1", "gone"]]
    assert walk(read, 10, question_id="q0") == [["better"]]
    assert walk(read, 10, campaign="two") == [[]]
    assert {judgement.id for judgement in store.judgements()} == {"better"}


def test_snapshots_with_their_sizes(store: Store, fill: Fill, says: Says) -> None:
    fill(2)
    says("ann", "q0", choice="a")
    says("ann", "q1", choice="b")
    small, large = lineage.snapshot(store, ["ann-q0"]), lineage.snapshot(store, ["ann-q0", "ann-q1"])
    assert listing.snapshots(store).items == (SnapshotLine(small.hash, 1), SnapshotLine(large.hash, 2))
    assert listing.snapshots(store, limit=1).after is not None


@pytest.mark.parametrize("wrong", [{"after": -1}, {"after": LAST + 1}, {"limit": 0}, {"limit": 10**9}])
def test_what_is_out_of_range_is_refused(store: Store, wrong: dict[str, int]) -> None:
    with pytest.raises(Problem):
        listing.prompts(store, **wrong)
