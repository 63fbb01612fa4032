"""Reward models from single completions: ratings by regression, flags by logistic regression."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.stages.conftest import write_model

from heedful.compute.local import LocalCompute
from heedful.evaluation.roc import area_under_roc
from heedful.language.heads import ScalarModel
from heedful.language.pretrained import LanguageModel, load
from heedful.learning.schedules import constant
from heedful.records import Labelled, Prompt
from heedful.reward.candidates import fit_candidates
from heedful.reward.completions import score_completions
from heedful.reward.grading import Grade, encode_grades, logistic, squared
from heedful.runs import Run
from heedful.seeds import generator

PROMPT = Prompt.of("a b")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return load(write_model(tmp_path_factory.mktemp("model") / "tiny"))


def texts(count: int, seed: int) -> list[str]:
    random = generator(seed, "texts")
    return [" ".join(random.choice(list("abcdez"), 6, p=[0.18] * 5 + [0.1])) for _ in range(count)]


def trained(model: LanguageModel, labels: list[Labelled], kind: str, folder: Path) -> ScalarModel:
    reward, compute = ScalarModel(model, seed=0), LocalCompute(micro_batch=16)
    compute.prepare([(reward.parameters(), 1e-2)])
    loss = squared if kind == "ratings" else logistic
    run, grades = Run.open(folder, "reward", {}), encode_grades(reward, labels)
    fit_candidates(reward, grades, loss, compute, run, epochs=6, per_step=32, seed=0, schedule=constant)
    return reward


def test_losses_by_hand() -> None:
    scores_NK = torch.tensor([[1.0], [-2.0], [0.0]])
    mask_NK = torch.ones(3, 1, dtype=torch.bool)
    grades = [Grade([], 2.0, 1.0), Grade([], -2.0, 5.0), Grade([], 1.0, 4.0)]
    total, count, _ = squared(scores_NK, mask_NK, grades)
    assert (float(total), float(count)) == pytest.approx((0.5 * 1 + 0 + 4 * 0.5, 10))
    flags = [Grade([], 1.0, 1.0), Grade([], 0.0, 2.0), Grade([], 0.5, 3.0)]
    total, count, metrics = logistic(scores_NK, mask_NK, flags)
    wanted = math.log(1 + math.exp(-1)) + 2 * math.log(1 + math.exp(-2)) + 3 * math.log(2)
    assert (float(total), float(count)) == pytest.approx((wanted, 6))
    assert [int(part) for part in metrics["accuracy"]] == [2, 2], "who is of two minds is not right or wrong"


def test_ratings_are_foreseen_on_new_completions(model: LanguageModel, tmp_path: Path) -> None:
    def labels(seed: int) -> list[Labelled]:
        return [Labelled(PROMPT, text, "rated", text.count("e") - 1.0, ("ann",)) for text in texts(300, seed)]

    reward = trained(model, labels(1), "ratings", tmp_path)
    unseen = labels(2)
    scores = score_completions(reward, [PROMPT] * len(unseen), [label.text for label in unseen]).numpy()
    assert np.corrcoef(scores, [label.value for label in unseen])[0, 1] > 0.9


def test_a_flagged_behaviour_is_told_from_others(model: LanguageModel, tmp_path: Path) -> None:
    """People flag the letter z, one in ten of them by mistake; the score is the log-odds that they do."""
    random = generator(3, "slips")

    def labels(seed: int) -> list[Labelled]:
        found = []
        for text in texts(400, seed):
            shown = ("z" in text) != (random.random() < 0.1)
            found.append(Labelled(PROMPT, text, "flagged", float(shown), ("ann",)))
        return found

    reward = trained(model, labels(1), "flags", tmp_path)
    unseen = texts(300, 2)
    scores = score_completions(reward, [PROMPT] * len(unseen), unseen)
    truly = np.array(["z" in text for text in unseen])
    assert area_under_roc(scores.numpy(), truly, unseen).low >= 0.9
    probability = torch.sigmoid(scores).numpy()
    assert probability[truly].mean() == pytest.approx(0.9, abs=0.12)
    assert probability[~truly].mean() == pytest.approx(0.1, abs=0.12)
