"""`heedful queue`: of what a deployed model answered, ask people about that which the reward models know least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from heedful.compute.devices import choose_device
from heedful.errors import Problem
from heedful.feedback.formats.completions import DEPLOYED
from heedful.feedback.steering.logs import queue_logs
from heedful.records import Completion, Model, Prompt
from heedful.reward.completions import describe_completions, score_completions
from heedful.stages.console import say
from heedful.stages.doubts import NEWEST
from heedful.stages.project import Project
from heedful.stages.versions import load_reward


@dataclass(frozen=True)
class Config:
    """Make questions of logged answers: those of which the reward models are least sure and that resemble none judged.

    Logs come into the project by `heedful import PROJECT FILE --format logs` or over the API.
    """

    project: Path
    """The project's folder."""
    policy: str = DEPLOYED
    """Whose answers: the `policy` of the logs."""
    questions: int = 100
    """How many to ask about."""
    kind: str = "label"
    """What is asked about each answer: label, rating, flags, critique or edit."""
    campaign: str = ""
    """Name under which the questions are filed; `logs-POLICY` when left out."""
    overlap: int = 1
    """How many annotators answer each question."""
    random_share: float = 0.2
    """Share of the questions that is chosen at random, to measure the queue against."""
    seed: int = 0
    """Decides the random share."""
    device: str = "auto"
    """cpu, cuda, or auto."""


def run(config: Config) -> int:
    """Choose and ask; returns how many questions are new.

    Raises:
        Problem: there are no such logs, or no reward model to go by.
    """
    project = Project.open(config.project)
    rewards = project.store.models("reward")[-NEWEST:]
    if not rewards:
        raise Problem(
            "the queue goes by reward models, and the project has none",
            where=str(config.project),
            mend="train one with `heedful reward`",
        )
    campaign = config.campaign or f"logs-{config.policy}"
    judged = {name for question in project.store.questions() for name in question.completion_ids}
    logs = project.store.completions(policy=config.policy)
    waiting = [log for log in logs if log.id not in judged]
    if not waiting:
        raise Problem(
            f'no answer of "{config.policy}" waits to be asked about ({len(logs):,} were asked about already)',
            where=str(config.project),
            mend="bring logs in with `heedful import PROJECT FILE --format logs`, or name another --policy",
        )
    asked = [log for log in logs if log.id in judged]
    features, scores = _described(project, rewards, [*waiting, *asked], config.device)
    before = len(project.store.questions(campaign))
    queue_logs(
        project.store,
        waiting,
        features[: len(waiting)],
        scores[:, : len(waiting)],
        min(config.questions, len(waiting)),
        campaign=campaign,
        kind=config.kind,
        overlap=config.overlap,
        labelled=features[len(waiting) :] if asked else None,
        random_share=config.random_share,
        seed=config.seed,
    )
    new = len(project.store.questions(campaign)) - before
    say(f"{new:,} of {len(waiting):,} answers of {config.policy} wait as {campaign!r}.")
    return new


def _described(project: Project, rewards: Sequence[Model], logs: Sequence[Completion], device: str) -> tuple[Any, Any]:
    """(features (N, D) of the newest reward model, scores (E, N) of all), of N logs."""
    by_id: dict[str, Prompt] = {prompt.id: prompt for prompt in project.store.prompts([log.prompt_id for log in logs])}
    prompts, texts = [by_id[log.prompt_id] for log in logs], [log.text for log in logs]
    models = [load_reward(project, model, choose_device(device)) for model in rewards]
    scores = np.stack([score_completions(model, prompts, texts).double().cpu().numpy() for model in models])
    return describe_completions(models[-1], prompts, texts).double().cpu().numpy(), scores
