"""Alpha by every distance against evalica, its interval against a direct jackknife and against repeated samples."""

import evalica
import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # pandas ships no types
import pytest

from heedful.errors import Problem
from heedful.evaluation.coincidences import Distance, alpha_interval
from heedful.seeds import generator

Long = tuple[list[str], list[str], list[float]]


def long(answers_AU: np.ndarray) -> Long:
    """Items, annotators and values of a table with annotators as rows and NaN for gaps."""
    rows = [(f"q{u}", f"p{a}", float(v)) for (a, u), v in np.ndenumerate(answers_AU) if not np.isnan(v)]
    items, people, values = zip(*rows, strict=True)
    return list(items), list(people), list(values)


def sample(random: np.random.Generator, annotators: int, items: int, gaps: float = 0.3) -> np.ndarray:
    """Numbers 1 to 5 with annotators of different care."""
    truth = random.integers(1, 6, size=items)
    care = random.uniform(0.1, 0.9, size=(annotators, 1))
    guess = random.integers(1, 6, size=(annotators, items))
    answers = np.where(random.random((annotators, items)) < care, truth, guess).astype(float)
    answers[random.random((annotators, items)) < gaps] = np.nan
    return answers


@pytest.mark.parametrize("distance", ["nominal", "ordinal", "interval"])
def test_alpha_is_evalicas(distance: Distance) -> None:
    answers = sample(generator(0, "alpha"), 6, 40)
    answers[:, 0] = answers[:, 1] = np.nan
    answers[2, 1] = 3.0  # an answer that no other joins says nothing
    expected = evalica.alpha(pd.DataFrame(answers), distance=distance).alpha
    assert alpha_interval(*long(answers), distance).value == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("distance", ["nominal", "ordinal", "interval"])
def test_the_interval_is_the_jackknife_done_by_hand(distance: Distance) -> None:
    answers = sample(generator(1, "alpha"), 6, 15, gaps=0.4)
    answers[:, (~np.isnan(answers)).sum(axis=0) < 2] = np.nan
    said = ~np.isnan(answers)

    def variance(groups: list[np.ndarray]) -> float:
        tables = [pd.DataFrame(np.where(group, np.nan, answers)) for group in groups]
        left = np.array([evalica.alpha(table, distance=distance).alpha for table in tables])
        return float((len(left) - 1) / len(left) * ((left - left.mean()) ** 2).sum())

    items = variance([(np.arange(15) == u) & said for u in np.flatnonzero(said.any(axis=0))])
    people = variance([(np.arange(6) == a)[:, None] & said for a in range(6)])
    single = variance([np.arange(90).reshape(6, 15) == place for place in np.flatnonzero(said)])
    found = alpha_interval(*long(answers), distance, confidence=0.95)
    t = 2.570582  # of 5 degrees of freedom
    assert found.value - found.low == pytest.approx(t * np.sqrt(max(items, people, single, items + people - single)))


def test_the_interval_covers_what_more_people_and_questions_would_give() -> None:
    """Nominal 95 %; the wanted value is that of a very large sample of the same kind of people and questions."""
    truth = alpha_interval(*long(sample(generator(2, "alpha"), 300, 400, gaps=0.9))).value
    covered = 0
    for seed in range(120):
        found = alpha_interval(*long(sample(generator(3, "alpha", seed), 12, 60, gaps=0.6)))
        covered += found.low < truth < found.high
    assert 0.90 <= covered / 120 <= 1.0


def test_two_people_are_taken_as_they_are() -> None:
    items, people, values = ["q", "q", "r", "r", "s", "s"], ["a", "b"] * 3, ["x", "x", "y", "y", "x", "y"]
    found = alpha_interval(items, people, values)
    assert found.low < found.value < found.high <= 1


def test_one_shared_question_sets_no_bound_below() -> None:
    found = alpha_interval(["q", "q"], ["a", "b"], ["x", "y"])
    assert found.low == -np.inf


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(Problem, match="overlap"):
        alpha_interval(["q", "r"], ["a", "a"], ["x", "x"])
    with pytest.raises(Problem, match="numbers"):
        alpha_interval(["q", "q"], ["a", "b"], ["x", "y"], "ordinal")
    with pytest.raises(Problem, match="length"):
        alpha_interval(["q", "q"], ["a"], ["x", "y"])
