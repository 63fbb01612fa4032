from __future__ import annotations

import pytest

from heedful.errors import Problem
from heedful.feedback.steering import chats
from heedful.feedback.store import Store
from heedful.records import Annotator


def test_sides_are_drawn_for_each_conversation(store: Store) -> None:
    store.add_annotators([Annotator("ann")])
    drawn = [chats.open_chat(store, "ann", "arena", ("v1", "v2")).policies for _ in range(60)]
    assert 12 < sum(sides == ("v1", "v2") for sides in drawn) < 48  # 30 expected, standard deviation 3.9
    assert set(drawn) == {("v1", "v2"), ("v2", "v1")}


def test_a_conversation_is_its_owners_alone(store: Store) -> None:
    store.add_annotators([Annotator("ann"), Annotator("bob")])
    mine = [chats.open_chat(store, "ann", "arena", ("v1", "v2"), now=1000.0 + i) for i in range(2)]
    assert chats.chats_of(store, "ann") == mine[::-1]  # the newest first
    assert chats.chats_of(store, "bob") == []
    assert chats.chat(store, mine[0].id, "ann") == mine[0]
    with pytest.raises(Problem, match="you have no conversation"):
        chats.close(store, mine[0].id, "bob")
    assert chats.close(store, mine[0].id, "ann", now=2000.0).state == "closed"
    assert chats.close(store, mine[0].id, "ann", now=3000.0).updated == 2000.0  # once is enough
