from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import update
from tests.web.conftest import Browser

from heedful.feedback import tables, views
from heedful.feedback.controls import Pick
from heedful.feedback.kind import Kind
from heedful.feedback.lessons import Lesson, Pair
from heedful.feedback.questions import KINDS
from heedful.feedback.steering import gold, guidelines
from heedful.feedback.steering import settings as campaigns
from heedful.feedback.steering.settings import CampaignSettings
from heedful.feedback.store import Store
from heedful.records import Completion, Message, Prompt, Question

ONE, TWO = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


def ask(store: Store, kind: str = "comparison", count: int = 3, completions: int = 2, **fields: Any) -> list[Question]:
    prompts = [Prompt.of([Message("user", f"{kind} prompt {i}")]) for i in range(count)]
    texts = [
        Completion(f"{kind}{i}-{k}", prompts[i].id, f"text {k} of {i}", f"v{k}")
        for i in range(count)
        for k in range(completions)
    ]
    questions = [
        Question(
            f"{kind}{i}",
            kind,
            prompts[i].id,
            tuple(f"{kind}{i}-{k}" for k in range(completions)),
            **{"campaign": "pilot", **fields},
        )
        for i in range(count)
    ]
    store.add_everything(prompts=prompts, completions=texts, questions=questions)
    return questions


def post(browser: Browser, path: str, body: dict[str, Any]) -> Any:
    return browser.send("POST", f"/judge/api/{path}", body)


def fetch(browser: Browser, holding: tuple[str, ...] = ()) -> Any:
    return post(browser, "next", {"campaign": "pilot", "holding": list(holding)}).json()


def hand_in(browser: Browser, task: Any, answer: dict[str, Any], as_id: str = ONE, **more: Any) -> Any:
    body = {"id": as_id, "question": task["question"], "answer": answer, "supersedes": task["supersedes"]}
    return post(browser, "submit", body | more)


def test_questions_are_fetched_ahead(store: Store, annotator: Browser) -> None:
    ask(store)
    first = fetch(annotator)["task"]
    assert fetch(annotator)["task"]["question"] == first["question"]  # after the page was loaded anew
    second = fetch(annotator, (first["question"],))["task"]
    third = fetch(annotator, (first["question"], second["question"]))["task"]
    names = [first["question"], second["question"], third["question"]]
    assert sorted(names) == ["comparison0", "comparison1", "comparison2"]
    assert fetch(annotator, tuple(names))["none"]["reason"] == "nothing_left"


def test_what_was_fetched_ahead_can_be_given_back(
    store: Store, annotator: Browser, enter: Callable[..., Browser]
) -> None:
    ask(store, count=1)
    assert fetch(annotator)["task"]
    other = enter("bob")
    assert "none" in fetch(other)
    assert post(annotator, "release", {"questions": ["comparison0"]}).json() == {"released": 1}
    assert fetch(other)["task"]["question"] == "comparison0"


@pytest.mark.parametrize("seen", [("a", "b"), ("b", "a")])
def test_an_answer_is_stored_as_it_was_meant(store: Store, annotator: Browser, seen: tuple[str, str]) -> None:
    """Whatever stands left: who prefers the text that they see as A prefers that text."""
    ask(store, count=24)  # so many that no seed puts the same side first in all of them
    for number in range(24):
        task = fetch(annotator)["task"]
        asked = task["question"].removeprefix("comparison")
        first, second = (task["html"].index(f"text {k} of {asked}") for k in range(2))
        answer = {"choice": seen[0], "strength": 2, "reason": "kinder"}
        assert hand_in(annotator, task, answer, f"{number:08d}").json()["new"] is True
        [stored] = store.judgements(ids=[f"{number:08d}"])
        zero_first = first < second
        assert stored.answer["choice"] == seen[0 if zero_first else 1]
        assert stored.shown == ((0, 1) if zero_first else (1, 0))
        assert (stored.answer["strength"], stored.answer["reason"]) == (2, "kinder")
        assert stored.created
    assert len({judgement.shown for judgement in store.judgements()}) == 2


def test_an_answer_sent_twice_is_stored_once(store: Store, annotator: Browser) -> None:
    ask(store)
    task = fetch(annotator)["task"]
    assert hand_in(annotator, task, {"choice": "tie"}, duration_s=3.5).json()["new"] is True
    again = hand_in(annotator, task, {"choice": "tie"}, duration_s=3.5)
    assert (again.status_code, again.json()["new"]) == (200, False)
    assert len(store.judgements(current=False)) == 1


def test_a_second_answer_from_another_device_is_refused_and_may_come_as_a_change(
    store: Store, annotator: Browser
) -> None:
    ask(store)
    task = fetch(annotator)["task"]
    hand_in(annotator, task, {"choice": "tie"})
    refused = hand_in(annotator, task, {"choice": "bad"}, TWO)
    assert refused.status_code == 409
    assert "answered the question already" in refused.json()["error"]["what"]
    assert hand_in(annotator, task, {"choice": "bad"}, TWO, supersedes=ONE).status_code == 200
    assert [each.answer for each in store.judgements()] == [{"choice": "bad"}]


def test_a_wrong_answer_is_refused_in_words(store: Store, annotator: Browser) -> None:
    ask(store)
    task = fetch(annotator)["task"]
    refused = hand_in(annotator, task, {"choice": "c"})
    assert refused.status_code == 400
    assert "is no choice" in refused.json()["error"]["what"]
    assert hand_in(annotator, task, {"choice": "a"}, "short").status_code == 422
    long = hand_in(annotator, task, {"choice": "a", "reason": "x" * 1_000_001})
    assert long.status_code == 400
    assert "too long" in long.json()["error"]["what"]


def test_an_answer_after_the_lease_ran_out_is_taken(store: Store, annotator: Browser) -> None:
    ask(store)
    task = fetch(annotator)["task"]
    with store.writing() as connection:
        connection.execute(update(tables.assignments).values(leased_until=1.0))
    assert hand_in(annotator, task, {"choice": "a"}).json()["new"] is True


def test_an_answer_to_what_was_given_back_unseen_is_refused(store: Store, annotator: Browser) -> None:
    ask(store)
    task = fetch(annotator)["task"]
    post(annotator, "release", {"questions": [task["question"]]})
    assert hand_in(annotator, task, {"choice": "a"}).status_code == 404
    assert hand_in(annotator, fetch(annotator)["task"], {"choice": "a"}).json()["new"] is True


def test_nobody_touches_what_was_not_given_to_them(
    store: Store, annotator: Browser, enter: Callable[..., Browser]
) -> None:
    ask(store)
    task = fetch(annotator)["task"]
    hand_in(annotator, task, {"choice": "a"})
    other = enter("bob")
    name = task["question"]
    assert other.get(f"/judge/api/task?question={name}").status_code == 404
    assert other.get(f"/judge/api/text?question={name}&place=0").status_code == 404
    assert other.get(f"/judge/api/comments?question={name}").status_code == 404
    assert hand_in(other, task, {"choice": "b"}, TWO).status_code == 404
    assert post(other, "draft", {"question": name, "answer": {}, "saved": 1}).status_code == 404
    assert post(other, "undo", {"judgement": ONE, "id": TWO}).status_code == 400
    assert post(other, "comments", {"question": name, "text": "hello"}).status_code == 404
    assert post(other, "heartbeat", {"questions": [name]}).json()["held"] == {name: False}
    assert [each.id for each in store.judgements(current=False)] == [ONE]
    assert other.get("/judge/api/history").json() == {"answers": []}


def test_a_draft_is_found_again_on_another_device(store: Store, annotator: Browser) -> None:
    ask(store, "ranking", 1, 3)
    task = fetch(annotator)["task"]
    draft = {"ranks": [None, 1, None], "reason": "so far"}
    body = {"question": task["question"], "answer": draft, "saved": 1000.0}
    assert post(annotator, "draft", body).json() == {"kept": True}
    again = fetch(annotator)["task"]
    assert (again["answer"], again["saved"]) == (draft, 1000.0)
    old = {"question": task["question"], "answer": {"ranks": [1, 1, 1]}, "saved": 999.0}
    assert post(annotator, "draft", old).json() == {"kept": False}
    hand_in(annotator, task, {"ranks": [2, 1, 3]})
    assert post(annotator, "draft", body).json() == {"kept": False}  # it came late


def test_taking_back_gives_the_question_again(store: Store, annotator: Browser) -> None:
    ask(store)
    task = fetch(annotator)["task"]
    hand_in(annotator, task, {"choice": "a", "strength": 3})
    again = post(annotator, "undo", {"judgement": ONE, "id": TWO}).json()["task"]
    assert again["question"] == task["question"]
    assert (again["answer"]["choice"], again["answer"]["strength"]) == ("a", 3)
    assert again["supersedes"] == TWO
    assert store.judgements() == []
    assert hand_in(annotator, again, {"choice": "b"}, "33333333").status_code == 200
    assert len(store.judgements()) == 1
    assert len(store.judgements(current=False)) == 3


def test_an_answer_can_be_changed(store: Store, annotator: Browser) -> None:
    ask(store, "rating", 1, 1)
    task = fetch(annotator)["task"]
    hand_in(annotator, task, {"ratings": {"helpful": 2}, "scale": [1, 5]})
    again = annotator.get(f"/judge/api/task?question={task['question']}").json()["task"]
    assert again["editing"] is True
    assert again["answer"]["ratings"] == {"helpful": 2}
    assert again["supersedes"] == ONE
    hand_in(annotator, again, {"ratings": {"helpful": 4}, "scale": [1, 5]}, TWO)
    [line] = annotator.get("/judge/api/history").json()["answers"]
    assert (line["judgement"], line["said"], line["editable"]) == (TWO, "helpful 4", True)


def test_guidelines_are_read_first_and_again_when_they_change(store: Store, annotator: Browser) -> None:
    ask(store)
    guidelines.publish(store, "pilot", "Be *kind*.")
    nothing = fetch(annotator)
    assert nothing["none"]["reason"] == "guidelines"
    assert nothing["guidelines"]["version"] == 1
    assert "<em>kind</em>" in nothing["guidelines"]["html"]
    post(annotator, "read", {"campaign": "pilot", "version": 1})
    task = fetch(annotator)["task"]
    beat = {"campaign": "pilot", "questions": [task["question"]]}
    assert post(annotator, "heartbeat", beat).json() == {"held": {task["question"]: True}}
    guidelines.publish(store, "pilot", "Be brief.")
    assert post(annotator, "heartbeat", beat).json()["guidelines"]["version"] == 2
    assert fetch(annotator)["guidelines"]["version"] == 2
    assert annotator.get("/judge/api/guidelines?campaign=pilot").json()["read"] is False
    ask(store, "label", 1, 1, campaign="other")
    assert annotator.get("/judge/api/guidelines?campaign=other").json() == {"guidelines": None, "read": True}
    assert annotator.get("/judge/api/guidelines?campaign=nothing").status_code == 404


def test_a_training_item_explains_and_gold_does_not(store: Store, annotator: Browser) -> None:
    ask(store, "label", 3, 1)
    campaigns.save_campaign(store, "pilot", "", CampaignSettings(qualification=True))
    gold.set_gold(store, "label0", "training", {"thumb": True}, "Because it is *right*.")
    gold.set_gold(store, "label1", "exam", {"thumb": True})
    task = fetch(annotator)["task"]
    assert task["training"] is True
    said = hand_in(annotator, task, {"thumb": False}).json()["training"]
    assert said["right"] is False
    assert "<em>right</em>" in said["html"]
    exam = fetch(annotator)["task"]
    assert exam["training"] is True
    outcome = hand_in(annotator, exam, {"thumb": True}, TWO).json()
    assert outcome["training"] is None
    assert outcome["standing"]["state"] == "working"


def test_texts_come_whole_and_readable(store: Store, annotator: Browser) -> None:
    prompt = Prompt.of([Message("user", "long " * 10_000)])
    completion = Completion("c", prompt.id, "x" * 50_000 + "\u202eend")
    question = Question("q", "label", prompt.id, ("c",), campaign="pilot")
    store.add_everything(prompts=[prompt], completions=[completion], questions=[question])
    assert "Show all of it" in fetch(annotator)["task"]["html"]
    whole = annotator.get("/judge/api/text?question=q&place=0").json()["text"]
    assert whole == "x" * 50_000 + "‹U+202E›end"
    assert annotator.get("/judge/api/text?question=q").json()["text"] == "long " * 10_000
    assert annotator.get("/judge/api/text?question=q&place=1").status_code == 404
    assert annotator.get("/judge/api/text?question=q&turn=1").status_code == 404


def test_a_session_says_who_it_is(annotator: Browser, client: Browser) -> None:
    assert annotator.account is not None
    assert annotator.get("/judge/api/session").json() == {"account": annotator.account.id, "csrf": annotator.csrf}
    assert client.get("/judge/api/session").status_code == 401
    assert annotator.http.post("/judge/api/next", json={}).status_code == 403  # without the session's token


def test_a_correction_is_one_demonstration_one_pair_and_one_flag(store: Store, annotator: Browser) -> None:
    ask(store, "edit", 1, 1)
    task = fetch(annotator)["task"]
    assert task["prefill"] == "text 0 of 0"
    hand_in(annotator, task, {"text": "mended"})
    assert [each.text for each in views.demonstrations(store)] == ["mended"]
    assert [(pair.a, pair.b, pair.target) for pair in views.comparisons(store)] == [("mended", "text 0 of 0", 1.0)]
    assert [(each.name, each.text) for each in views.labelled(store)] == [("flag:edited", "text 0 of 0")]


def test_aspects_stay_apart(store: Store, annotator: Browser) -> None:
    ask(store, "rating", 1, 1)
    task = fetch(annotator)["task"]
    hand_in(annotator, task, {"ratings": {"helpful": 5, "honest": 2, "harmless": 3}, "scale": [1, 5]})
    found = {each.name: (each.value, each.metadata["scale"]) for each in views.labelled(store)}
    assert found == {
        "rating:helpful": (5.0, [1, 5]),
        "rating:honest": (2.0, [1, 5]),
        "rating:harmless": (3.0, [1, 5]),
    }


def test_a_new_kind_is_one_value(store: Store, annotator: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Best of n: the chosen completion beats every other one. Nothing else knows of the kind."""

    def check(answer: Any, question: Question, _texts: Any) -> None:
        assert answer["best"] in range(len(question.completion_ids))

    def teach(answer: Any, _question: Question, texts: Any) -> list[Lesson]:
        best = texts[answer["best"]]
        return [Pair(best, text, 1.0) for text in texts if text != best]

    kind = Kind("best", (2, None), ("best",), check, teach, controls=(Pick("best", label="The best one"),))
    monkeypatch.setitem(KINDS, "best", replace(kind, title="Best of n", ask="Which one is best?"))
    ask(store, "best", 1, 3)
    task = fetch(annotator)["task"]
    assert "Which one is best?" in task["html"]
    place = (
        task["html"]
        .split('class="answer"')
        .index(next(part for part in task["html"].split('class="answer"') if "text 2 of 0" in part))
    )
    assert hand_in(annotator, task, {"best": place - 1}).json()["new"] is True
    assert store.judgements()[0].answer == {"best": 2}
    pairs = [(pair.a, pair.b, pair.target) for pair in views.comparisons(store)]
    assert pairs == [("text 2 of 0", "text 0 of 0", 1.0), ("text 2 of 0", "text 1 of 0", 1.0)]
