"""Ratings and flags of many people as one number for each completion."""

from __future__ import annotations

import math

import numpy as np
import pytest

from heedful.errors import Problem
from heedful.feedback.grades import flagged, flags_in, rated, thumbed
from heedful.records import Labelled, Prompt
from heedful.seeds import generator

PROMPT = Prompt.of("a question")


def mark(text: str, who: str, name: str, value: float, scale: tuple[float, float] = (1, 5)) -> Labelled:
    metadata = {"scale": list(scale), "topic": "tea"} if name.startswith("rating:") else {"topic": "tea"}
    return Labelled(PROMPT, text, name, value, (who,), (f"{who}-{text}",), metadata)


def crowd(seed: int = 0) -> tuple[list[Labelled], dict[str, dict[str, float]]]:
    """(ratings of 60 texts by six raters who use the scale differently, the true quality by aspect and text)"""
    random = generator(seed, "crowd")
    truth = {aspect: {f"t{n}": random.normal() for n in range(60)} for aspect in ("helpful", "honest")}
    bias, spread = random.uniform(-1.5, 1.5, 6), random.uniform(0.4, 2.0, 6)
    said = []
    for aspect, values in truth.items():
        for text, value in values.items():
            for rater in random.choice(6, 2, replace=False):
                given = 5 + bias[rater] + spread[rater] * (value + 0.3 * random.normal())
                said.append(mark(text, f"r{rater}", f"rating:{aspect}", float(np.clip(round(given), 0, 10)), (0, 10)))
    return said, truth


def right_pairs(found: dict[str, float], truth: dict[str, float]) -> float:
    """The share of all pairs of texts that stand in the true order."""
    names = sorted(found)
    signs = [(found[a] - found[b]) * (truth[a] - truth[b]) > 0 for i, a in enumerate(names) for b in names[i + 1 :]]
    return sum(signs) / len(signs)


def test_raters_scales_do_not_count() -> None:
    said, truth = crowd()
    by_text = {label.text: label.value for label in rated(said, {"honest": 1.0})}
    raw: dict[str, list[float]] = {}
    for label in said:
        if label.name == "rating:honest":
            raw.setdefault(label.text, []).append(label.value)
    plain = {text: float(np.mean(values)) for text, values in raw.items()}
    assert set(by_text) == set(plain)
    assert right_pairs(by_text, truth["honest"]) > right_pairs(plain, truth["honest"]) + 0.03
    assert right_pairs(by_text, truth["honest"]) >= 0.88


@pytest.mark.parametrize("weights", [{"helpful": 1.0, "honest": 2.0}, {"helpful": 3.0, "honest": -1.0}])
def test_several_objectives_are_one_score_with_the_chosen_weights(weights: dict[str, float]) -> None:
    said, _ = crowd(1)
    parts = {name: {label.text: label.value for label in rated(said, {name: 1.0})} for name in weights}
    both = {label.text: label.value for label in rated(said, weights)}
    columns = np.array([[parts[name][text] for name in weights] for text in both])
    found, *_ = np.linalg.lstsq(columns, np.array(list(both.values())), rcond=None)
    size = sum(abs(weight) for weight in weights.values())
    assert found.tolist() == pytest.approx([weight / size for weight in weights.values()], abs=1e-9)


def test_all_aspects_count_equally_when_none_is_named_and_all_must_be_there() -> None:
    said, _ = crowd(2)
    said = [label for label in said if not (label.text == "t0" and label.name == "rating:honest")]
    all_of_them = {label.text: label.value for label in rated(said)}
    assert "t0" not in all_of_them
    assert len(all_of_them) == 59
    assert all_of_them == {label.text: label.value for label in rated(said, {"honest": 0.5, "helpful": 0.5})}
    assert len(rated(said, {"helpful": 1.0})) == 60
    assert len(rated(said, {"helpful": 1.0, "honest": 0.0})) == 60, "a weight of 0 asks for nothing"


def test_who_is_behind_a_number_stays_known() -> None:
    said = [mark("x", "ann", "rating:helpful", 5), mark("x", "bob", "rating:helpful", 4), mark("y", "ann", "thumb", 1)]
    said.append(mark("z", "ann", "rating:helpful", 1))
    first, second = rated(said)
    assert (first.text, first.annotator_ids, first.judgement_ids) == ("x", ("ann", "bob"), ("ann-x", "bob-x"))
    assert first.metadata == {"topic": "tea"}
    assert first.value > second.value


def test_flags_are_the_share_of_people_who_raised_one() -> None:
    said = [
        mark("x", "ann", "flag:unsafe", 1),
        mark("x", "ann", "flag:biased", 0),
        mark("x", "bob", "flag:unsafe", 0),
        mark("x", "bob", "flag:biased", 0),
        mark("y", "ann", "flag:unsafe", 0),
        mark("y", "ann", "flag:biased", 1),
        mark("z", "bob", "rating:helpful", 1),
    ]
    assert {label.text: label.value for label in flagged(said)} == {"x": 0.5, "y": 1.0}
    assert {label.text: label.value for label in flagged(said, ["unsafe"])} == {"x": 0.5, "y": 0.0}
    assert {label.text: label.value for label in flagged(said, ["biased", "unsafe"])} == {"x": 0.5, "y": 1.0}
    first = flagged(said, ["unsafe"])[0]
    assert first.annotator_ids == ("ann", "bob")


def test_that_an_answer_was_corrected_counts_only_where_it_is_named() -> None:
    said = [mark("x", "ann", "flag:edited", 1), mark("y", "ann", "flag:unsafe", 1), mark("z", "bob", "flag:unsafe", 0)]
    assert flags_in(said) == ["unsafe"]
    assert {label.text: label.value for label in flagged(said)} == {"y": 1.0, "z": 0.0}
    assert {label.text: label.value for label in flagged(said, ["edited"])} == {"x": 1.0}


def test_thumbs_are_the_share_that_points_up() -> None:
    said = [mark("x", "ann", "thumb", 1), mark("x", "bob", "thumb", 0), mark("y", "bob", "thumb", 1)]
    said.append(mark("y", "ann", "flag:rude", 1))
    first, second = thumbed(said)
    assert (first.value, first.annotator_ids, second.value, second.annotator_ids) == (0.5, ("ann", "bob"), 1, ("bob",))


def test_names_that_nobody_used_and_weights_that_are_none_are_refused() -> None:
    said = [mark("x", "ann", "rating:helpful", 5), mark("x", "ann", "flag:unsafe", 1)]
    with pytest.raises(Problem, match="nobody has rated the aspect 'kind'"):
        rated(said, {"kind": 1.0})
    with pytest.raises(Problem, match="nobody was asked about the flag 'rude'"):
        flagged(said, ["rude"])
    for weights in ({"helpful": 0.0}, {"helpful": math.inf}):
        with pytest.raises(Problem, match="the weights are"):
            rated(said, weights)
    assert rated([]) == flagged([]) == []
