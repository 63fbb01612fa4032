"""`heedful offline`: learn from what was written before, without sampling and without scoring while it trains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from heedful.compute.devices import choose_device
from heedful.language.ilql_heads import ILQLHeads, save_heads
from heedful.language.imitation import examples_of_demonstrations
from heedful.language.pretrained import LanguageModel
from heedful.language.sampling import Sampling
from heedful.language.tuning import Tuning
from heedful.learning.bandit import Bandit
from heedful.learning.offline.ilql import ILQL
from heedful.learning.offline.irl import IRL
from heedful.learning.offline.reward_weighted import reward_weights
from heedful.records import Model
from heedful.rollouts import Stats
from heedful.runs import Run
from heedful.seeds import seed_of
from heedful.stages.console import say
from heedful.stages.counterfactual import draws, fit_bandit
from heedful.stages.imitating import Imitation, descend, divided_demonstrations, held_out_nats
from heedful.stages.logged import Logged, Source, logged_rewards
from heedful.stages.project import Project
from heedful.stages.valuing import Scored, fit_ilql, fit_irl, weighted_loss
from heedful.stages.versions import keep_policy, load_policy, start_computing, tune_for_run


@dataclass(frozen=True)
class Decoding:
    """How a version that was trained by ILQL writes."""

    beta: float = 4.0
    """How much a token's advantage counts beside its log-probability; 0 is plain imitation."""
    top_k: int = 20
    """Write only the so many best tokens by that sum; 0 for all."""


@dataclass(frozen=True)
class Weighting:
    """How rewards become weights of imitation."""

    beta: float = 0.5
    """Temperature, in standard deviations of the reward; small ones imitate the best only."""
    largest: float = 20.0
    """Weights are cut there."""


@dataclass(frozen=True)
class Config:
    """Learn from logged completions and their rewards (ilql, weighted, bandit), or from demonstrations (irl)."""

    project: Path
    """The project's folder."""
    method: Literal["ilql", "irl", "weighted", "bandit"] = "ilql"
    """Q and V heads that steer the decoding; imitation with a temporal-difference term; imitation of the better;
    policy gradient by importance weights, from completions that say with what probability they were written."""
    policy: str = "current"
    """The version to begin from."""
    label: str = ""
    """Which label of the log is the reward: thumb, rating:helpful ...; needed where the store has several."""
    scorer: str = ""
    """Instead of a label: a reward model's id or FILE.py:NAME, which scores every stored completion once, before."""
    campaigns: tuple[str, ...] = ()
    """Only labels of questions filed under these names, such as the newest round; all when left out."""
    replay: float = 0.0
    """With campaigns: this share of the labels is drawn from the other ones, each as much, so that what was learnt in
    earlier rounds is not forgotten; below 1."""
    ilql: ILQL = field(default_factory=ILQL)
    decoding: Decoding = field(default_factory=Decoding)
    irl: IRL = field(default_factory=IRL)
    weighting: Weighting = field(default_factory=Weighting)
    bandit: Bandit = field(default_factory=Bandit)
    imitation: Imitation = field(default_factory=lambda: Imitation(learning_rate=3e-4))
    tuning: Tuning = field(default_factory=Tuning)
    sampling: Sampling = field(default_factory=Sampling)
    """Of own samples; only the online and the adversarial mode of irl take any."""
    held_out: float = 0.1
    """irl, bandit: share of the prompts whose demonstrations or completions are kept for measuring."""
    seed: int = 0
    """Decides first weights, the order and what is held out."""
    device: str = "auto"
    """cpu, cuda, or auto."""
    threads: int = 0
    """CPU threads; 0 measures which number is fastest."""
    restart: bool = False
    """Put an unfinished run aside and begin anew."""

    def source(self) -> Source:
        """Which completions of the log have a reward, and which."""
        return Source(self.label, self.scorer, self.campaigns, self.replay, self.seed)


def run(config: Config, *, name: str = "") -> Model:
    """Train, save as the next version; it is a candidate until `evaluate` has rated it.

    Raises:
        Problem: there is nothing to learn from, or several labels and none was named.
    """
    project = Project.open(config.project)
    begin, new = project.policy_named(config.policy).id, project.next_id("policy")
    current = project.begin("offline", config, name=name, restart=config.restart, policy=begin, version=new)
    begin, new = current.record["inputs"]["policy"], current.record["inputs"]["version"]
    if current.finished:
        return project.model(new)
    model = load_policy(project, project.model(begin), choose_device(config.device))
    start_computing(current, model, config.device, config.threads)
    tune_for_run(current, {"policy": model}, config.tuning, seed=config.seed)
    heads: ILQLHeads | None = None
    if config.method == "irl":
        result = _imitate(project, config, current, model)
    elif config.method == "bandit":
        result = _weigh(project, config, current, model)
    else:
        log = logged_rewards(project, current, model, config.source())
        say(f"{begin} learns from {len(log.rows):,} logged completions; reward: {log.what}.")
        heads = ILQLHeads.on(model, seed=seed_of(config.seed, "heads")) if config.method == "ilql" else None
        stats = _learn(config, current, model, heads, log)
        result = {"completions": len(log.rows), "reward": log.what, "mean": log.mean, "deviation": log.deviation}
        result["last"] = stats
    record = Model(
        new,
        "policy",
        f"policies/{new}",
        parent=begin,
        reward=config.scorer or None,
        snapshot=next(iter(current.record["snapshots"]), None),
        run=current.folder.name,
        config={"stage": "offline", "method": config.method, "seed": config.seed},
        status="candidate",
    )
    decoding = {"beta": config.decoding.beta, "top_k": config.decoding.top_k}
    beside = None if heads is None else partial(save_heads, heads, settings=decoding)
    keep_policy(project, model, record, beside)
    say(f"This is version {new}.")
    current.finish({"version": new, **result})
    return record


def _learn(config: Config, run: Run, model: LanguageModel, heads: ILQLHeads | None, log: Logged) -> Stats:
    """From logged completions: with Q and V heads, or by weights."""
    if heads is not None:
        return fit_ilql(model, heads, log.standardised(), config.ilql, config.imitation, run, seed=config.seed)
    items = _weighted(log, config.weighting)
    loss = partial(weighted_loss, model)
    return descend({"model": model}, items, loss, config.imitation, run, seed=config.seed, label="Weighted imitation")


def _weigh(project: Project, config: Config, run: Run, model: LanguageModel) -> dict[str, Any]:
    """From completions that say with what probability they were written, measured on those of other prompts."""
    log = draws(project, run, model, config.source(), held_out=config.held_out, seed=config.seed)
    writers = ", ".join(sorted({row.policy or "others" for row in log.training}))
    say(
        f"{run.record['inputs']['policy']} learns from {len(log.training):,} logged completions of {writers}; "
        f"{len(log.aside):,} on other prompts are held out; reward: {log.what}."
    )
    for reason, count in log.left_out.items():
        say(f"{count:,} completions are left out: {reason}.")
    found = fit_bandit(model, log, config.bandit, config.imitation, run, seed=config.seed)
    facts = {"completions": len(log.training), "reward": log.what, "mean": log.mean, "deviation": log.deviation}
    return {**facts, "left_out": dict(log.left_out), **found}


def _weighted(log: Logged, weighting: Weighting) -> list[Scored]:
    """The log with weights in the place of rewards."""
    items = log.standardised()
    rewards_N = torch.tensor([item.reward for item in items])
    groups = {key: number for number, key in enumerate(dict.fromkeys(log.prompt_ids))}
    group_N = torch.tensor([groups[key] for key in log.prompt_ids])
    weights: Sequence[float] = reward_weights(rewards_N, group_N, weighting.beta, weighting.largest).tolist()
    return [Scored(item.example, weight) for item, weight in zip(items, weights, strict=True)]


def _imitate(project: Project, config: Config, run: Run, model: LanguageModel) -> dict[str, Any]:
    """From demonstrations, measured on held-out ones as `heedful sft` does."""
    training, aside = divided_demonstrations(project, run, held_out=config.held_out, seed=config.seed)
    examples, examined = examples_of_demonstrations(model, training), examples_of_demonstrations(model, aside)
    clusters = [item.prompt.id for item in aside]
    before = held_out_nats(model, examined, clusters)
    say(f"{len(training):,} demonstrations to learn from; {len(aside):,} on other prompts are held out.")
    stats = fit_irl(model, examples, config.irl, config.imitation, run, seed=config.seed, sampling=config.sampling)
    after = held_out_nats(model, examined, clusters)
    return {
        "before": [before.value, before.low, before.high],
        "after": [after.value, after.low, after.high],
        "last": stats,
    }
