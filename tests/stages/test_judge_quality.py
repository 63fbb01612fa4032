"""What a judge's stored answers say about the judge: all numbers by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from scipy import stats

from heedful.feedback.store import Store
from heedful.records import Annotator, Completion, Judgement, Prompt, Question
from heedful.stages.judge_quality import against_truth, measured, tell
from heedful.stages.model_judging import judge_campaign
from heedful.stages.project import Project, ProjectSettings

SAID = [(0.9, 0.3), (0.7, 0.6), (0.2, 0.4), (0.8, 0.2)]
"""(P(a) with a first, P(b) with b first): a by 0.8, a by 0.55, b by 0.4, a by 0.8; in the second the order decided, and
in the third, where the second place won twice."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Four comparisons of long and short texts, one of each prompt; nobody has answered."""
    made = Project(tmp_path, ProjectSettings()).store
    prompts = [Prompt(f"p{i}", f"question {i}") for i in range(4)]
    texts = [Completion(f"c{i}{side}", f"p{i}", f"{side} {i}" + "!" * (side == "a")) for i in range(4) for side in "ab"]
    asked = [Question(f"q{i}", "comparison", f"p{i}", (f"c{i}a", f"c{i}b"), "round") for i in range(4)]
    made.add_everything(prompts=prompts, completions=texts, questions=asked)
    return made


def planted(prompts: Sequence[Prompt], first: Sequence[str], _second: Sequence[str]) -> list[float]:
    """Says what `SAID` says."""
    return [SAID[int(prompt.id[1:])][text.startswith("b")] for prompt, text in zip(prompts, first, strict=True)]


def vote(store: Store, *choices: str) -> None:
    store.add_annotators([Annotator("ada")])
    store.submit_many(Judgement(f"j{i}", f"q{i}", "ada", {"choice": choice}) for i, choice in enumerate(choices))


def test_bias_order_and_agreement_are_those_by_hand(store: Store) -> None:
    assert judge_campaign(store, "round", planted, "robot") == 4
    vote(store, "a", "b", "b", "tie")
    found = measured(store, ["round"], "robot")
    assert found is not None
    assert found.comparisons == 4
    bias = [0.1, 0.15, -0.2, 0.0]
    mean, error = sum(bias) / 4, stats.sem(bias)
    assert found.bias.value == pytest.approx(mean)
    low, high = stats.t.interval(0.95, 3, mean, error)
    assert (found.bias.low, found.bias.high) == pytest.approx((low, high))
    assert found.turned.value == 0.5
    assert found.agreement is not None
    assert found.agreement.accuracy.value == pytest.approx(2 / 3), "right about the first and the third"
    assert (found.agreement.pairs, found.agreement.undecided) == (3, 1)
    assert found.agreement.length_baseline is not None
    assert found.agreement.length_baseline.value == pytest.approx(1 / 3), "a is longer, and better once"


def test_models_are_no_people(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    judge_campaign(store, "round", planted, "robot")
    judge_campaign(store, "round", lambda prompts, *_: [0.7] * len(prompts), "other robot")
    found = measured(store, ["round"], "robot")
    assert found is not None
    assert found.agreement is None
    other = measured(store, ["round"], "other robot")
    assert other is not None
    assert other.bias.value == pytest.approx(0.2)
    assert other.turned.value == 1
    tell(other)
    said = capsys.readouterr().out
    assert "+20.0 points" in said
    assert "100.0 %" in said
    assert "nothing says yet" in said


def test_who_said_nothing_is_not_measured(store: Store) -> None:
    vote(store, "a")
    assert measured(store, ["round"], "robot") is None
    assert measured(store, ["round"], "ada") is None, "a person is not asked in both orders"
    tell(None)


def test_against_the_true_score(store: Store) -> None:
    judge_campaign(store, "round", planted, "robot")
    truth = {"a 0!": 1.0, "b 1": 1.0, "a 3!": 2.0, "b 3": 1.0}
    found = against_truth(store, "round", "robot", lambda _, text: truth.get(text, 0.0))
    assert found is not None
    assert found.accuracy.value == pytest.approx(2 / 3)
    assert found.undecided == 1, "both answers to the third are worth the same"
    assert against_truth(store, "round", "robot", lambda *_: 0.0) is None
