from __future__ import annotations

from collections.abc import Callable

from tests.web.conftest import Browser

from heedful.feedback.campaigns import claim
from heedful.feedback.steering import comments
from heedful.feedback.store import Store
from heedful.records import Prompt, Question


def ask(store: Store, *people: Browser) -> None:
    prompt = Prompt.of("Write something.")
    store.add_everything(prompts=[prompt], questions=[Question("q", "demonstration", prompt.id, overlap=9)])
    for person in people:
        assert claim(store, person.annotator_id) is not None


def test_a_thread_between_an_annotator_and_the_people_in_charge(
    store: Store, annotator: Browser, owner: Browser, enter: Callable[..., Browser]
) -> None:
    other = enter("bob")
    ask(store, annotator, owner, other)
    sent = annotator.send("POST", "/judge/api/comments", {"question": "q", "text": "Is *this* meant?"})
    assert [(each["mine"], each["author"]) for each in sent.json()["comments"]] == [(True, "Anna")]
    assert "<em>this</em>" in sent.json()["comments"][0]["html"]
    other.send("POST", "/judge/api/comments", {"question": "q", "text": "I choose B."})
    assert owner.account is not None
    comments.add(store, "q", owner.account.id, "Yes.")

    def seen(person: Browser) -> list[str]:
        found = person.get("/judge/api/comments?question=q").json()["comments"]
        return [each["html"].strip() for each in found]

    assert seen(annotator) == ["<p>Is <em>this</em> meant?</p>", "<p>Yes.</p>"]
    assert seen(other) == ["<p>I choose B.</p>", "<p>Yes.</p>"]
    assert len(seen(owner)) == 3
    third = enter("cem")
    assert claim(store, third.annotator_id) is not None
    assert seen(third) == [], "a reply to somebody else may tell the answer"


def test_an_empty_remark_is_refused(store: Store, annotator: Browser) -> None:
    ask(store, annotator)
    assert annotator.send("POST", "/judge/api/comments", {"question": "q", "text": ""}).status_code == 422
    assert annotator.send("POST", "/judge/api/comments", {"question": "q", "text": "  "}).status_code == 400
