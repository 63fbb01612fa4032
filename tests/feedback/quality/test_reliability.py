"""How sure a few votes make us, without and with what is known of the people behind them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from heedful.feedback.quality.aggregate import consensus_of
from heedful.feedback.quality.evidence import Evidence, Given
from heedful.feedback.quality.fits import fits
from heedful.feedback.quality.reading import evidence
from heedful.feedback.quality.reliability import (
    Labeller,
    Reliabilities,
    reliabilities,
    reliabilities_of,
    sureness,
)
from heedful.feedback.store import Store
from heedful.records import Judgement, Question


def votes(*answers: dict[str, Any], people: str = "abcdefgh") -> list[Given]:
    return [Given("q", who, answer, (0, 1)) for who, answer in zip(people, answers, strict=False)]


A, B, TIE, SKIP = ({"choice": choice} for choice in ("a", "b", "tie", "skip"))


def test_every_agreeing_vote_makes_it_surer_and_a_contrary_one_less_sure() -> None:
    found = [sureness(votes(*[A] * n)) for n in range(1, 6)]
    assert found == sorted(found)
    assert 0.6 < found[0] < 0.85
    assert found[4] > 0.95
    assert sureness(votes(A, B)) < 0.5  # somewhat probably alike
    assert sureness(votes(A, A, B)) < sureness(votes(A, A))
    assert sureness(votes(A, TIE)) < sureness(votes(A))
    assert sureness(votes(B, B)) == pytest.approx(sureness(votes(A, A)))
    ties = [sureness(votes(*[TIE] * n)) for n in range(2, 7)]
    assert ties == sorted(ties)
    assert ties[4] > 0.8


def test_skips_and_no_votes() -> None:
    assert sureness([]) == 0
    assert sureness(votes(SKIP)) == 0
    assert sureness(votes(A, SKIP)) == sureness(votes(A))


def test_good_annotators_settle_more_and_known_bad_ones_nothing() -> None:
    known = Reliabilities(readers={"a": (6.0, 0.0, 0.4, 0.7), "b": (0.0, 0.0, 0.4, 0.7), "c": (-4.0, 0.0, 0.4, 0.7)})
    [good, useless, adverse] = [sureness(votes(A, people=who), known) for who in "abc"]
    assert good > sureness(votes(A)) > useless
    assert useless < 0.5
    assert adverse > 0.7
    opposed = [Given("q", "a", A, (0, 1)), Given("q", "c", B, (0, 1))]
    assert sureness(opposed, known) > good  # somebody who errs always agrees by contradicting


def test_a_side_bias_is_taken_out() -> None:
    leaning = Reliabilities(readers={"a": (2.0, 1.5, 0.4, 0.7)})
    with_it, against_it = ([Given("q", "a", A, shown)] for shown in ((0, 1), (1, 0)))
    assert sureness(against_it, leaning) > sureness(with_it, leaning)


def test_judgements_of_the_store_will_do() -> None:
    assert sureness([Judgement("1", "q", "a", A, (1, 0))]) == pytest.approx(sureness(votes(A)))


def test_rankings_labels_flags_ratings_and_texts() -> None:
    same, other = {"ranks": [1, 2, 3]}, {"ranks": [3, 2, 1]}
    assert sureness(votes(same, same)) > sureness(votes(same)) > 0.6 > sureness(votes(same, other))
    up, down = {"thumb": True}, {"thumb": False}
    assert sureness(votes(up)) == pytest.approx(0.8)
    assert sureness(votes(up, up)) == pytest.approx(0.64 / 0.68)
    assert sureness(votes(up, down)) == pytest.approx(0.5)
    none: dict[str, Any] = {"flags": []}
    rude = {"flags": [{"name": "rude"}]}
    assert sureness(votes(none, none)) == pytest.approx(0.64 / 0.68)
    assert sureness(votes(none, rude)) == pytest.approx(0.5)
    rare = Reliabilities(labellers={"flag:rude": Labeller(yes=0.1)})
    assert sureness(votes(none), rare) == pytest.approx(0.72 / 0.74)
    rating = {"ratings": {"kind": 4, "true": 3}, "scale": [1, 5]}
    assert sureness(votes(rating)) < sureness(votes(rating, rating)) < 1
    noisy = Reliabilities(rating_noise={"rating:kind": 2.0})
    assert sureness(votes(rating, rating), noisy) < sureness(votes(rating, rating))
    assert sureness(votes({"text": "words"})) == 1


def test_more_than_ten_completions_keep_their_places() -> None:
    ranks = list(range(1, 13))
    assert sureness(votes(*[{"ranks": ranks}] * 5)) > 0.95


def test_what_was_learned_weighs_a_question_as_the_consensus_does(crowd_of: Callable[..., Any]) -> None:
    crowd = crowd_of(0, pairs=60, annotators=10, overlap=3)
    rows = zip(crowd.pair_V, crowd.annotator_V, crowd.outcome_V, crowd.side_V, strict=True)
    answers = [
        Given(f"q{pair}", f"p{who}", A if outcome else B, (0, 1) if side > 0 else (1, 0))
        for pair, who, outcome, side in rows
    ]
    thumbs = [Given(f"l{pair}", f"p{who}", {"thumb": who > pair % 7}) for pair in range(20) for who in range(5)]
    names = dict.fromkeys(given.question_id for given in (*answers, *thumbs))
    questions = {name: Question(name, "any", "p", (f"{name}-0", f"{name}-1")) for name in names}
    found = Evidence([*answers, *thumbs], questions)
    fitted = fits(found)
    known = reliabilities_of(fitted)
    for one in consensus_of(found, fitted):
        given = [each for each in found.answers if each.question_id == one.question_id]
        assert sureness(given, known) == pytest.approx(one.sure, abs=1e-6)
    assert set(known.readers) == {f"p{i}" for i in range(10)}


def test_from_the_store(store: Store, fill: Callable[..., Any], says: Callable[..., Any]) -> None:
    assert reliabilities(evidence(store)) == Reliabilities()
    fill(2, overlap=3)
    says("ann", "q0", choice="a")
    says("bob", "q0", choice="tie")
    found = reliabilities(evidence(store, "default"))
    assert set(found.readers) == {"ann", "bob"}
    assert found.usual_reader[2] > 0
