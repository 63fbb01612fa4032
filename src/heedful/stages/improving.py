"""What a run of `improve` is made of, and the loop that goes through its parts."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from heedful.compute.local import LocalCompute
from heedful.language.guided import Guide
from heedful.language.heads import Critic, ScalarModel, ValueHead
from heedful.language.policy import LanguagePolicy
from heedful.language.pretrained import LanguageModel, fingerprint
from heedful.language.tuning import Tuning, size
from heedful.learning.improve import improve
from heedful.learning.monitors import Watch
from heedful.learning.regularisers import Regularised
from heedful.learning.schedules import schedule
from heedful.reward.discriminator import Discriminator
from heedful.reward.ledger import Ledger
from heedful.reward.shaping import Shaping
from heedful.rollouts import Algorithm, Collect, Stateful, Stats
from heedful.runs import Run
from heedful.stages.checking import Check
from heedful.stages.console import progress, say
from heedful.stages.excerpts import Excerpts, newest
from heedful.stages.versions import automatic_rate, share_what_is_frozen, tune_for_run

POLICY_RATE = 0.05
CRITIC_RATE = 0.5
"""Factors of the automatic learning rates, see `heedful.stages.versions.automatic_rate`."""


@dataclass(frozen=True)
class Parts:
    """Everything that acts, scores, learns and watches in a run."""

    policy: LanguagePolicy
    collect: Collect
    shaping: Shaping
    algorithm: Algorithm
    watch: Watch
    check: Check | None
    guide: Guide | None
    discriminator: Discriminator | None
    ledger: Ledger

    def state(self, model: LanguageModel) -> dict[str, Stateful]:
        """Everything that changes, by name.

        Args:
            model: the policy's own, which a guide may restrict.
        """
        parts: dict[str, Stateful | None] = {"policy": model, "shaping": self.shaping, "critic": self.policy.critic}
        parts |= {"watch": self.watch, "check": self.check, "mask": self.guide}
        parts |= {"discriminator": self.discriminator, "ledger": self.ledger}
        parts["terms"] = self.algorithm if isinstance(self.algorithm, Regularised) else None
        return {name: part for name, part in parts.items() if part is not None}

    def booked(self) -> tuple[Collect, Algorithm]:
        """How completions are collected and learnt from, with what it costs written down."""
        return self.ledger.collecting(self.collect), self.ledger.updating(self.algorithm)

    def seen(self, step: int) -> Stats:
        """What is logged of a step besides what the loop knows."""
        refitted = {} if self.discriminator is None else self.discriminator.stats()
        return refitted | ({} if self.check is None else self.check(step))


def critic_of(begin: Literal["reward", "policy", "head"], model: LanguageModel, judge: ScalarModel | None) -> Critic:
    """The value network, on a trunk of its own (Huang et al. 2024: from the reward model), or a head on the policy's.

    Args:
        begin: see the setting `critic` of `heedful improve`.
        model: the policy; with a head of zeros it is the critic where there is no other.
        judge: the reward model; left aside where it reads other tokens.
    """
    if begin == "head":
        return ValueHead(model)
    if begin == "policy" or judge is None or fingerprint(judge.tokenizer) != fingerprint(model.tokenizer):
        return ScalarModel(model, zero=True)
    return copy.deepcopy(judge)


def tune_all(
    run: Run,
    models: Mapping[str, LanguageModel | Critic | None],
    others: Sequence[LanguageModel | ScalarModel | None],
    tuning: Tuning,
    *,
    seed: int,
) -> None:
    """Choose what is trained of each model there is, all of a head alone; `others` share what stays frozen."""
    trained = {name: model for name, model in models.items() if isinstance(model, LanguageModel | ScalarModel)}
    tune_for_run(run, trained, tuning, seed=seed)
    for name, model in models.items():
        if isinstance(model, ValueHead):
            found = size(model.parameters())
            say(f"Training {found} of the {name}.")
            run.note(parameters=run.record["parameters"] | {name: {"trained": found.trained, "all": found.total}})
    share_what_is_frozen(list(trained.values()), others)


def compute_of(
    model: LanguageModel,
    critic: Critic | None,
    tuning: Tuning,
    *,
    micro_batch: int,
    policy_rate: float,
    critic_rate: float,
) -> LocalCompute:
    """The optimiser of the policy and, where there is one, the critic, each with a learning rate; 0 chooses one."""
    compute = LocalCompute(model.device, micro_batch=micro_batch)
    rates = [(model.parameters(), policy_rate or automatic_rate(model.parameters(), POLICY_RATE, tuning))]
    if critic is not None:
        alone = isinstance(critic, ValueHead)  # no adapters of its own, and the size of the trunk that it reads
        sized, tuned = (model, None) if alone else (critic, tuning)
        rate = critic_rate or automatic_rate(sized.parameters(), CRITIC_RATE, tuned)
        rates.append((critic.parameters(), rate))
    compute.prepare(rates)
    return compute


def go_through(
    parts: Parts,
    model: LanguageModel,
    compute: LocalCompute,
    run: Run,
    *,
    steps: int,
    seed: int,
    checkpoint_every: int,
    label: str,
) -> Stats:
    """Improve the policy step by step, noting alarms; back to the best check where one of them ends the run.

    Returns:
        The stats of the last step.
    """
    collect, algorithm = parts.booked()
    done = run.resume()[0]
    with progress(label, steps, done=done) as advance:

        def on_step(step: int, stats: Stats) -> Stats:
            advance(metrics={key: stats[key] for key in ("score", "kl", "length")})
            return parts.seen(step)

        stats = improve(
            parts.policy,
            collect,
            Excerpts(run.folder, done).rewarding(parts.shaping),
            algorithm,
            compute,
            run,
            steps=steps,
            seed=seed,
            state=parts.state(model),
            schedule=schedule("linear", steps),
            checkpoint_every=checkpoint_every,
            on_step=on_step,
            stop=parts.watch.stop,
        )
    run.note(alarms=[asdict(alarm) for alarm in parts.watch.alarms], excerpts=newest(run.folder))
    check = parts.check
    if run.record.get("stopped") and check is not None and check.best is not None:
        check.go_back()
        run.note(rolled_back={"step": check.step, "score": check.best})
    return stats


def say_how_it_ended(run: Run, version: str, stats: Stats) -> None:
    """Where an alarm stopped it, what weights the version has, and how far it went."""
    if stopped := run.record.get("stopped"):
        say(f"Stopped after {stopped['step'] + 1} steps: {stopped['reason']}.")
    if back := run.record.get("rolled_back"):
        say(f"Went back to the best check, after {back['step'] + 1} steps (score {back['score']:+.2f}).")
    else:
        reference = run.record["inputs"]["reference"]
        say(f"{version}: KL {stats['kl']:.2f} nats from {reference}, score {stats['score']:+.2f}.")
