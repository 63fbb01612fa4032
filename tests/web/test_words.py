from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from heedful.feedback.browsing import MARKS
from heedful.web.words import answer_words, mark_words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"choice": "a", "strength": 3}, "A much better"),
        ({"choice": "b"}, "B better"),
        ({"choice": "tie"}, "a tie"),
        ({"choice": "bad"}, "both are bad"),
        ({"choice": "skip", "reason": "x"}, "skipped"),
        ({"withdrawn": True}, "took the answer back"),
        ({"ranks": [2, 1, 2]}, "B 1, A 2, C 2"),
        ({"ratings": {"helpful": 4}, "scale": [1, 5]}, "helpful 4"),
        ({"thumb": False}, "thumb down"),
        ({"flags": []}, "no flag"),
        ({"flags": [{"name": "rude"}, {"name": "rude", "start": 0, "end": 2}, {"name": "x"}]}, "rude, x"),
        ({"text": "Mended."}, "Mended."),
        ({"best": 2}, '{"best": 2}'),
    ],
)
def test_answers_in_words(answer: Mapping[str, Any], words: str) -> None:
    assert answer_words(answer) == words


def test_long_texts_are_cut() -> None:
    assert len(answer_words({"text": "x" * 5000})) == 401


def test_every_mark_has_words() -> None:
    assert [mark for mark in MARKS if mark_words(mark) == mark] == []
    assert mark_words("new") == "new"
