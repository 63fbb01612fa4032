from __future__ import annotations

import math

import pytest

from heedful.errors import Problem
from heedful.evaluation.diversity import self_bleu


def test_equal_texts_are_1_and_strangers_0() -> None:
    assert self_bleu(["a b c d e"] * 3) == pytest.approx(1)
    assert self_bleu(["a b c d", "e f g h"]) == pytest.approx(0, abs=0.01)


def test_by_hand() -> None:
    """Words 4/5, pairs 3/4, triples 2/3, fours 1/2, no brevity penalty; both ways alike."""
    expected = math.exp(sum(map(math.log, (4 / 5, 3 / 4, 2 / 3, 1 / 2))) / 4)
    assert self_bleu(["a b c d e", "a b c d f"]) == pytest.approx(expected)


def test_the_best_of_the_others_counts() -> None:
    """The third text is the first again: each of these two scores 1, and the second as in a pair."""
    pair = self_bleu(["a b c d e", "a b c d f"])
    assert self_bleu(["a b c d e", "a b c d f", "a b c d e"]) == pytest.approx((1 + pair + 1) / 3)


def test_one_text_is_refused() -> None:
    with pytest.raises(Problem, match="with each other"):
        self_bleu(["a"])
