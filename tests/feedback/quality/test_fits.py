from __future__ import annotations

import pytest

from heedful.feedback.quality.evidence import Evidence, Given
from heedful.feedback.quality.fits import fits, labels_of, offered_flags
from heedful.records import Question


def asked(answers: list[Given], known: dict[str, dict[str, object]] | None = None, **metadata: object) -> Evidence:
    names = dict.fromkeys(given.question_id for given in answers)
    questions = {name: Question(name, "any", "p", (f"{name}-0", f"{name}-1"), metadata=metadata) for name in names}
    return Evidence(answers, questions, known=known or {})


def test_every_form_gets_its_model_and_skips_and_texts_none() -> None:
    answers = [
        Given("c", "ann", {"choice": "a"}, (0, 1)),
        Given("c", "bob", {"choice": "skip"}, (0, 1)),
        Given("r", "ann", {"ranks": [2, 1]}, (1, 0)),
        Given("l", "ann", {"thumb": True}),
        Given("f", "ann", {"flags": [{"name": "unsafe"}]}),
        Given("g", "ann", {"ratings": {"kind": 4, "true": 2}, "scale": [1, 5]}),
        Given("t", "ann", {"text": "words"}),
    ]
    found = fits(asked(answers))
    assert found.pairs is not None
    votes, _ = found.pairs
    assert list(votes.items) == [("c-0", "c-1"), ("r-0", "r-1")]
    assert votes.value_V.tolist() == [1, 0]
    assert votes.side_V.tolist() == [1, -1]
    assert votes.answer_V.tolist() == [0, 2]
    assert set(found.labels) == {"thumb", "flag:unsafe"}
    assert set(found.ratings) == {"rating:kind", "rating:true"}
    assert not votes.shared_V.any()


def test_comparisons_without_completions_are_pairs_of_their_own() -> None:
    answers = [Given(name, "ann", {"choice": "a"}, (0, 1)) for name in ("c", "d")]
    found = fits(Evidence(answers, {name: Question(name, "clips", "p") for name in ("c", "d")}))
    assert found.pairs is not None
    assert list(found.pairs[0].items) == [("c 0", "c 1"), ("d 0", "d 1")]


def test_nothing_asked_is_nothing_fitted() -> None:
    found = fits(Evidence([], {}))
    assert (found.pairs, found.labels, found.ratings, found.known_items) == (None, {}, {}, frozenset())


def test_flags_that_were_offered_and_not_raised_are_a_no() -> None:
    answers = [Given("f", "ann", {"flags": []}), Given("f", "bob", {"flags": [{"name": "rude"}]})]
    assert offered_flags(asked(answers, flags=["rude", "unsafe"])) == {"f": ("rude", "unsafe")}
    assert offered_flags(asked(answers)) == {"f": ("rude",)}
    assert labels_of({"flags": [{"name": "new"}]}, ("rude",)) == {"flag:rude": False, "flag:new": True}
    found = fits(asked(answers, flags=["rude", "unsafe"]))
    votes, _ = found.labels["flag:unsafe"]
    assert votes.value_V.tolist() == [0, 0]


def test_gold_items_of_every_form_are_known() -> None:
    answers = [
        Given("c", "ann", {"choice": "a"}, (0, 1)),
        Given("t", "ann", {"choice": "a"}, (0, 1)),
        Given("l", "ann", {"thumb": True}),
        Given("f", "ann", {"flags": []}),
    ]
    known: dict[str, dict[str, object]] = {
        "c": {"choice": "b"},
        "t": {"choice": "tie"},
        "l": {"thumb": False},
        "f": {"flags": [{"name": "unsafe"}]},
        "unanswered": {"choice": "a"},
    }
    found = fits(asked(answers, known))
    assert found.known_items == {("c-0", "c-1"), ("thumb", "l"), ("flag:unsafe", "f")}
    assert found.pairs is not None
    assert found.pairs[1].target_N[0] == pytest.approx(0)
    assert found.labels["thumb"][1].posterior_NC[0, 0] == 1
