from __future__ import annotations

import numpy as np
import pytest

from heedful.errors import Problem
from heedful.feedback.traits import ENSEMBLE, FORM, HASHED, LEAST_LABELS, differences, expectations, traits
from heedful.records import Comparison, Prompt


def test_the_numbers_are_what_they_say() -> None:
    found = traits("How do I mend a Tent?", "Mend it, mend it!\n- 2 pegs")
    assert found.shape == (FORM + HASHED,)
    assert found[0] == pytest.approx(np.log1p(26))
    assert found[1] == pytest.approx(np.log1p(6))
    assert found[2] == pytest.approx(17 / 6)
    assert found[4] == pytest.approx(4 / 6)
    assert found[8] == pytest.approx(np.log(2))
    assert found[11] == pytest.approx(1 / 6)  # "mend" of how, do, i, mend, a, tent
    assert found[12] == 0
    assert np.isfinite(traits("", "")).all()


def test_words_are_counted_whatever_their_order() -> None:
    assert traits("", "b a")[FORM:] == pytest.approx(traits("", "A B")[FORM:])
    assert traits("", "a")[FORM:] != pytest.approx(traits("", "c")[FORM:])


def test_differences_change_sign_with_the_sides() -> None:
    assert differences([("p", "a", "b b")]) == pytest.approx(-differences([("p", "b b", "a")]))
    assert differences([]).shape == (0, FORM + HASHED)


def shorter_wins(count: int) -> list[Comparison]:
    return [Comparison(Prompt.of(f"p{i}"), "word " * (1 + i % 4), "word " * (9 + i % 5), 1.0) for i in range(count)]


def test_an_ensemble_learns_what_people_prefer() -> None:
    pool_ND = differences([("p", "word", "word word word word word word"), ("p", "word " * 12, "word")])
    scores_EN = expectations(shorter_wins(60), pool_ND)
    assert scores_EN.shape == (ENSEMBLE, 2)
    assert (scores_EN[:, 0] > 0).all()
    assert (scores_EN[:, 1] < 0).all()
    assert scores_EN == pytest.approx(expectations(shorter_wins(60), pool_ND))


def test_too_few_labels_expect_nothing() -> None:
    with pytest.raises(Problem, match="29 judged comparisons are too few"):
        expectations(shorter_wins(LEAST_LABELS - 1), differences([("p", "a", "b")]))
