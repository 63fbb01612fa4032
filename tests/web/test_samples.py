from __future__ import annotations

from heedful.feedback.questions import KINDS
from heedful.feedback.steering.settings import campaign
from heedful.feedback.store import Store
from heedful.web import samples


def test_samples_are_of_every_kind_and_never_trained_on(store: Store) -> None:
    count = samples.add(store)
    questions = store.questions(campaign=samples.CAMPAIGN)
    assert count == len(questions) == samples.EACH * len(KINDS)
    assert {question.purpose for question in questions} == {"evaluate"}
    assert [question.kind for question in questions[: len(KINDS)]] == list(KINDS), "the kinds take turns"
    for question in questions:
        texts = [completion.text for completion in store.completions(question.completion_ids)]
        assert len(set(texts)) == len(texts)


def test_adding_them_twice_adds_them_once(store: Store) -> None:
    samples.add(store)
    assert samples.add(store) == 0
    assert campaign(store, samples.CAMPAIGN).title == "Sample questions"
