"""Questions chosen by what the reward models doubt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from heedful.errors import Problem
from heedful.settings import FILE, load
from heedful.stages import collect, doubts, judge, reward
from heedful.stages.asking import pairs_within_prompts
from heedful.stages.project import Project
from heedful.stages.versions import load_reward

Make = Callable[[str], Path]


def settings(kind: Any, folder: Path, **given: Any) -> Any:
    return replace(load(kind, folder / FILE, kind.__module__.rpartition(".")[2], project=folder), threads=1, **given)


def test_questions_are_chosen_by_what_two_reward_models_doubt(make_project: Make) -> None:
    folder = make_project("project")
    with pytest.raises(Problem, match="2 or more reward models, and the project has 0"):
        collect.run(settings(collect.Config, folder, selection="disagreement", questions=8))
    collect.run(settings(collect.Config, folder, campaign="first", questions=80))
    judge.run(judge.Config(folder, by=f"{folder.parent / 'rewards.py'}:score"))
    for seed in (1, 2):
        reward.run(settings(reward.Config, folder, seed=seed))
    store = Project.open(folder).store
    for policy in ("disagreement", "d_optimal"):
        name = collect.run(settings(collect.Config, folder, selection=policy, questions=10, campaign=policy))
        asked = store.questions(name)
        assert Counter(question.selection for question in asked) == {"random": 2, policy: 8}
        propensities = [question.propensity for question in asked]
        assert all(each is not None and 0 < each <= 1 for each in propensities)
        assert min(each for each in propensities if each) < 0.9
    project = Project.open(folder)
    pairs = pairs_within_prompts([c for q in store.questions("d_optimal") for c in store.completions(q.completion_ids)])
    found = doubts.doubts(project, ["r1", "r2"], "margin", store.prompts(), pairs, torch.device("cpu"))
    described = doubts.doubts(project, ["r1", "r2"], "d_optimal", store.prompts(), pairs, torch.device("cpu"))
    assert found.scores_EN is not None
    assert described.features_ND is not None
    newest = load_reward(project, project.model("r2"))
    weights = newest.head.weight[0].detach().double().numpy() * float(newest.gain)
    assert described.features_ND @ weights == pytest.approx(found.scores_EN[1], abs=1e-4)
    assert not np.allclose(found.scores_EN[0], found.scores_EN[1])
