"""One consensus for every kind of question, read from the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from heedful.feedback.oracle import SimulatedAnnotator, answer_all
from heedful.feedback.quality.aggregate import Consensus, consensus
from heedful.feedback.quality.annotators import profile
from heedful.feedback.steering.gold import set_gold
from heedful.feedback.store import Store
from heedful.records import Completion, Judgement, Prompt, Question
from heedful.seeds import generator

Fill = Callable[..., list[Question]]
Says = Callable[..., Judgement]


def only(found: list[Consensus]) -> Consensus:
    [one] = found
    return one


def test_a_comparison(store: Store, fill: Fill, says: Says) -> None:
    fill(1, overlap=3)
    says("ann", "q0", choice="b")
    says("bob", "q0", choice="b", strength=3)
    says("cem", "q0", choice="skip")
    found = only(consensus(store, "default"))
    assert (found.question_id, found.form, found.votes) == ("q0", "comparison", 2)
    assert set(found.probabilities) == {"a", "tie", "b"}
    assert found.probabilities["b"] == found.sure > 0.8
    assert sum(found.probabilities.values()) == pytest.approx(1)


def test_a_comparison_that_everybody_calls_a_tie(store: Store, fill: Fill, says: Says) -> None:
    fill(1, overlap=3)
    for person in ("ann", "bob", "cem"):
        says(person, "q0", choice="tie")
    found = only(consensus(store))
    assert found.probabilities["tie"] == found.sure > 0.5
    assert found.probabilities["a"] == pytest.approx(found.probabilities["b"])


def test_a_ranking(store: Store, fill: Fill, says: Says) -> None:
    fill(1, kind="ranking", completions=3, overlap=3)
    for person in ("ann", "bob", "cem"):
        says(person, "q0", ranks=[2, 1, 3])
    found = only(consensus(store))
    shares = found.probabilities
    assert shares["1"] > shares["0"] > shares["2"]
    assert sum(shares.values()) == pytest.approx(1)
    assert found.sure > 0.8


def test_questions_on_the_same_two_completions_share_their_votes(store: Store, fill: Fill, says: Says) -> None:
    [first] = fill(1, overlap=3)
    turned = Question("turned", "comparison", first.prompt_id, first.completion_ids[::-1])
    store.add_questions([turned])
    says("ann", "q0", choice="a")
    says("bob", "turned", choice="b")
    one, other = consensus(store)
    assert one.probabilities["a"] == pytest.approx(other.probabilities["b"])
    assert one.probabilities["a"] > 0.8
    assert (one.votes, other.votes) == (1, 1)


def test_labels_and_flags(store: Store, fill: Fill, says: Says) -> None:
    fill(1, kind="label", completions=1, overlap=3)
    fill(1, kind="flags", completions=1, name="f", overlap=3, metadata={"flags": ["rude", "unsafe"]})
    for person in ("ann", "bob", "cem"):
        says(person, "q0", thumb=True)
        says(person, "f0", flags=[{"name": "rude"}])
    label, flags = consensus(store)
    assert label.probabilities["up"] > 0.9
    assert flags.probabilities["rude"] > 0.9 > 0.1 > flags.probabilities["unsafe"]
    assert flags.sure == min(flags.probabilities["rude"], 1 - flags.probabilities["unsafe"])


def test_ratings(store: Store, fill: Fill, says: Says) -> None:
    fill(2, kind="rating", completions=1, overlap=3)
    for person, high, low in (("ann", 5, 3), ("bob", 3, 1), ("cem", 4, 2)):
        says(person, "q0", ratings={"kind": high}, scale=[1, 5])
        says(person, "q1", ratings={"kind": low}, scale=[1, 5])
    better, worse = consensus(store)
    assert better.estimates["kind"].mean > worse.estimates["kind"].mean
    assert better.estimates["kind"].low < better.estimates["kind"].mean < better.estimates["kind"].high
    assert better.probabilities == {}
    assert 0 < better.sure < 1


def test_texts_have_no_consensus_and_gold_items_are_as_known(store: Store, fill: Fill, says: Says) -> None:
    fill(1, kind="critique", completions=1, overlap=3)
    fill(1, name="g", purpose="evaluate", overlap=3)
    set_gold(store, "g0", "gold", {"choice": "b"})
    says("ann", "q0", text="too long")
    says("ann", "g0", choice="a")
    found = only(consensus(store))
    assert found.probabilities == pytest.approx({"a": 0.0, "tie": 0.0, "b": 1.0})
    assert found.sure == pytest.approx(1)


def test_without_answers_there_is_none(store: Store, fill: Fill) -> None:
    fill(2)
    assert consensus(store) == []


def test_simulated_annotators_of_whom_three_in_ten_are_bad(store: Store, auc: Callable[..., float]) -> None:
    """From questions over display orders and the store to consensus and profiles; against the majority of votes."""
    random = generator(0, "aggregate")
    quality = {f"c{i}": float(value) for i, value in enumerate(random.normal(size=500))}
    prompts = [Prompt(f"p{i}", text=f"prompt {i}") for i in range(250)]
    texts = [Completion(f"c{i}", f"p{i // 2}", f"c{i}") for i in range(500)]
    questions = [
        Question(f"q{i}", "comparison", f"p{i}", (f"c{2 * i}", f"c{2 * i + 1}"), overlap=5) for i in range(250)
    ]
    store.add_everything(prompts=prompts, completions=texts, questions=questions)
    likes = {"quality": 1.0}
    crowd = [SimulatedAnnotator(f"good{i}", likes, temperature=0.4) for i in range(14)]
    crowd += [SimulatedAnnotator(f"bad-spam{i}", likes, spam=True) for i in range(2)]
    crowd += [SimulatedAnnotator(f"bad-left{i}", likes, side_bias=9.0) for i in range(2)]
    crowd += [SimulatedAnnotator(f"bad-adverse{i}", {"quality": -1.0}, temperature=0.4) for i in range(2)]
    answer_all(store, crowd, lambda _, text: {"quality": quality[text]}, seed=1)

    def truth(question_id: str) -> bool:
        number = int(question_id[1:])
        return quality[f"c{2 * number}"] > quality[f"c{2 * number + 1}"]

    found = consensus(store)
    ours = sum((one.probabilities["a"] > one.probabilities["b"]) == truth(one.question_id) for one in found) / 250
    counts: dict[str, int] = {}
    for judgement in store.judgements():
        step = {"a": 1, "b": -1}[judgement.answer["choice"]]
        counts[judgement.question_id] = counts.get(judgement.question_id, 0) + step
    majority = sum((count > 0) == truth(name) for name, count in counts.items()) / 250
    assert ours >= majority + 0.04
    people = profile(store)
    skill: Any = [one.skill for one in people]
    bad = np.array([one.annotator_id.startswith("bad") for one in people])
    assert auc(-np.array(skill), bad) >= 0.95
    left = {one.annotator_id: one for one in people if "left" in one.annotator_id}
    for one in left.values():
        assert one.left_share is not None
        assert one.left_p is not None
        assert one.left_share > 0.9
        assert one.left_p < 1e-6
