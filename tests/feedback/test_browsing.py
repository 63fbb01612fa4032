from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import insert

from heedful.feedback import lineage
from heedful.feedback.browsing import Search, disagreement, dossier, search
from heedful.feedback.steering.gold import set_gold
from heedful.feedback.steering_tables import comments
from heedful.feedback.store import Store
from heedful.records import Judgement, Message, Prompt, Question

Fill = Callable[..., list[Question]]
Says = Callable[..., Judgement]


def ids(store: Store, **wanted: str) -> list[str]:
    return [found.question.id for found in search(store, Search(**wanted))[0]]  # type: ignore[arg-type]


def test_the_newest_come_first_and_pages_follow_each_other(store: Store, fill: Fill) -> None:
    fill(5)
    first, total = search(store, Search(), limit=2)
    assert ([found.question.id for found in first], total) == (["q4", "q3"], 5)
    second, _ = search(store, Search(), offset=2, limit=2)
    assert [found.question.id for found in second] == ["q2", "q1"]
    assert search(store, Search(campaign="nowhere")) == ([], 0)


def test_campaign_kind_purpose_and_version_narrow_it(store: Store, fill: Fill) -> None:
    fill(1, campaign="one")
    fill(1, name="e", campaign="two", purpose="evaluate")
    fill(1, name="d", campaign="two", kind="demonstration", completions=0)
    assert ids(store, campaign="one") == ["q0"]
    assert ids(store, kind="demonstration") == ["d0"]
    assert ids(store, purpose="evaluate") == ["e0"]
    assert ids(store, policy="v0") == ["e0", "q0"]
    assert ids(store, policy="v1") == []


def test_text_is_found_in_prompts_completions_turns_and_ids(store: Store, fill: Fill) -> None:
    fill(2)
    store.add_prompts([Prompt("talk", messages=(Message("user", "Wie geht's, Jürgen?"),))])
    store.add_questions([Question("turns", "demonstration", "talk")])
    assert ids(store, text="Q1 PROMPT") == ["q1"]
    assert ids(store, text="q0 text 1") == ["q0"]
    assert ids(store, text="geht's, Jürgen") == ["turns"]
    assert ids(store, text="q1") == ["q1"]
    assert ids(store, text="%") == []


def test_marks_in_answers_are_found(store: Store, fill: Fill, says: Says) -> None:
    fill(5, overlap=3)
    fill(1, name="f", kind="flags", completions=1)
    for person, choice in (("ann", "a"), ("bob", "b"), ("cem", "tie")):
        says(person, "q0", choice=choice)
        says(person, "q1", choice="a" if person != "cem" else "b")
        says(person, "q2", choice="a", **({"strength": 2} if person == "ann" else {}))
    says("ann", "q3", choice="bad")
    says("bob", "q3", choice="skip")
    says("ann", "f0", flags=[{"name": "unsafe"}])
    assert ids(store, mark="disagreement") == ["q0", "q1"]
    assert ids(store, mark="bad") == ["q3"]
    assert ids(store, mark="skipped") == ["q3"]
    assert ids(store, mark="flagged") == ["f0"]
    assert ids(store, mark="unanswered") == ["q4"]
    [found] = search(store, Search(text="q1"))[0]
    assert found.given == 3
    assert found.disagreement == pytest.approx(2 / 3)


def test_an_answer_taken_back_or_retracted_bears_no_mark(store: Store, fill: Fill, says: Says) -> None:
    fill(2, overlap=2)
    says("ann", "q0", choice="bad")
    says("bob", "q1", choice="bad")
    says("ann", "q0", as_id="undone", supersedes="ann-q0", withdrawn=True)
    lineage.retract(store, "bob")
    assert ids(store, mark="bad") == []


def test_gold_and_commented_questions_are_found(store: Store, fill: Fill) -> None:
    fill(3)
    set_gold(store, "q0", "gold", {"choice": "a"})
    set_gold(store, "q1", "exam", {"choice": "a"})
    with store.writing() as connection:
        said = {"id": "c1", "question_id": "q2", "author": "account-1", "text": "Why?", "created": ""}
        connection.execute(insert(comments).values(**said))
    assert [ids(store, mark=mark) for mark in ("gold", "exam", "training", "commented")] == [["q0"], ["q1"], [], ["q2"]]
    [found] = search(store, Search(mark="gold"))[0]
    assert (found.gold, found.comments) == ("gold", 0)
    [talked] = search(store, Search(mark="commented"))[0]
    assert (talked.gold, talked.comments) == ("", 1)


def test_a_dossier_tells_every_event_and_whether_it_counts(store: Store, fill: Fill, says: Says) -> None:
    fill(1, overlap=3)
    says("ann", "q0", choice="a")
    says("ann", "q0", as_id="second", supersedes="ann-q0", choice="b")
    says("bob", "q0", choice="a")
    says("bob", "q0", as_id="gone", supersedes="bob-q0", withdrawn=True)
    says("cem", "q0", choice="tie")
    lineage.retract(store, "cem")
    found = dossier(store, "q0")
    assert found is not None
    assert found.prompt.text == "q0 prompt"
    assert [completion.text for completion in found.completions] == ["q0 text 0", "q0 text 1"]
    assert [(event.judgement.id, event.fate) for event in found.events] == [
        ("ann-q0", "superseded"),
        ("second", "holds"),
        ("bob-q0", "superseded"),
        ("gone", "withdrawn"),
        ("cem-q0", "retracted"),
    ]
    assert [event.annotator.id for event in found.events] == ["ann", "ann", "bob", "bob", "cem"]
    assert dossier(store, "q9") is None


def test_disagreement_compares_verdicts_and_not_reasons_or_free_texts() -> None:
    a, b = {"choice": "a", "reason": "shorter"}, {"choice": "a", "strength": 3}
    assert disagreement([a, b]) == 0
    assert disagreement([a, {"choice": "b"}]) == 1
    assert disagreement([a, {"choice": "skip"}]) is None
    assert disagreement([{"text": "one"}, {"text": "two"}]) is None
    assert disagreement([{"flags": [{"name": "x", "start": 0, "end": 2}]}, {"flags": [{"name": "x"}]}]) == 0
    assert disagreement([{"ranks": [1, 2]}, {"ranks": [2, 1]}]) == 1
