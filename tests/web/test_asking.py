from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from heedful.feedback.steering.settings import CampaignSettings, save_campaign
from heedful.feedback.store import Store
from heedful.records import Completion, Model, Prompt

HERE = "/campaigns/one/questions"


@pytest.fixture(autouse=True)
def campaign(store: Store) -> None:
    save_campaign(store, "one", "First", CampaignSettings(overlap=2))


@pytest.fixture
def written(store: Store) -> None:
    store.add_prompts(Prompt(f"p{i}", text=f"prompt {i}") for i in range(3))
    store.add_completions(
        Completion(f"{version}-{i}", f"p{i}", f"{version} wrote {i}", version)
        for version in ("v0", "v1")
        for i in range(3)
    )
    for version in ("v0", "v1"):
        store.add_model(Model(version, "policy", f"policies/{version}"))


def lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.usefixtures("written")
def test_stored_completions_become_questions(owner: Any, store: Store) -> None:
    assert "A rematch of two versions" in owner.get(HERE).text
    form = {"how": "stored", "kind": "comparison", "budget": "2", "purpose": "train"}
    sent = owner.post(HERE, form)
    assert sent.status_code == 303
    assert "2 questions were added of 3 possible ones." in owner.get(sent.headers["location"]).text
    found = store.questions("one")
    assert {(q.kind, q.purpose, q.overlap, q.selection) for q in found} == {("comparison", "train", 2, "random")}
    again = owner.post(HERE, form).headers["location"]
    assert "nothing was added" in owner.get(again).text
    assert len(store.questions("one")) == 2


@pytest.mark.usefixtures("written")
def test_what_a_kind_needs_comes_with_its_questions(owner: Any, store: Store) -> None:
    rating = {
        "kind": "rating",
        "aspects": "clear,  kind , clear",
        "scale_low": "0",
        "scale_high": "7",
        "ask": "How clear?",
    }
    owner.post(HERE, {"how": "stored", "policies": "v1", **rating})
    [first, *_] = store.questions("one", kind="rating")
    assert first.metadata == {"ask": "How clear?", "aspects": ["clear", "kind"], "scale": [0, 7]}
    assert len(store.questions("one", kind="rating")) == 3
    owner.post(HERE, {"how": "stored", "kind": "flags", "flags": "rude, wrong"})
    assert store.questions("one", kind="flags")[0].metadata == {"flags": ["rude", "wrong"]}


@pytest.mark.usefixtures("written")
def test_a_rematch_is_asked_for_evaluation(owner: Any, store: Store) -> None:
    owner.post(HERE, {"how": "rematch", "version_a": "v1", "version_b": "v0", "budget": "200"})
    found = store.questions("one")
    assert [(q.purpose, q.completion_ids) for q in found] == [("evaluate", (f"v1-{i}", f"v0-{i}")) for i in range(3)]


@pytest.mark.parametrize(
    ("rows", "kind", "shown"),
    [
        ([{"prompt": "Why?"}, {"prompt": "How?"}], "demonstration", 0),
        ([{"prompt": "Why?", "completion": "So."}, {"prompt": "Why?", "completion": "Because."}], "comparison", 2),
        ([{"prompt": "Why?", "chosen": "So.", "rejected": "Because."}], "comparison", 2),
        ([{"prompt": "Why?", "completion": "So."}], "edit", 1),
        ([{"prompt": "Why?", "completions": ["So.", "Because."]}], "comparison", 2),
        ([{"prompt": "Why?", "completions": ["So.", "Because.", "No."], "votes": []}], "ranking", 3),
    ],
)
def test_files_of_prompts_and_completions_become_questions(
    owner: Any, store: Store, rows: list[dict[str, Any]], kind: str, shown: int
) -> None:
    sent = owner.post(HERE, {"how": "file", "kind": kind, "budget": "50", "text": lines(*rows)})
    assert sent.status_code == 303, sent.text
    found = store.questions("one")
    assert {(q.kind, len(q.completion_ids), q.overlap) for q in found} == {(kind, shown, 2)}
    assert store.judgements() == []


def test_questions_that_stand_in_a_file_are_asked_as_they_are(owner: Any, store: Store) -> None:
    row = {"prompt": "Why?", "a": "So.", "b": "Because.", "votes": [], "topic": "x"}
    content = gzip.compress(lines(row).encode())
    sent = owner.post(HERE, {"how": "file", "kind": "ranking"}, files={"file": ("asked.jsonl.gz", content)})
    assert sent.status_code == 303
    [question] = store.questions("one")
    assert (question.kind, question.overlap, question.metadata) == ("comparison", 2, {"topic": "x"})


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"how": "file"}, "There is no file"),
        ({"how": "file", "text": "{"}, "pasted.jsonl, line 1"),
        ({"how": "file", "text": '{"prompt": "Why?"}', "kind": "comparison"}, "no prompt has 2 different completions"),
        ({"how": "stored", "kind": "comparison"}, "no prompt has 2 different completions"),
        ({"how": "stored", "kind": "demonstration", "budget": "many"}, "no whole number"),
        ({"how": "stored", "kind": "riddle"}, "no kind of question"),
        ({"how": "rematch", "version_a": "v0", "version_b": "v0"}, "with itself"),
    ],
)
def test_what_cannot_be_asked_is_said_and_nothing_is_lost(
    owner: Any, store: Store, form: dict[str, str], words: str
) -> None:
    answer = owner.post(HERE, {"ask": "My own words?", **form})
    assert answer.status_code == 400
    assert words.lower() in answer.text.lower()
    assert "My own words?" in answer.text
    assert store.questions("one") == []
