"""`heedful demo`: the whole loop in the playground, on the bundled model, with simulated people."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from heedful.errors import Problem
from heedful.evaluation.intervals import Interval
from heedful.files import write_text
from heedful.playground.world import requests
from heedful.settings import FILE
from heedful.stages import init, iterate
from heedful.stages.console import heading, say, show, with_interval
from heedful.stages.history import closing_rows, finished_runs
from heedful.stages.project import Project

TRAINING_PROMPTS, HELD_OUT_PROMPTS = 2000, 400
"""Requests in the demo's project, and held-out ones of each kind."""

LINES = [
    ("wins vs start %", True, 1),
    ("same length %", True, 1),
    ("Elo", False, 0),
    ("KL, nats", False, 2),
    ("RM accuracy %", True, 1),
    ("longer-wins %", True, 1),
    ("tokens", False, 1),
    ("status", False, 0),
]
"""The closing table: what each line is, whether it is a percentage, and its decimal places."""

LEGEND = """\
wins vs start: share of held-out people's votes against v0; same length: the same, had both answers the same length.
RM accuracy: how often the reward model agrees with people on held-out comparisons; longer-wins: what always preferring
the longer answer would reach. KL: how far the version has moved from v0."""

INTRODUCTION = """\
A small language model answers requests: well at times, badly at times, for it learned from a mixed crowd. Simulated
people compare its answers; some are careless or biased. A reward model learns from them what people want, PPO
improves the model under a KL leash, and held-out people, who judged nothing before, say whether it became better."""

WEAK_INTRODUCTION = """\
The same loop, spoiled on purpose: few judgements, a high learning rate, hardly any leash. The model learns to please
the reward model instead of the people."""


@dataclass(frozen=True)
class Config:
    """Watch a model learn from (simulated) people, twice round, in minutes."""

    project: Path = Path("demo")
    """Where to work; a repeated command continues there. `demo-weak-leash` with --weak-leash."""
    seed: int = 0
    """Another seed is another run of everything: people, prompts, samples."""
    rounds: int = 0
    """How often to go round; 0: twice, and once with --weak-leash."""
    weak_leash: bool = False
    """Show what goes wrong with few judgements, a high learning rate and hardly any leash: reward hacking."""
    questions: int = 0
    """Comparisons asked in each round; 0: as the demo is meant."""
    steps: int = 0
    """Steps of reinforcement learning in each round; 0: as the demo is meant."""
    prompts: int = 0
    """Held-out prompts on which each version is rated; 0: as the demo is meant."""
    threads: int = 0
    """CPU threads; 0 measures which number is fastest."""


def run(config: Config) -> list[dict[str, Any]]:
    """Make the project, go round, print the closing table, write the report."""
    folder = config.project
    if config.weak_leash and folder == Path("demo"):
        folder = Path("demo-weak-leash")
    say(WEAK_INTRODUCTION if config.weak_leash else INTRODUCTION)
    project = _project(folder, config)
    results = iterate.run(
        iterate.Config(
            folder,
            rounds=config.rounds or (1 if config.weak_leash else 2),
            judges="playground",
            questions=config.questions,
            steps=config.steps,
            prompts=config.prompts,
            world="playground",
            seed=config.seed,
            threads=config.threads,
        )
    )
    heading("What happened")
    _show(project)
    say(f"The report is {(folder / 'report.html').resolve()}")
    return results


def _project(folder: Path, config: Config) -> Project:
    """The demo's project, made at the first call."""
    bundled = files("heedful.playground") / "model"
    settings = (files("heedful.playground") / ("weak_leash.toml" if config.weak_leash else "demo.toml")).read_text()
    settings = f"# seed {config.seed}\n{settings}"
    if (folder / FILE).is_file():
        if (folder / FILE).read_text(encoding="utf-8") != settings:
            raise Problem(
                "there is another project here", where=str(folder), mend="name another folder, or remove this one"
            )
        project = Project.open(folder)
        if project.store.models("policy") and project.store.prompts():
            say(f"Going on in {folder}.")
            return project
    else:
        if folder.is_dir() and any(folder.iterdir()):
            raise Problem("this folder is not empty", where=str(folder), mend="name another folder, or remove this one")
        write_text(folder / FILE, settings)
    heading("Setting up")
    project = Project.open(folder)
    if not project.store.models("policy"):
        project = init.run(init.Config(folder, model=str(bundled)))
    prompts = [
        *requests(TRAINING_PROMPTS, config.seed, "train"),
        *requests(HELD_OUT_PROMPTS, config.seed, "held_out_topics"),
        *requests(HELD_OUT_PROMPTS, config.seed, "held_out_phrasings"),
    ]
    added = project.store.add_prompts(prompts)
    say(f"{added:,} requests are in the store, some of them with topics or phrasings kept for the examination.")
    return project


def _show(project: Project) -> None:
    """The closing table, and win rates on held-out topics and phrasings apart."""
    past = finished_runs(project)
    evaluations = [item for item in past if item.stage == "evaluate"]
    rewards = [item for item in past if item.stage == "reward"]
    if not evaluations:
        return
    rows = closing_rows(project, evaluations, rewards)
    quantities = [("version", False, 0), *LINES]
    turned = [
        [name, *(_cell(row[index], percent=percent, digits=digits) for row in rows)]
        for index, (name, percent, digits) in enumerate(quantities)
    ]
    show("Versions (95 % intervals)", turned[0], turned[1:])
    say(LEGEND, style="dim")
    budget = max(item.record["settings"]["monitors"]["kl"] for item in past if item.stage == "improve")
    say(f"The KL budget is {budget:g} nats.")
    start = project.policy_named("start").id
    for item in evaluations:
        duel = item.result["duels"].get(start, {"by_split": {}})
        for split, rate in duel["by_split"].items():
            words = with_interval(rate["rate"], rate["low"], rate["high"], percent=True)
            say(f"{item.result['version']} against {start} on {split.replace('_', ' ')}: {words}")


def _cell(value: Any, *, percent: bool, digits: int) -> str:
    if isinstance(value, Interval):
        scale = 100 if percent else 1
        return with_interval(scale * value.value, scale * value.low, scale * value.high, digits=digits)
    return "-" if value is None else str(value)
