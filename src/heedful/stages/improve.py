"""`heedful improve`: reinforcement learning against a reward, under a KL leash."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from heedful.compute.devices import choose_device
from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.language.acting import Acting, PromptTokens
from heedful.language.engines.local import LocalSampler
from heedful.language.heads import ScalarModel
from heedful.language.policy import LanguagePolicy
from heedful.language.pretrained import LanguageModel, fingerprint
from heedful.language.sampling import Sampling
from heedful.learning.algorithms import Algorithms
from heedful.learning.improve import improve
from heedful.learning.kl import AdaptiveKL, FixedKL, KLController
from heedful.learning.monitors import Limits, Watch
from heedful.learning.schedules import schedule
from heedful.records import Model
from heedful.reward.rules import source_hash
from heedful.reward.shaping import Shaping
from heedful.rollouts import Reward, Stateful, Stats
from heedful.runs import Run
from heedful.seeds import seed_of
from heedful.stages import scoring
from heedful.stages.checking import Check, kept_for_checks
from heedful.stages.console import progress, say
from heedful.stages.project import Project
from heedful.stages.versions import automatic_rate, keep_policy, load_policy, load_reward, start_computing

POLICY_RATE = 0.15
CRITIC_RATE = 0.5
"""Factors of the automatic learning rates, see `heedful.stages.versions.automatic_rate`."""


@dataclass(frozen=True)
class Leash:
    """How the policy is held near the reference."""

    coefficient: float = 0.1
    """Price of a nat of KL, in units of the (normalised) score."""
    target: float = 0.0
    """KL per completion, in nats, that the coefficient is adapted to; 0 keeps the coefficient fixed."""
    horizon: float = 10_000.0
    """How slowly it adapts, in episodes."""

    def controller(self) -> KLController:
        """The controller for these settings."""
        return AdaptiveKL(self.coefficient, self.target, self.horizon) if self.target else FixedKL(self.coefficient)


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
    algorithm: Literal["ppo", "rloo", "grpo", "reinforce"] = "ppo"
    """How advantages are found and used."""
    algorithms: Algorithms = field(default_factory=Algorithms)
    leash: Leash = field(default_factory=Leash)
    sampling: Sampling = field(default_factory=Sampling)
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


def _train(
    project: Project,
    config: Config,
    current: Run,
    model: LanguageModel,
    reference: LanguageModel,
    judge: ScalarModel | None,
) -> Stats:
    critic = _critic(config, model, judge) if config.algorithm == "ppo" else None
    by_text = bool(config.sampling.stop)
    scorer = scoring.scorer(judge, config.reward_function, model, by_text=by_text, gold=bool(config.world))
    shaping = Shaping(scorer, config.leash.controller(), missing_stop_penalty=config.missing_stop_penalty)
    watch = Watch(config.monitors)
    policy = LanguagePolicy(model, temperature=config.sampling.temperature, critic=critic)
    acting = _acting(project, config, current, model, reference)
    acting, check = _checks(project, config, current, policy, acting, scorer)
    state: dict[str, Stateful] = {"policy": model, "shaping": shaping, "watch": watch}
    if critic is not None:
        state["critic"] = critic
    if check is not None:
        state["check"] = check
    label = f"{config.algorithm.upper()} improves {current.record['inputs']['policy']}"
    with progress(label, config.steps, done=current.resume()[0]) as advance:

        def on_step(step: int, stats: Stats) -> Stats:
            advance(metrics={key: stats[key] for key in ("score", "kl", "length")})
            return check(step) if check is not None else {}

        stats = improve(
            policy,
            acting,
            shaping,
            config.algorithms.named(config.algorithm),
            _compute(config, model, critic),
            current,
            steps=config.steps,
            seed=config.seed,
            state=state,
            schedule=schedule("linear", config.steps),
            checkpoint_every=config.checkpoint_every,
            on_step=on_step,
            stop=watch.stop,
        )
    current.note(alarms=[dataclasses.asdict(alarm) for alarm in watch.alarms])
    if current.record.get("stopped") and check is not None and check.best is not None:
        check.go_back()
        current.note(rolled_back={"step": check.step, "score": check.best})
    return stats


def _checks(
    project: Project, config: Config, current: Run, policy: LanguagePolicy, acting: Acting, scorer: Reward
) -> tuple[Acting, Check | None]:
    """(how training prompts are answered, what looks at the others)."""
    training, checks = kept_for_checks(acting.prompts) if config.check_every else (acting.prompts, [])
    if not checks:
        return acting, None
    looking = dataclasses.replace(
        acting,
        prompts=checks,
        prompts_per_step=len(checks),
        completions_per_prompt=1,
        seed=seed_of(config.seed, "check"),
    )
    validator = scoring.validator(project, config.validator, policy.model, by_text=bool(config.sampling.stop))
    check = Check(policy, looking, scorer, validator, current.folder, config.check_every)
    return dataclasses.replace(acting, prompts=training), check


def _compute(config: Config, model: LanguageModel, critic: ScalarModel | None) -> LocalCompute:
    """The optimiser of the policy and, where there is one, the critic, each with its own learning rate."""
    compute = LocalCompute(model.device, micro_batch=config.micro_batch)
    rates = [(model.parameters(), config.learning_rate or automatic_rate(model.parameters(), POLICY_RATE))]
    if critic is not None:
        rate = config.critic_learning_rate or automatic_rate(critic.parameters(), CRITIC_RATE)
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
