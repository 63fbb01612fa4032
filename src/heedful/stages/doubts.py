"""What the project's reward models think of a pool of pairs: the evidence by which questions are chosen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from heedful.errors import Problem
from heedful.feedback.selection import Evidence
from heedful.records import Completion, Prompt
from heedful.reward.completions import describe_completions, score_completions
from heedful.stages.project import Project
from heedful.stages.versions import load_reward

NEWEST = 5
"""So many of the newest reward models are asked; they stand for an ensemble."""


def require(project: Project, rewards: Sequence[str], selection: str) -> None:
    """Refuse a selection that needs more reward models than there are.

    Raises:
        Problem: saying how many it needs.
    """
    least = {"random": 0, "margin": 1, "d_optimal": 1}.get(selection, 2)
    if len(rewards) < least:
        raise Problem(
            f"the selection {selection} goes by {least} or more reward models, and the project has {len(rewards)}",
            where=str(project.folder),
            mend="train some with `heedful reward` (each with a --seed of its own), or use --selection random",
        )


def doubts(
    project: Project,
    rewards: Sequence[str],
    selection: str,
    prompts: Sequence[Prompt],
    pairs: Sequence[tuple[Completion, Completion]],
    device: torch.device,
) -> Evidence:
    """What a selection policy goes by: for `random` nothing, for `d_optimal` features, for the others scores.

    Scores are the differences of a pair's two, by each reward model; features those of the newest one's last layer.

    Args:
        project: whose reward models.
        rewards: their ids, the oldest first.
        selection: the policy that asks.
        prompts: at least those of the pairs.
        pairs: N of them.
        device: where the models run.

    Raises:
        Problem: the selection needs more reward models than there are.
    """
    if selection == "random" or not pairs:
        return Evidence(len(pairs))
    require(project, rewards, selection)
    by_id = {prompt.id: prompt for prompt in prompts}
    asked = [by_id[completion.prompt_id] for pair in pairs for completion in pair]
    texts = [completion.text for pair in pairs for completion in pair]
    if selection == "d_optimal":
        newest = load_reward(project, project.model(rewards[-1]), device)
        features = describe_completions(newest, asked, texts)
        return Evidence.of(len(pairs), features=_differences(features))
    models = (load_reward(project, project.model(name), device) for name in rewards)
    scores = [_differences(score_completions(model, asked, texts)) for model in models]
    return Evidence.of(len(pairs), scores=np.stack(scores))


def _differences(both: torch.Tensor) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Of each pair, the first's values less the second's, which stand one after the other."""
    values = both.double().cpu().numpy()
    return np.asarray(values[0::2] - values[1::2])
