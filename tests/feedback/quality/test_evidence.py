from __future__ import annotations

import pytest

from heedful.feedback.quality.evidence import PairVote, flags_of, form_of, numbered, pair_votes_of


@pytest.mark.parametrize(
    ("answer", "form"),
    [
        ({"choice": "tie"}, "comparison"),
        ({"choice": "skip"}, "skip"),
        ({"ranks": [1, 2]}, "ranking"),
        ({"thumb": False}, "label"),
        ({"flags": []}, "flags"),
        ({"ratings": {"good": 1}, "scale": [1, 5]}, "rating"),
        ({"text": "x"}, "text"),
    ],
)
def test_an_answer_s_form_is_told_by_its_fields(answer: dict[str, object], form: str) -> None:
    assert form_of(answer) == form


def test_verdicts_are_turned_to_the_order_of_the_ids() -> None:
    answer = {"choice": "a"}
    assert pair_votes_of(answer, ("c1", "c2"), (0, 1)) == [PairVote("c1", "c2", 1, 1)]
    assert pair_votes_of(answer, ("c2", "c1"), (0, 1)) == [PairVote("c1", "c2", 0, -1)]
    assert pair_votes_of(answer, ("c2", "c1"), (1, 0)) == [PairVote("c1", "c2", 0, 1)]
    assert pair_votes_of({"choice": "bad"}, ("c2", "c1"), ()) == [PairVote("c1", "c2", 0.5, 0)]
    assert pair_votes_of({"choice": "b"}, (), (1, 0)) == [PairVote("0", "1", 0, -1)]


def test_a_ranking_is_all_its_pairs() -> None:
    found = pair_votes_of({"ranks": [2, 1, 2]}, ("x", "y", "z"), (2, 0, 1))
    assert found == [PairVote("x", "y", 0, 1), PairVote("x", "z", 0.5, -1), PairVote("y", "z", 1, -1)]


def test_flags_and_numbers() -> None:
    assert flags_of({"flags": [{"name": "x"}, {"name": "x", "start": 0, "end": 1}, {"name": "y"}]}) == {"x", "y"}
    assert numbered(["b", "a", "b"]) == {"b": 0, "a": 1}
