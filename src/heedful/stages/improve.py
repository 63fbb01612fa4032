"""`heedful improve`: reinforcement learning against a reward, under a KL leash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from heedful.compute.devices import choose_device
from heedful.errors import Problem
from heedful.language.acting import Acting, PromptTokens
from heedful.language.engines.local import LocalSampler
from heedful.language.guided import Guide, GuidedActing
from heedful.language.heads import Critic, ScalarModel
from heedful.language.policy import LanguagePolicy
from heedful.language.pretrained import LanguageModel
from heedful.language.sampling import Sampling
from heedful.language.tuning import Tuning
from heedful.learning.algorithms import MIXER, NLPO, Algorithms, AnyAlgorithm
from heedful.learning.monitors import Limits, Watch
from heedful.learning.updates import begins_with_a_whole_pass
from heedful.records import Demonstration, Model, Prompt
from heedful.reward.credit import Credit
from heedful.reward.discriminator import Discriminator
from heedful.reward.ledger import Ledger, Prices
from heedful.reward.shaping import Shaping
from heedful.rollouts import Collect, Reward, Stats
from heedful.runs import Run
from heedful.seeds import seed_of
from heedful.stages import scoring
from heedful.stages.checking import checked
from heedful.stages.combining import Combined, combined
from heedful.stages.console import say
from heedful.stages.demonstrated import training_answers
from heedful.stages.discriminating import Discriminating, discriminator, untrained
from heedful.stages.improving import Parts, compute_of, critic_of, go_through, say_how_it_ended, tune_all
from heedful.stages.leash import Leash
from heedful.stages.mixing import answered, mixed
from heedful.stages.project import Project
from heedful.stages.regularising import Regularisers, regularised
from heedful.stages.versions import keep_policy, load_policy, load_reward, start_computing


@dataclass(frozen=True)
class Config:
    """Improve a policy against a reward model, a Python function or a discriminator, under a KL leash."""

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
    adversarial: bool = False
    """Instead of both: a discriminator between the demonstrations and the policy's samples, refitted every step."""
    discriminator: Discriminating = field(default_factory=Discriminating)
    combined: Combined = field(default_factory=Combined)
    reference_samples: int = 128
    """Completions of the reference on which a function's scores are normalised, as a reward model's are, to mean 0 and
    variance 1, so that the leash means the same for every function; 0: a score is taken as it is."""
    cache_scores: bool = False
    """Keep scores in the project and never ask for one twice: for functions that are slow or cost money."""
    prices: Prices = field(default_factory=Prices)
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
    critic: Literal["reward", "policy", "head"] = "reward"
    """What the critic begins from: the reward model, or the policy with a head of zeros, each on a trunk of its own; or
    a head of zeros alone, which reads the policy's trunk and does not move it."""
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
    facts: dict[str, Any] = {
        "policy": project.policy_named(config.policy).id,
        "version": project.next_id("policy"),
        "reward": _reward(project, config),
        "reference": project.policy_named(config.reference).id,
        "function": config.combined.hash_with(config.reward_function),
    }
    current = project.begin("improve", config, name=name, restart=config.restart, **facts)
    facts = current.record["inputs"]
    if current.finished:
        return project.model(facts["version"])
    if facts["function"] != config.combined.hash_with(config.reward_function):
        raise Problem(
            "a reward function has changed since this run began",
            where=" ".join([config.reward_function, *config.combined.others]).strip(),
            mend="put it back as it was, or add --restart to begin anew",
        )
    device = choose_device(config.device)
    model = load_policy(project, project.model(facts["policy"]), device)
    reference = load_policy(project, project.model(facts["reference"]), device).frozen_copy()
    start_computing(current, model, config.device, config.threads)
    learned = bool(facts["reward"]) and not config.reward_function
    judge = load_reward(project, project.model(facts["reward"]), device) if learned else None
    parts = _parts(_Given(project, config, current, model, reference, judge))
    stats = _train(config, current, model, parts)
    seen = None if judge is None else project.model(facts["reward"]).snapshot
    record = Model(
        facts["version"],
        "policy",
        f"policies/{facts['version']}",
        parent=facts["policy"],
        reward=facts["reward"] or None,
        snapshot=next(iter(current.record["snapshots"]), seen),
        run=current.folder.name,
        config={"algorithm": config.algorithm, "seed": config.seed, "steps": config.steps},
        status="candidate",
        metadata={"rewards_beside": list(beside)} if (beside := config.combined.models()) else {},
    )
    keep_policy(project, model, record)
    say_how_it_ended(current, record.id, stats)
    say(parts.ledger.sentence(config.prices))
    stopped, costs = current.record.get("stopped"), parts.ledger.report(config.prices)
    current.finish({"version": record.id, "last": stats, "stopped": stopped, "costs": costs})
    return record


def _reward(project: Project, config: Config) -> str:
    """What is improved against, by name; empty where a discriminator begins from the policy."""
    config.combined.must_fit(cached=config.cache_scores, adversarial=config.adversarial)
    if not config.adversarial:
        return config.reward_function or scoring.newest_reward(project, config.reward)
    for setting in ("reward_function", "cache_scores"):
        if getattr(config, setting):
            raise Problem(
                f"an adversarial reward changes with every step, and goes together with no {setting}",
                where='setting "adversarial"',
                mend="leave one of the two off",
            )
    return "" if config.discriminator.begin == "policy" else scoring.newest_reward(project, config.reward)


@dataclass(frozen=True)
class _Given:
    """What a run begins with."""

    project: Project
    config: Config
    current: Run
    model: LanguageModel
    reference: LanguageModel
    judge: ScalarModel | None


def _parts(given: _Given) -> Parts:
    config, model, run = given.config, given.model, given.current
    chosen, ledger = config.algorithms.named(config.algorithm), Ledger()
    critic = critic_of(config.critic, model, given.judge) if chosen.needs_critic else None
    refitted, scorer, looking = _scorers(given, critic, ledger)
    guide = Guide(model, chosen.rule(model.stop_ids)) if isinstance(chosen, NLPO) else None
    writer = model if guide is None else guide.guided()
    policy = LanguagePolicy(writer, temperature=config.sampling.temperature, critic=critic)
    prompts: Sequence[Prompt] = given.project.prompts("train", run)
    answers: Sequence[Demonstration] = ()
    if isinstance(chosen, MIXER):
        prompts, answers = answered(given.project, run)
    validator = scoring.validator(given.project, config.validator, model, by_text=bool(config.sampling.stop))
    every = 0 if refitted is not None and validator is None else config.check_every
    acting = _acting(given, chosen, writer, prompts)
    samples = config.reference_samples if config.reward_function or config.combined.has_function() else 0
    scale = scoring.scale_of(scorer, acting, samples, run, ledger)
    acting, check = checked(policy, acting, looking, validator, ledger, run.folder, every, config.seed)
    collect: Collect = acting
    if isinstance(chosen, NLPO) and guide is not None:
        collect = GuidedActing(acting, guide, chosen.refresh_due)
    elif isinstance(chosen, MIXER):
        collect = mixed(acting, chosen, answers, model, steps=config.steps)
    return Parts(
        policy,
        collect,
        Shaping(scorer, config.leash.controller(), scale=scale, missing_stop_penalty=config.missing_stop_penalty),
        regularised(chosen, config.regularisers, given.project, run, model),
        Watch(config.monitors if refitted is None else replace(config.monitors, held_out=0.0)),
        check,
        guide,
        refitted,
        ledger,
    )


def _scorers(given: _Given, critic: Critic | None, ledger: Ledger) -> tuple[Discriminator | None, Reward, Reward]:
    """(the discriminator where the reward is adversarial, the scorer of training, that of checks).

    All models are tuned here. A discriminator learns from what it scores in training, and only looks at what it scores
    in checks.
    """
    config, model, judge, run = given.config, given.model, given.judge, given.current
    trained: dict[str, LanguageModel | Critic | None] = {"policy": model, "critic": critic}
    cache = scoring.cache_of(given.project, run.record["inputs"]["reward"]) if config.cache_scores else None

    def scorer(found: Reward) -> Reward:
        return scoring.scorer(found, model, config.credit, ledger, cache, gold=bool(config.world))

    if not config.adversarial:
        by_text = bool(config.sampling.stop)
        found = scoring.bare(judge, config.reward_function, model, by_text=by_text)
        found = combined(found, config.combined, given.project, model, by_text=by_text)
        tune_all(run, trained, [given.reference, judge], config.tuning, seed=config.seed)
        scored = scorer(found)
        return None, scored, scored
    head = untrained(config.discriminator, model, judge)
    tune_all(run, trained | {"discriminator": head}, [given.reference], config.tuning, seed=config.seed)
    refitted = discriminator(
        config.discriminator,
        head,
        model,
        training_answers(given.project, run, "adversarial feedback"),
        config.sampling,
        config.tuning,
        micro_batch=config.micro_batch,
        seed=config.seed,
    )
    return refitted, scorer(refitted), scorer(refitted.look)


def _acting(given: _Given, chosen: AnyAlgorithm, writer: LanguageModel, prompts: Sequence[Prompt]) -> Acting:
    """Prompts to completions; where tokens are masked (NLPO) or given (MIXER), sampled log-probs are no stand-in."""
    config = given.config
    return Acting(
        prompts=prompts,
        sampler=LocalSampler(writer, config.prompts_per_step * config.completions_per_prompt),
        sampling=config.sampling,
        tokens=PromptTokens(writer),
        reference=given.reference,
        prompts_per_step=config.prompts_per_step,
        completions_per_prompt=config.completions_per_prompt,
        seed=seed_of(config.seed, "improve"),
        micro_batch=config.micro_batch,
        provisional=not isinstance(chosen, NLPO | MIXER) and begins_with_a_whole_pass(chosen),
    )


def _train(config: Config, current: Run, model: LanguageModel, parts: Parts) -> Stats:
    compute = compute_of(
        model,
        parts.policy.critic,
        config.tuning,
        micro_batch=config.micro_batch,
        policy_rate=config.learning_rate,
        critic_rate=config.critic_learning_rate,
    )
    return go_through(
        parts,
        model,
        compute,
        current,
        steps=config.steps,
        seed=config.seed,
        checkpoint_every=config.checkpoint_every,
        label=f"{config.algorithm.upper()} improves {current.record['inputs']['policy']}",
    )
