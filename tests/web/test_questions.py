from __future__ import annotations

import re
from typing import Any

import pytest

from heedful.feedback import lineage
from heedful.feedback.browsing import Search, search
from heedful.feedback.steering import comments, gold
from heedful.feedback.store import Store
from heedful.records import Completion, Judgement, Message, Model, Prompt, Question


@pytest.fixture
def asked(store: Store, annotator: Any, reviewer: Any) -> str:
    """A comparison with two answers, one of them changed."""
    store.add_everything(
        prompts=[Prompt("p", messages=(Message("user", "Why is *grass* green?"),))],
        completions=[
            Completion("c0", "p", "Because of <b>chlorophyll</b>.", "v0"),
            Completion("c1", "p", "**Nobody** knows.", "v1"),
        ],
        questions=[Question("q", "comparison", "p", ("c0", "c1"), campaign="one", overlap=2)],
    )
    store.submit(Judgement("j0", "q", annotator.annotator_id, {"choice": "b"}, shown=(1, 0)))
    said = {"choice": "a", "strength": 3, "reason": "it is <i>true</i>"}
    created = "2026-05-01T12:00:00+00:00"
    store.submit(Judgement("j1", "q", annotator.annotator_id, said, (1, 0), created, 12.5, supersedes="j0"))
    store.submit(Judgement("j2", "q", reviewer.annotator_id, {"choice": "tie"}))
    return "/questions/q"


def listed(page: str) -> list[str]:
    return re.findall(r'href="/questions/([^"?]+)"', page)


def test_nothing_to_list_is_said(owner: Any, reviewer: Any) -> None:
    assert "There is no question yet" in owner.get("/questions").text
    assert "An owner adds them" in reviewer.get("/questions").text


@pytest.mark.usefixtures("asked")
def test_questions_are_found_by_what_was_shown_and_said(owner: Any, store: Store) -> None:
    store.add_prompts([Prompt("other", text="Tents or huts?")])
    store.add_questions([Question("q2", "demonstration", "other", campaign="two")])
    assert listed(owner.get("/questions").text) == ["q2", "q"]
    for query in ("campaign=one", "kind=comparison", "mark=disagreement", "text=chlorophyll", "text=GRASS", "text=q"):
        assert listed(owner.get(f"/questions?{query}").text) == ["q"], query
    assert listed(owner.get("/questions?mark=unanswered").text) == ["q2"]
    none = owner.get("/questions?text=volcano&campaign=one")
    assert listed(none.text) == []
    assert "Nothing matches" in none.text
    assert owner.get("/questions?mark=nonsense").status_code == 200


def test_long_lists_have_pages_that_keep_the_filters(owner: Any, store: Store) -> None:
    store.add_prompts([Prompt("p", text="?")])
    store.add_questions(Question(f"q{i:02}", "demonstration", "p", campaign="a&b") for i in range(30))
    first = owner.get("/questions?campaign=a%26b")
    assert len(listed(first.text)) == 25
    assert "30 questions match" in first.text
    [older] = re.findall(r'href="(/questions\?[^"]+page=2[^"]*)"', first.text)
    assert listed(owner.get(older.replace("&amp;", "&")).text) == [f"q{i:02}" for i in (4, 3, 2, 1, 0)]
    assert owner.get("/questions?page=99").status_code == 200


def test_one_question_tells_everything(owner: Any, asked: str, annotator: Any) -> None:
    page = owner.get(asked).text
    assert "<em>grass</em>" in page
    assert "&lt;b&gt;chlorophyll&lt;/b&gt;" in page
    assert "<strong>Nobody</strong>" in page
    assert "A much better" in page
    assert "it is &lt;i&gt;true&lt;/i&gt;" in page
    assert "changed later" in page
    assert "12.5" in page
    assert f'href="/dashboard/annotators/{annotator.annotator_id}"' in page
    assert "Together they say" in page
    assert "No model was trained on an answer" in page


def test_what_its_answers_shaped_is_drawn(owner: Any, store: Store, asked: str) -> None:
    taken = lineage.snapshot(store, ["j1"]).hash
    store.add_model(Model("v0", "policy", "policies/v0"))
    store.add_model(Model("r1", "reward", "rewards/r1", snapshot=taken))
    store.add_model(Model("v1", "policy", "policies/v1", parent="v0", reward="r1"))
    store.add_model(Model("v9", "policy", "policies/v9"))
    page = owner.get(asked).text
    assert '<a href="/models/r1">r1</a>, <a href="/models/v1">v1</a> come' in page
    assert page.count("box-policy marked") == 2  # v1, on two drawings
    assert "box-policy apart" in page


def test_a_thread_is_written_and_read(owner: Any, reviewer: Any, asked: str, store: Store) -> None:
    sent = reviewer.post(f"{asked}/comments", {"text": "Is <b>this</b> fair?"})
    assert sent.status_code == 303
    page = owner.get(asked).text
    assert "Is &lt;b&gt;this&lt;/b&gt; fair?" in page
    assert "Rita" in page
    assert [one.text for one in comments.of(store, "q")] == ["Is <b>this</b> fair?"]
    assert owner.post(f"{asked}/comments", {"text": " "}).status_code == 400


def test_an_owner_gives_the_right_answer_in_the_questions_own_form(owner: Any, store: Store) -> None:
    store.add_everything(
        prompts=[Prompt("p", text="?")],
        completions=[Completion("c0", "p", "yes"), Completion("c1", "p", "no")],
        questions=[Question("q", "comparison", "p", ("c0", "c1"), campaign="one")],
    )
    page = owner.get("/questions/q").text
    assert "B is much better" in page
    form = {"use": "training", "choice": '{"choice": "b", "strength": 3}', "explanation": "It *is* no."}
    assert owner.post("/questions/q/gold", form).status_code == 303
    [item] = gold.gold_of(store, "one")
    assert (item.use, item.answer, item.explanation) == ("training", {"choice": "b", "strength": 3}, "It *is* no.")
    assert store.questions(ids=["q"])[0].purpose == "evaluate"
    page = owner.get("/questions/q").text
    assert "training item" in page
    assert 'value="{&#34;choice&#34;: &#34;b&#34;, &#34;strength&#34;: 3}" checked' in page
    assert owner.post("/questions/q/gold", {"use": "none"}).status_code == 303
    assert gold.gold_of(store, "one") == []


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"use": "gold"}, "is no choice"),
        ({"choice": '{"choice": "a"}'}, "not said what the question is for"),
        ({"use": "gold", "choice": '{"choice": "a"}'}, "answered this question for training"),
    ],
)
def test_what_is_no_right_answer_is_refused(owner: Any, asked: str, form: dict[str, str], words: str) -> None:
    answer = owner.post(f"{asked}/gold", form)
    assert answer.status_code == 400
    assert words in answer.text


def test_a_reviewer_talks_and_gives_no_right_answers(reviewer: Any, asked: str) -> None:
    page = reviewer.get(asked).text
    assert f'action="{asked}/comments"' in page
    assert f'action="{asked}/gold"' not in page


def test_a_question_that_is_not_there_is_not_found(owner: Any) -> None:
    assert owner.get("/questions/nothing").status_code == 404
    assert owner.post("/questions/nothing/gold", {"use": "gold"}).status_code == 404


def test_every_kind_of_question_has_a_page(lively: Any) -> None:
    kinds = set()
    for campaign in ("which-explains-better", "rate-and-mend", "evaluate-v2"):
        for found in search(lively.store, Search(campaign=campaign), limit=60)[0]:
            if found.question.kind not in kinds:
                kinds.add(found.question.kind)
                assert lively.owner.get(f"/questions/{found.question.id}").status_code == 200
    assert kinds == {"comparison", "ranking", "rating", "flags", "edit", "critique"}
