from __future__ import annotations

from collections.abc import Callable

import pytest

from heedful.feedback import lineage
from heedful.feedback.duels import Duel, duels
from heedful.feedback.store import Store
from heedful.records import Annotator, Completion, Judgement, Prompt, Question


@pytest.fixture
def versions(store: Store) -> None:
    """q0: v0 against v1, q1: v1 against v0, same: v0 against itself, learn: for training."""
    store.add_everything(
        prompts=[Prompt("p", text="prompt")],
        completions=[
            Completion("old", "p", "four", "v0"),
            Completion("older", "p", "five!", "v0"),
            Completion("new", "p", "x", "v1"),
        ],
        annotators=[Annotator(name) for name in ("ann", "bob", "cem")],
        questions=[
            Question("q0", "comparison", "p", ("old", "new"), purpose="evaluate", overlap=3),
            Question("q1", "comparison", "p", ("new", "old"), purpose="evaluate"),
            Question("same", "comparison", "p", ("old", "older"), purpose="evaluate"),
            Question("learn", "comparison", "p", ("old", "new")),
        ],
    )


@pytest.mark.usefixtures("versions")
def test_votes_between_versions_are_read_with_their_lengths(store: Store, says: Callable[..., Judgement]) -> None:
    says("ann", "q0", choice="a")
    says("bob", "q0", choice="bad")
    says("cem", "q0", choice="skip")
    says("ann", "q1", choice="b")
    says("ann", "same", choice="b")
    says("ann", "learn", choice="b")
    assert duels(store) == [
        Duel("v0", "v1", 1.0, "ann", "p", 4, 1),
        Duel("v0", "v1", 0.5, "bob", "p", 4, 1),
        Duel("v1", "v0", 0.0, "ann", "p", 1, 4),
    ]


@pytest.mark.usefixtures("versions")
def test_only_votes_that_hold_count(store: Store, says: Callable[..., Judgement]) -> None:
    says("ann", "q0", choice="a")
    says("ann", "q0", as_id="changed", supersedes="ann-q0", choice="b")
    says("bob", "q0", choice="a")
    says("bob", "q0", as_id="undone", supersedes="bob-q0", withdrawn=True)
    says("cem", "q0", choice="a")
    lineage.retract(store, "cem")
    assert [(duel.annotator, duel.outcome) for duel in duels(store)] == [("ann", 0.0)]
