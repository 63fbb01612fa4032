from __future__ import annotations

from heedful.feedback.quality.evidence import Given
from heedful.feedback.quality.pace import LONGEST_S, skimming_s, too_fast


def test_skimming_takes_a_second_for_a_hundred_characters_within_bounds() -> None:
    assert skimming_s(0) == 1
    assert skimming_s(600) == 6
    assert skimming_s(1_000_000) == LONGEST_S


def test_answers_sooner_than_that_are_too_fast_and_those_without_a_time_do_not_count() -> None:
    times = (0.5, 5.9, 6.1, None)
    answers = [Given("q", "ann", {"choice": "a"}, (0, 1), "", seconds) for seconds in times]
    assert too_fast(answers, {"q": 600}) == [True, True, False]
    assert too_fast(answers, {}) == [True, False, False]
