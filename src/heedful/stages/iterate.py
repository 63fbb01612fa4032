"""`heedful iterate`: round after round of collect, judge, reward, improve, evaluate (loop 3).

Each round is a few named runs (`round-1-collect` ...). Repeating the command continues: finished runs are read, the
unfinished one goes on at its checkpoint, and judgements that were given stay given. The settings of each step come
from its own section of heedful.toml.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from heedful.errors import Problem
from heedful.stages import collect, evaluate, improve, report, reward
from heedful.stages.console import heading, say
from heedful.stages.judges import CROWD, Patience, Waiting, answer
from heedful.stages.project import Project
from heedful.stages.rounds import settings_of_round

C = TypeVar("C")


@dataclass(frozen=True)
class Config:
    """Go round: the policy writes, people judge, a reward model learns, the policy improves, people rate it."""

    project: Path
    """The project's folder; the sections of its heedful.toml ([collect], [reward] ...) set the single steps."""
    rounds: int = 2
    """How many rounds in all; a repeated command with more of them goes on."""
    judges: str = "people"
    """Who answers: people (it waits for them), playground, a language model as model:ID, or a scoring function as
    FILE.py:NAME."""
    reward_function: str = ""
    """Improve against a Python function (FILE.py:NAME) instead of people's judgements; it then also rates."""
    questions: int = 0
    """Comparisons asked in each round; 0: as in [collect]."""
    steps: int = 0
    """Steps of reinforcement learning in each round; 0: as in [improve]."""
    prompts: int = 0
    """Held-out prompts on which each new version is rated; 0: as in [evaluate]."""
    crowd: int = CROWD
    """How many simulated people there are, where they judge."""
    wait: bool = True
    """Wait for people; otherwise stop, and go on when the same command is repeated."""
    patience: Patience = field(default_factory=Patience)
    """How many judgements are enough, and how long they are waited for, in each round."""
    world: Literal["", "playground"] = ""
    """A world in which the true score is known: it is measured, never trained on."""
    seed: int = 0
    """Decides everything random, together with the round."""
    device: str = "auto"
    """cpu, cuda, or auto."""
    threads: int = 0
    """CPU threads; 0 measures which number is fastest."""
    restart: bool = False
    """Put a step that began with other settings aside and begin it anew."""


def run(config: Config) -> list[dict[str, Any]]:
    """Run the rounds that are not done yet; the evaluations of all rounds.

    Raises:
        Problem: as the stages do.
    """
    project = Project.open(config.project)
    if config.rounds < 1:
        raise Problem(f"{config.rounds} rounds are none", mend="ask for one or more")
    results = []
    for number in range(1, config.rounds + 1):
        heading(f"Round {number} of {config.rounds}")
        try:
            results.append(_round(project, config, number))
        except Waiting as waiting:
            say(f"{waiting.what}. The same command goes on when more have come.")
            break
    if results:
        report.run(report.Config(config.project))
    return results


def _round(project: Project, config: Config, number: int) -> dict[str, Any]:
    name = f"round-{number}"
    if not config.reward_function:
        asked = collect.run(_collecting(project, config, number), name=f"{name}-collect")
        if not (project.runs / f"{name}-reward" / "result.json").is_file():
            answer(
                project,
                asked,
                config.judges,
                purpose="train",
                seed=config.seed,
                wait=config.wait,
                crowd=config.crowd,
                patience=config.patience,
            )
        reward.run(_settings(project, config, reward.Config, "reward", number), name=f"{name}-reward")
    improving = _settings(project, config, improve.Config, "improve", number)
    improving = replace(
        improving,
        world=config.world,
        reward_function=config.reward_function or improving.reward_function,
        steps=config.steps or improving.steps,
    )
    improve.run(improving, name=f"{name}-improve")
    return evaluate.run(_evaluating(project, config, number), name=f"{name}-evaluate")


def _collecting(project: Project, config: Config, number: int) -> collect.Config:
    found = _settings(project, config, collect.Config, "collect", number)
    return replace(found, campaign=f"round-{number}", questions=config.questions or found.questions)


def _evaluating(project: Project, config: Config, number: int) -> evaluate.Config:
    found = _settings(project, config, evaluate.Config, "evaluate", number)
    return replace(
        found,
        judges=config.reward_function or config.judges,
        crowd=config.crowd,
        wait=config.wait,
        patience=config.patience,
        world=config.world,
        prompts=config.prompts or found.prompts,
    )


def _settings(project: Project, config: Config, kind: type[C], section: str, number: int) -> C:
    """A stage's settings from the project's file, with the seed of the round."""
    given = {"device": config.device, "threads": config.threads, "restart": config.restart}
    return settings_of_round(project, kind, section, config.seed, number, **given)
