"""`heedful improve`: reinforcement learning against a reward, under a KL leash."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from heedful.compute.devices import choose_device
from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.language.acting import Acting, PromptTokens
from heedful.language.engines.local import LocalSampler
from heedful.language.guided import Guide, GuidedActing
from heedful.language.heads import ScalarModel
from heedful.language.policy import LanguagePolicy
from heedful.language.pretrained import LanguageModel, fingerprint
from heedful.language.sampling import Sampling
from heedful.language.tuning import Tuning
from heedful.learning.algorithms import NLPO, Algorithms
from heedful.learning.improve import improve
from heedful.learning.monitors import Limits, Watch
from heedful.learning.schedules import schedule
from heedful.records import Model
from heedful.reward.credit import Credit
from heedful.reward.rules import source_hash
from heedful.reward.shaping import Shaping
from heedful.rollouts import Algorithm, Collect, Stateful, Stats
from heedful.runs import Run
from heedful.seeds import seed_of
from heedful.stages import scoring
from heedful.stages.checking import Check, checked
from heedful.stages.console import progress, say
from heedful.stages.leash import Leash
from heedful.stages.project import Project
from heedful.stages.regularising import Regularisers, regularised
from heedful.stages.versions import (
    automatic_rate,
    keep_policy,
    load_policy,
    load_reward,
    share_what_is_frozen,
    start_computing,
    tune_for_run,
)

POLICY_RATE = 0.15
CRITIC_RATE = 0.5
"""Factors of the automatic learning rates, see `heedful.stages.versions.automatic_rate`."""


@dataclass(frozen=True)
class Config:
    """Improve a policy against a reward model or a Python function, held near a reference by a KL penalty."""

    project: Path
    """The project's folder."""
    policy: str = "current"
    """The version to begin from."""
    reference: str = "start"
    """The version that the KL is measured against."""
    reward: str = "newest"
    """The reward model to improve against."""
    reward_function: str = ""
    """Instead of a reward model: a Python function as FILE.py:NAME, called with (prompts, completions)."""
    algorithm: str = "ppo"
    """How advantages are found and used; docs/learning.md says which one when."""
    algorithms: Algorithms = field(default_factory=Algorithms)
    regularisers: Regularisers = field(default_factory=Regularisers)
    credit: Credit = field(default_factory=Credit)
    leash: Leash = field(default_factory=Leash)
    sampling: Sampling = field(default_factory=Sampling)
    tuning: Tuning = field(default_factory=Tuning)
    steps: int = 60
    """Rounds of writing, scoring and updating."""
    prompts_per_step: int = 16
    """Prompts per step."""
    completions_per_prompt: int = 4
    """Completions of each."""
    learning_rate: float = 0.0
    """Of the policy; 0 chooses by the model's size."""
    critic_learning_rate: float = 0.0
    """Of the critic; 0 chooses by its size."""
    monitors: Limits = field(default_factory=Limits)
    check_every: int = 10
    """Steps between looks at prompts that are not trained on; 0: never. The best one's weights are kept."""
    validator: str = ""
    """A reward model of other judgements, or a function as FILE.py:NAME, whose score is watched beside the reward's."""
    critic: Literal["reward", "policy"] = "reward"
    """What the critic begins from: the reward model, or the policy with a head of zeros."""
    missing_stop_penalty: float = 1.0
    """Taken from the score of completions that reach the length limit."""
    micro_batch: int = 0
    """Completions per forward and backward pass; 0: all of a minibatch."""
    checkpoint_every: int = 10
    """Steps between checkpoints."""
    world: Literal["", "playground"] = ""
    """A world in which the true score is known: it is logged as `gold`, never trained on."""
    seed: int = 0
    """Decides prompts, completions and minibatches."""
    device: str = "auto"
    """cpu, cuda, or auto."""
    threads: int = 0
    """CPU threads; 0 measures which number is fastest."""
    restart: bool = False
    """Put an unfinished run aside and begin anew."""


def run(config: Config, *, name: str = "") -> Model:
    """Improve, save as the next version; it is a candidate until `evaluate` has rated it.

    Raises:
        Problem: there is no reward, the function misbehaves, or training breaks down.
    """
    project = Project.open(config.project)
    begin, new = project.policy_named(config.policy).id, project.next_id("policy")
    reward = config.reward_function or scoring.newest_reward(project, config.reward)
    facts = {"policy": begin, "version": new, "reward": reward, "reference": project.policy_named(config.reference).id}
    facts["function"] = source_hash(config.reward_function)
    current = project.begin("improve", config, name=name, restart=config.restart, **facts)
    facts = current.record["inputs"]
    if facts["function"] != source_hash(config.reward_function) and not current.finished:
        raise Problem(
            "the reward function has changed since this run began",
            where=config.reward_function,
            mend="put it back as it was, or add --restart to begin anew",
        )
    if current.finished:
        return project.model(facts["version"])
    device = choose_device(config.device)
    model = load_policy(project, project.model(facts["policy"]), device)
    reference = load_policy(project, project.model(facts["reference"]), device).frozen_copy()
    start_computing(current, model, config.device, config.threads)
    judge = None if config.reward_function else load_reward(project, project.model(facts["reward"]), device)
    stats = _train(project, config, current, model, reference, judge)
    record = Model(
        facts["version"],
        "policy",
        f"policies/{facts['version']}",
        parent=facts["policy"],
        reward=facts["reward"],
        snapshot=None if judge is None else project.model(facts["reward"]).snapshot,
        run=current.folder.name,
        config={"algorithm": config.algorithm, "seed": config.seed, "steps": config.steps},
        status="candidate",
    )
    keep_policy(project, model, record)
    stopped = current.record.get("stopped")
    if stopped:
        say(f"Stopped after {stopped['step'] + 1} steps: {stopped['reason']}.")
    if back := current.record.get("rolled_back"):
        say(f"Went back to the best check, after {back['step'] + 1} steps (score {back['score']:+.2f}).")
    else:
        say(f"{record.id}: KL {stats['kl']:.2f} nats from {facts['reference']}, score {stats['score']:+.2f}.")
    current.finish({"version": record.id, "last": stats, "stopped": stopped})
    return record


@dataclass(frozen=True)
class _Parts:
    """What a run of `improve` is made of."""

    policy: LanguagePolicy
    collect: Collect
    shaping: Shaping
    algorithm: Algorithm
    critic: ScalarModel | None
    watch: Watch
    check: Check | None
    guide: Guide | None

    def state(self, model: LanguageModel) -> dict[str, Stateful]:
        """Everything that changes, by name."""
        parts: dict[str, Stateful | None] = {"policy": model, "shaping": self.shaping, "critic": self.critic}
        parts |= {"watch": self.watch, "check": self.check, "mask": self.guide}
        return {name: part for name, part in parts.items() if part is not None}


def _parts(
    project: Project,
    config: Config,
    current: Run,
    model: LanguageModel,
    reference: LanguageModel,
    judge: ScalarModel | None,
) -> _Parts:
    chosen = config.algorithms.named(config.algorithm)
    critic = _critic(config, model, judge) if chosen.needs_critic else None
    by_text = bool(config.sampling.stop)
    named, world = config.reward_function, bool(config.world)
    scorer = scoring.scorer(judge, named, model, config.credit, by_text=by_text, gold=world)
    validator = scoring.validator(project, config.validator, model, by_text=by_text)
    _tune(config, current, model, critic, [reference, judge])
    masked = chosen if isinstance(chosen, NLPO) else None
    guide = Guide(model, masked.rule(model.stop_ids)) if masked else None
    writer = model if guide is None else guide.guided()
    policy = LanguagePolicy(writer, temperature=config.sampling.temperature, critic=critic)
    acting = _acting(project, config, current, writer, reference)
    acting, check = checked(policy, acting, scorer, validator, current.folder, config.check_every, config.seed)
    return _Parts(
        policy,
        GuidedActing(acting, guide, masked.refresh_due) if guide and masked else acting,
        Shaping(scorer, config.leash.controller(), missing_stop_penalty=config.missing_stop_penalty),
        regularised(chosen, config.regularisers, project, model),
        critic,
        Watch(config.monitors),
        check,
        guide,
    )


def _train(
    project: Project,
    config: Config,
    current: Run,
    model: LanguageModel,
    reference: LanguageModel,
    judge: ScalarModel | None,
) -> Stats:
    parts = _parts(project, config, current, model, reference, judge)
    check = parts.check
    label = f"{config.algorithm.upper()} improves {current.record['inputs']['policy']}"
    with progress(label, config.steps, done=current.resume()[0]) as advance:

        def on_step(step: int, stats: Stats) -> Stats:
            advance(metrics={key: stats[key] for key in ("score", "kl", "length")})
            return check(step) if check is not None else {}

        stats = improve(
            parts.policy,
            parts.collect,
            parts.shaping,
            parts.algorithm,
            _compute(config, model, parts.critic),
            current,
            steps=config.steps,
            seed=config.seed,
            state=parts.state(model),
            schedule=schedule("linear", config.steps),
            checkpoint_every=config.checkpoint_every,
            on_step=on_step,
            stop=parts.watch.stop,
        )
    current.note(alarms=[dataclasses.asdict(alarm) for alarm in parts.watch.alarms])
    if current.record.get("stopped") and check is not None and check.best is not None:
        check.go_back()
        current.note(rolled_back={"step": check.step, "score": check.best})
    return stats


def _tune(
    config: Config,
    current: Run,
    model: LanguageModel,
    critic: ScalarModel | None,
    others: Sequence[LanguageModel | ScalarModel | None],
) -> None:
    """Choose what is trained of the policy and the critic; `others` share what stays frozen."""
    models = {"policy": model} | ({"critic": critic} if critic is not None else {})
    tune_for_run(current, models, config.tuning, seed=config.seed)
    share_what_is_frozen(list(models.values()), others)


def _compute(config: Config, model: LanguageModel, critic: ScalarModel | None) -> LocalCompute:
    """The optimiser of the policy and, where there is one, the critic, each with its own learning rate."""
    compute = LocalCompute(model.device, micro_batch=config.micro_batch)
    rates = [
        (model.parameters(), config.learning_rate or automatic_rate(model.parameters(), POLICY_RATE, config.tuning))
    ]
    if critic is not None:
        rate = config.critic_learning_rate or automatic_rate(critic.parameters(), CRITIC_RATE, config.tuning)
        rates.append((critic.parameters(), rate))
    compute.prepare(rates)
    return compute


def _acting(project: Project, config: Config, current: Run, model: LanguageModel, reference: LanguageModel) -> Acting:
    """Training prompts to completions."""
    return Acting(
        prompts=project.prompts("train", current),
        sampler=LocalSampler(model, config.prompts_per_step * config.completions_per_prompt),
        sampling=config.sampling,
        tokens=PromptTokens(model),
        reference=reference,
        prompts_per_step=config.prompts_per_step,
        completions_per_prompt=config.completions_per_prompt,
        seed=seed_of(config.seed, "improve"),
        micro_batch=config.micro_batch,
    )


def _critic(config: Config, model: LanguageModel, judge: ScalarModel | None) -> ScalarModel:
    """The value network, on a trunk of its own (Huang et al. 2024: from the reward model)."""
    if judge is None or config.critic == "policy" or fingerprint(judge.tokenizer) != fingerprint(model.tokenizer):
        return ScalarModel(model, zero=True)
    return copy.deepcopy(judge)
