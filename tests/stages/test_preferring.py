"""Between the store and the new version: own samples are written once, margins only where asked, nothing is no data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from heedful.errors import Problem
from heedful.language.engines.local import LocalSampler
from heedful.language.pretrained import LanguageModel, load
from heedful.language.sampling import Sampling
from heedful.learning.direct import DPO, KTO
from heedful.records import Comparison, Demonstration, Labelled, Prompt
from heedful.runs import Run
from heedful.stages.preferences import Preferences
from heedful.stages.preferring import Examples, Training, learn_marks, learn_pairs

PROMPTS = [Prompt.of(f"{a} {b}") for a in "abcd" for b in "efgh"]
NONE = Preferences([], [], [])
TRAINING = Training(epochs=1, per_step=4, learning_rate=1e-3)


@pytest.fixture
def model(tiny_model: Path) -> LanguageModel:
    return load(tiny_model)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    begun = Run.open(tmp_path / "runs", "prefer", {})
    begun.note(inputs={"policy": "v0"})
    return begun


@pytest.fixture
def examples() -> Callable[[Preferences, Preferences], Examples]:
    def make(training: Preferences, aside: Preferences) -> Examples:
        return Examples(
            training,
            aside,
            holdout_by="prompt",
            skip_overlong=False,
            margins=False,
            sampling=Sampling(max_new_tokens=4),
            bad_flags=(),
            seed=0,
        )

    return make


def test_own_samples_are_written_once(
    model: LanguageModel, run: Run, examples: Callable[..., Examples], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = [Demonstration(prompt, "x y z") for prompt in PROMPTS]
    some = examples(Preferences([], [], shown[:12]), Preferences([], [], shown[12:]))
    calls: list[int] = []
    sample = LocalSampler.sample

    def counted(self: LocalSampler, prompts: Any, *rest: Any) -> Any:
        calls.append(len(prompts))
        return sample(self, prompts, *rest)

    monkeypatch.setattr(LocalSampler, "sample", counted)
    first = learn_pairs(TRAINING, run, model, model.frozen_copy(), some, DPO())
    assert calls == [12, 4]
    assert first["pairs"] == 12
    learn_pairs(TRAINING, run, model, model.frozen_copy(), some, DPO())
    assert calls == [12, 4], "a resumed run reads them"


def test_margins_are_asked_for_only_where_they_are_wanted(
    model: LanguageModel, run: Run, examples: Callable[..., Examples], tmp_path: Path
) -> None:
    """At the first step the policy is its reference, so the loss is log 2, or log(1 + e) with a margin of 1."""
    rows = [Comparison(prompt, "x y", "z", 1.0, margin=1.0) for prompt in PROMPTS]
    some = examples(Preferences(rows[:12], [], []), Preferences(rows[12:], [], []))
    slow = replace(TRAINING, learning_rate=1e-9)
    plain = learn_pairs(slow, run, model, model.frozen_copy(), some, DPO())
    other = Run.open(tmp_path / "other", "prefer", {})
    asked = learn_pairs(slow, other, model, model.frozen_copy(), replace(some, margins=True), DPO())
    assert plain["last"]["loss"] == pytest.approx(0.6931, abs=1e-3)
    assert asked["last"]["loss"] == pytest.approx(1.3133, abs=1e-3)


def test_without_answers_on_both_sides_nothing_is_trained(
    model: LanguageModel, run: Run, examples: Callable[..., Examples]
) -> None:
    pairs = Preferences([Comparison(PROMPTS[0], "x", "y", 1.0)], [], [])
    marks = Preferences([], [Labelled(PROMPTS[0], "x", "thumb", 1.0, judgement_ids=("j",))], [])
    with pytest.raises(Problem, match="no comparisons are left to examine with"):
        learn_pairs(TRAINING, run, model, model, examples(pairs, NONE), DPO())
    with pytest.raises(Problem, match="no comparisons are left to learn from"):
        learn_pairs(TRAINING, run, model, model, examples(NONE, pairs), DPO())
    with pytest.raises(Problem, match="no labelled completions are left to examine with"):
        learn_marks(TRAINING, run, model, model, examples(marks, NONE), KTO())
