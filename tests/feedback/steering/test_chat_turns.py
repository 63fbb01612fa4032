from __future__ import annotations

from collections.abc import Callable

import pytest

from heedful.errors import Problem
from heedful.feedback.campaigns import progress
from heedful.feedback.steering import chat_turns, chats, desk, ledger
from heedful.feedback.steering.chat_turns import Reply
from heedful.feedback.steering.chats import Chat
from heedful.feedback.store import Store
from heedful.feedback.views import comparisons
from heedful.records import Annotator, Judgement, Message

NOON = 1_000_000.0


@pytest.fixture
def talk(store: Store) -> Chat:
    store.add_annotators([Annotator("ann"), Annotator("bob")])
    return chats.open_chat(store, "ann", "arena", ("v1", "v2"), now=NOON)


def said(chat: Chat, *words: str) -> tuple[Reply, Reply]:
    return Reply(words[0], (1, 2), (-0.5, -0.25), {"temperature": 0.7}, "stop"), Reply(words[1])


def vote(store: Store, chat: Chat, choice: str, as_id: str = "one", **more: object) -> Chat:
    assert chat.pending is not None
    judgement = Judgement(as_id, chat.pending, "ann", {"choice": choice})
    return chat_turns.vote(store, chat.id, judgement, now=NOON, **more)  # type: ignore[arg-type]  # go_on_with


def test_a_conversation_goes_on_with_what_was_chosen(store: Store, talk: Chat) -> None:
    turn = chat_turns.add_turn(store, talk.id, "ann", "Hello", said(talk, "Hi!", "What?"), now=NOON)
    assert turn.assignment.shown == (0, 1)
    assert turn.prompt.messages == (Message("user", "Hello"),)
    left, right = store.completions(turn.assignment.question.completion_ids)
    assert (left.policy, right.policy) == talk.policies
    assert (left.text, left.token_ids, left.logprobs, left.sampling) == (
        "Hi!",
        (1, 2),
        (-0.5, -0.25),
        {"temperature": 0.7},
    )
    chat = vote(store, turn.chat, "b")
    assert chat.messages == (Message("user", "Hello"), Message("assistant", "What?"))
    assert chat.pending is None
    again = chat_turns.add_turn(store, talk.id, "ann", "Hello!!", said(talk, "A", "B"), now=NOON)
    assert again.prompt.messages == (*chat.messages, Message("user", "Hello!!"))
    chat = vote(store, again.chat, "tie", "two", go_on_with=1)
    assert chat.messages[-1] == Message("assistant", "B")
    pairs = comparisons(store, campaigns="arena")
    assert [(pair.a, pair.b, pair.target) for pair in pairs] == [("Hi!", "What?", 0.0), ("A", "B", 0.5)]
    assert chats.chats_of(store, "ann") == [chat]
    assert chats.close(store, talk.id, "ann").state == "closed"


def test_a_turn_waits_for_its_vote(store: Store, talk: Chat) -> None:
    assert chat_turns.pending_turn(store, talk.id, "ann") is None
    turn = chat_turns.add_turn(store, talk.id, "ann", "Hello", said(talk, "Hi!", "What?"), now=NOON)
    with pytest.raises(Problem, match="waits for your vote"):
        chat_turns.add_turn(store, talk.id, "ann", "Hello?", said(talk, "Hi!", "What?"))
    waiting = chat_turns.pending_turn(store, talk.id, "ann")
    assert waiting == turn
    with pytest.raises(Problem, match="no such turn"):
        chat_turns.vote(store, talk.id, Judgement("x", "other", "ann", {"choice": "a"}))


def test_a_vote_sent_twice_counts_once(store: Store, talk: Chat) -> None:
    turn = chat_turns.add_turn(store, talk.id, "ann", "Hello", said(talk, "Hi!", "What?"), now=NOON)
    first = vote(store, turn.chat, "a")
    assert vote(store, turn.chat, "a") == first
    assert len(store.judgements()) == 1
    assert [line.count for line in ledger.totals(store)] == [1]


def test_a_bad_vote_leaves_the_turn_waiting(store: Store, talk: Chat) -> None:
    turn = chat_turns.add_turn(store, talk.id, "ann", "Hello", said(talk, "Hi!", "What?"), now=NOON)
    with pytest.raises(Problem):
        vote(store, turn.chat, "c")
    assert chats.chat(store, talk.id, "ann").pending == turn.assignment.question.id


def test_nobody_else_is_asked_and_the_desk_leaves_it_to_the_chat(store: Store, talk: Chat) -> None:
    chat_turns.add_turn(store, talk.id, "ann", "Hello", said(talk, "Hi!", "What?"), now=NOON)
    for person in ("ann", "bob"):
        found = desk.next_task(store, person, "arena", now=NOON)
        assert isinstance(found, desk.NoTask)
    later = desk.next_task(store, "bob", "arena", now=NOON + 100 * 86_400)
    assert isinstance(later, desk.NoTask)
    assert progress(store, "arena").wanted == 0
    chats.close(store, talk.id, "ann")
    with pytest.raises(Problem, match="closed"):
        chat_turns.add_turn(store, talk.id, "ann", "Hello?", said(talk, "Hi!", "What?"))


def test_nobody_votes_or_changes_a_vote_once_the_versions_may_be_known(store: Store, talk: Chat) -> None:
    first = chat_turns.add_turn(store, talk.id, "ann", "Hello", said(talk, "A", "B"), now=NOON).assignment.question.id
    vote(store, chats.chat(store, talk.id, "ann"), "a")
    second = chat_turns.add_turn(store, talk.id, "ann", "And?", said(talk, "C", "D"), now=NOON).assignment.question.id
    chats.close(store, talk.id, "ann", now=NOON)
    for late in (
        Judgement("two", second, "ann", {"choice": "b"}),
        Judgement("three", first, "ann", {"choice": "b"}, supersedes="one"),
    ):
        with pytest.raises(Problem, match="the conversation is closed"):
            desk.submit(store, late, now=NOON)
    with pytest.raises(Problem, match="the conversation is closed"):
        desk.undo(store, "ann", "one", "four", now=NOON)
    assert not desk.submit(store, Judgement("one", first, "ann", {"choice": "a"}, (0, 1)), now=NOON).new
    assert not desk.keep(store, "ann", second, now=NOON)  # and no money is kept back for it
    assert [each.id for each in store.judgements()] == ["one"]


def test_conversations_are_ones_own(store: Store, talk: Chat) -> None:
    for attempt in (
        lambda: chats.chat(store, talk.id, "bob"),
        lambda: chats.close(store, talk.id, "bob"),
        lambda: chat_turns.pending_turn(store, talk.id, "bob"),
        lambda: chat_turns.add_turn(store, talk.id, "bob", "Hello", said(talk, "Hi!", "What?")),
    ):
        with pytest.raises(Problem, match="you have no conversation"):
            attempt()
    with pytest.raises(Problem, match='no annotator "eve"'):
        chats.open_chat(store, "eve", "arena", ("v1", "v2"))
    with pytest.raises(Problem, match="nothing to answer"):
        chat_turns.add_turn(store, talk.id, "ann", "  ", said(talk, "Hi!", "What?"))


def test_two_conversations_may_say_the_same(store: Store, talk: Chat) -> None:
    other = chats.open_chat(store, "bob", "arena", ("v1", "v2"), now=NOON)
    first = chat_turns.add_turn(store, talk.id, "ann", "Hello", said(talk, "Hi!", "What?"), now=NOON)
    second = chat_turns.add_turn(store, other.id, "bob", "Hello", said(other, "Hi!", "What?"), now=NOON)
    assert first.prompt == second.prompt
    assert first.assignment.question.id != second.assignment.question.id


def test_who_gets_no_work_in_the_campaign_does_not_talk_there(
    store: Store, talk: Chat, rule: Callable[..., None]
) -> None:
    rule("arena", budget=1.0, prices={"comparison": 0.6})
    turn = chat_turns.add_turn(store, talk.id, "ann", "Hello", said(talk, "Hi!", "What?"), now=NOON)
    vote(store, turn.chat, "a")
    with pytest.raises(Problem, match="budget is used up"):
        chat_turns.add_turn(store, talk.id, "ann", "Hello?", said(talk, "Hi!", "What?"), now=NOON)
    for settings, what in (
        ({"qualification": True}, "Pass the qualification"),
        ({"who": ("bob",)}, "not invited"),
        ({"deadline": "1970-01-02"}, "deadline has passed"),
    ):
        rule("arena", **settings)
        with pytest.raises(Problem, match=what):
            chats.open_chat(store, "ann", "arena", ("v1", "v2"), now=NOON)
