"""`heedful collect`: the policy writes, and its completions become questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from heedful.compute.devices import choose_device
from heedful.errors import Problem
from heedful.language import prompts as order
from heedful.language.acting import write_completions
from heedful.language.engines.local import LocalSampler
from heedful.language.sampling import Sampling
from heedful.records import Completion, Prompt, Question
from heedful.seeds import seed_of
from heedful.stages.asking import comparison_questions, pairs_within_prompts
from heedful.stages.console import progress, say
from heedful.stages.doubts import NEWEST, doubts, require
from heedful.stages.project import Project
from heedful.stages.versions import load_policy, start_computing


@dataclass(frozen=True)
class Config:
    """Sample completions from a policy on training prompts and ask people to compare them."""

    project: Path
    """The project's folder."""
    questions: int = 200
    """How many comparisons to ask for."""
    policy: str = "current"
    """The version that writes."""
    completions_per_prompt: int = 2
    """Completions of each prompt; every pair of different ones can become a question."""
    overlap: int = 1
    """How many annotators answer each question."""
    selection: Literal["random", "margin", "disagreement", "d_optimal", "thompson"] = "random"
    """How the questions are chosen; all but random go by the project's reward models."""
    random_share: float = 0.2
    """Share of the questions that is chosen at random whatever the selection, to measure it against."""
    pool: int = 4
    """Pairs that the policy writes for each question, where the selection is not random."""
    campaign: str = ""
    """Name under which the questions are filed; `collect-VERSION` when left out."""
    sampling: Sampling = field(default_factory=Sampling)
    rows: int = 64
    """Completions written at once."""
    seed: int = 0
    """Decides prompts, completions and which pairs are asked."""
    device: str = "auto"
    """cpu, cuda, or auto."""
    threads: int = 0
    """CPU threads; 0 measures which number is fastest."""
    restart: bool = False
    """Put an unfinished run aside and begin anew."""


def run(config: Config, *, name: str = "") -> str:
    """Sample, store and ask; returns the campaign's name.

    Raises:
        Problem: the project has no model or no prompts, or a prompt is too long.
    """
    project = Project.open(config.project)
    version = project.policy_named(config.policy).id
    rewards = [model.id for model in project.store.models("reward")][-NEWEST:]
    require(project, rewards, config.selection)
    current = project.begin("collect", config, name=name, restart=config.restart, policy=version, rewards=rewards)
    if current.finished:
        return str(current.result["campaign"])
    version = current.record["inputs"]["policy"]
    campaign = config.campaign or f"collect-{version}"
    model = load_policy(project, project.model(version), choose_device(config.device))
    start_computing(current, model, config.device, config.threads)
    count = _prompts_needed(config)
    prompts = order.batch(project.prompts("train", current), 0, count, seed_of(config.seed, "collect", campaign))
    repeated = [prompt for prompt in prompts for _ in range(config.completions_per_prompt)]
    with progress(f"{version} writes", len(repeated)) as advance:
        completions = write_completions(
            model,
            LocalSampler(model, config.rows),
            repeated,
            config.sampling,
            policy=version,
            seed=seed_of(config.seed, "write", campaign),
            on_progress=advance,
        )
    rewards = current.record["inputs"].get("rewards", [])
    questions = _chosen(project, config, campaign, prompts, completions, rewards)
    if not questions:
        raise Problem(
            "the policy wrote the same completion twice for every prompt",
            where=version,
            mend="raise --sampling.temperature",
        )
    added = project.store.add_everything(completions=completions, questions=questions)
    if not added["questions"]:
        say("All of them had been asked before; another --seed asks new ones.")
    say(f"{version} wrote {len(completions):,} completions; {len(questions):,} comparisons wait as {campaign!r}.")
    result: dict[str, Any] = {"campaign": campaign, "questions": len(questions), "completions": len(completions)}
    current.finish(result)
    return campaign


def _prompts_needed(config: Config) -> int:
    """Prompts whose completions make as many pairs as are asked, or where they are selected, several times as many.

    Raises:
        Problem: there is one completion of each prompt.
    """
    pairs_each = config.completions_per_prompt * (config.completions_per_prompt - 1) // 2
    if pairs_each < 1:
        raise Problem("one completion cannot be compared", mend="use --completions-per-prompt 2 or more")
    times = 1 if config.selection == "random" else max(1, config.pool)
    return -(-config.questions * times // pairs_each)


def _chosen(
    project: Project,
    config: Config,
    campaign: str,
    prompts: Sequence[Prompt],
    completions: Sequence[Completion],
    rewards: Sequence[str],
) -> list[Question]:
    """The pairs that are asked about, chosen by what the reward models think of them."""
    pairs = pairs_within_prompts(completions)
    known = doubts(project, rewards, config.selection, prompts, pairs, choose_device(config.device))
    return comparison_questions(
        pairs,
        campaign=campaign,
        purpose="train",
        overlap=config.overlap,
        budget=config.questions,
        seed=seed_of(config.seed, "select", campaign),
        policy=config.selection,
        scores=known.scores_EN,
        features=known.features_ND,
        random_share=config.random_share,
    )
