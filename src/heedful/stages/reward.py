"""`heedful reward`: learn from the judgements what people prefer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from heedful.compute.devices import choose_device
from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.feedback import lineage
from heedful.feedback.splits import split
from heedful.feedback.views import comparisons, picks
from heedful.language import prompts as order
from heedful.language.acting import write_completions
from heedful.language.engines.local import LocalSampler
from heedful.language.heads import ScalarModel
from heedful.language.preferring import Encoded
from heedful.language.pretrained import LanguageModel, new_like
from heedful.language.sampling import Sampling
from heedful.language.tuning import Tuning
from heedful.learning.schedules import schedule
from heedful.records import Comparison, Model
from heedful.reward.completions import encode, fit_reward, score_completions, steps_of
from heedful.reward.picking import Choice, encode_choices, fit_choices
from heedful.runs import Run
from heedful.seeds import seed_of
from heedful.stages.console import progress, say
from heedful.stages.examining import examine, in_words
from heedful.stages.preferences import Voices, of_voices
from heedful.stages.project import Project
from heedful.stages.versions import automatic_rate, keep_reward, load_policy, start_computing, tune_for_run

RATE = 0.5
"""Of the automatic learning rate, see `heedful.stages.versions.automatic_rate`."""


@dataclass(frozen=True)
class Config:
    """Train a reward model on every comparison in the store; rate it on prompts that it has not seen."""

    project: Path
    """The project's folder."""
    policy: str = "start"
    """The version whose trunk the reward model begins from."""
    begin: Literal["policy", "random"] = "policy"
    """Begin from the policy's weights, or from random ones of the same shape."""
    holdout_by: str = "prompt"
    """What is never shared between training and held-out comparisons: prompt, or a metadata column."""
    held_out: float = 0.0
    """Share of the prompts (or of the column's values) held out; 0: a tenth of the prompts, a quarter of the values."""
    tuning: Tuning = field(default_factory=Tuning)
    epochs: float = 1.0
    """Passes over the training comparisons; more of them soon overfit."""
    pairs_per_step: int = 64
    """Comparisons per optimiser step."""
    learning_rate: float = 0.0
    """0 chooses by the model's size."""
    weight_decay: float = 0.01
    """Decoupled weight decay."""
    learn: Literal["pairs", "best"] = "pairs"
    """From rankings and choices among several: every pair of them, or only which one is the best."""
    voices: Voices = "any"
    """Whose answers: people, models, both; any stops where both answered."""
    noise_floor: float = 0.0
    """Chance that an answer is a coin toss."""
    margins: bool = False
    """Ask for larger score differences where people were surer (strength of preference)."""
    reference_samples: int = 256
    """Completions of the start policy on which scores are normalised to mean 0 and variance 1."""
    max_new_tokens: int = 64
    """Length limit of those completions."""
    skip_overlong: bool = False
    """Leave out comparisons whose prompt fills the model's context, instead of stopping."""
    micro_batch: int = 32
    """Comparisons of like length per forward and backward pass; 0: all of a step. Never changes the result."""
    checkpoint_every: int = 50
    """Steps between checkpoints."""
    seed: int = 0
    """Decides the split, the head's first weights and the order."""
    device: str = "auto"
    """cpu, cuda, or auto."""
    threads: int = 0
    """CPU threads; 0 measures which number is fastest."""
    restart: bool = False
    """Put an unfinished run aside and begin anew."""


def run(config: Config, *, name: str = "") -> Model:
    """Train on a snapshot of the judgements, report held-out accuracy beside the prefer-longer baseline, save.

    Raises:
        Problem: there are no judgements yet, none to hold out, people's and models' would be mixed unasked, or a
            comparison does not fit the model.
    """
    project = Project.open(config.project)
    if config.learn == "best" and (config.noise_floor or config.margins):
        raise Problem("noise_floor and margins are of pairs", mend="leave them out, or learn from pairs")
    base, new = project.policy_named(config.policy).id, project.next_id("reward")
    current = project.begin("reward", config, name=name, restart=config.restart, policy=base, model=new)
    if current.finished:
        return project.model(current.result["model"])
    base, new = current.record["inputs"]["policy"], current.record["inputs"]["model"]
    training, aside = _comparisons(project, current, config)
    policy = load_policy(project, project.model(base), choose_device(config.device))
    start_computing(current, policy, config.device, config.threads)
    model = _begin(config, policy)
    tune_for_run(current, {"reward model": model}, config.tuning, seed=config.seed)
    to_learn = encode(model, training, skip_overlong=config.skip_overlong)
    to_examine = encode(model, aside, skip_overlong=config.skip_overlong)
    _tell(config, to_learn, to_examine)
    _train(config, project, model, to_learn, current, training)
    model.normalise(_reference_scores(project, config, current, model, policy, base))
    accuracy, calibrated = examine(project, model, to_examine, config.holdout_by)
    say(f"Held-out comparisons: {in_words(accuracy)}.")
    record = Model(
        new,
        "reward",
        f"rewards/{new}",
        parent=base,
        snapshot=current.record["snapshots"][0],
        run=current.folder.name,
        config={"seed": config.seed, "epochs": config.epochs, "begin": config.begin, "holdout_by": config.holdout_by},
        metadata={"accuracy": accuracy.accuracy.value},
    )
    keep_reward(project, model, record)
    current.finish(
        {
            "model": new,
            "pairs": len(to_learn.pairs),
            "held_out": len(to_examine.pairs),
            "votes": sum(pair.weight for pair in to_learn.pairs),
            "accuracy": asdict(accuracy),
            "calibration": asdict(calibrated),
        }
    )
    return record


def _comparisons(project: Project, current: Run, config: Config) -> tuple[list[Comparison], list[Comparison]]:
    """Training and held-out comparisons of the run's snapshot, which is taken at its first start."""

    def divided(found: list[Comparison]) -> tuple[list[Comparison], list[Comparison]]:
        # A column has few values as a rule, and an interval clustered by two of them would say nothing.
        share = config.held_out or (0.1 if config.holdout_by == "prompt" else 0.25)
        # By a stream of its own: with the project's, what is drawn here would be what evaluation has drawn already.
        drawn = seed_of(config.seed, "held out answers")
        learnt, aside = split(found, by=config.holdout_by, held_out=share, seed=drawn)
        kept = project.examination_prompts(current)
        if config.holdout_by == "prompt":
            aside += [item for item in learnt if item.prompt.id in kept]
        return [item for item in learnt if item.prompt.id not in kept], aside

    if current.record["snapshots"]:
        frozen = lineage.snapshot_that_stands(project.store, current.record["snapshots"][0])
        return divided(comparisons(project.store, judgement_ids=frozen.judgement_ids))
    found = comparisons(project.store, judgement_ids=of_voices(project.store, config.voices))
    if not found:
        whose = {"people": " of people's", "models": " of models'"}.get(config.voices, "")
        raise Problem(
            f"there are no judgements{whose} yet",
            where=str(project.folder),
            mend="import some with `heedful import`, or collect and judge: `heedful collect`, `heedful judge`",
        )
    parts = divided(found)
    taken = lineage.snapshot(project.store, {id_ for item in found for id_ in item.judgement_ids})
    current.note(snapshots=[taken.hash])
    return parts


def _begin(config: Config, policy: LanguageModel) -> ScalarModel:
    trunk = policy if config.begin == "policy" else new_like(policy, seed_of(config.seed, "trunk"))
    return ScalarModel(trunk, seed=seed_of(config.seed, "head"))


def _tell(config: Config, to_learn: Encoded, to_examine: Encoded) -> None:
    by = "prompts" if config.holdout_by == "prompt" else f"values of {config.holdout_by!r}"
    say(f"Learning from {len(to_learn.pairs):,} comparisons; {len(to_examine.pairs):,} on other {by} are held out.")
    if cut := to_learn.cut + to_examine.cut:
        say(f"{cut:,} completions are longer than the model's context and were cut at the end.")
    if left_out := to_learn.left_out + to_examine.left_out:
        say(f"{left_out:,} comparisons were left out: their prompt fills the model's context.")
    if not to_learn.pairs or not to_examine.pairs:
        raise Problem("no comparisons are left to learn from or to examine with", mend="collect more judgements")


def _train(
    config: Config, project: Project, model: ScalarModel, data: Encoded, current: Run, training: Sequence[Comparison]
) -> None:
    compute = LocalCompute(model.device, micro_batch=config.micro_batch, weight_decay=config.weight_decay)
    rate = config.learning_rate or automatic_rate(model.parameters(), RATE, config.tuning)
    compute.prepare([(model.parameters(), rate)])
    pairs = data.pairs if config.margins else [pair.without_margin() for pair in data.pairs]
    choices = _choices(project, config, model, training) if config.learn == "best" else []
    steps = steps_of(len(choices or pairs), config.pairs_per_step, config.epochs)
    with progress("Reward model", steps, done=current.resume()[0]) as advance:
        how: Any = {
            "epochs": config.epochs,
            "seed": config.seed,
            "schedule": schedule("linear", steps, warm_up_steps=min(steps // 20, steps - 1)),
            "checkpoint_every": config.checkpoint_every,
            "on_step": lambda _step, stats: advance(
                metrics={name: stats[name] for name in ("loss", "accuracy") if name in stats}
            ),
        }
        if choices:
            fit_choices(model, choices, compute, current, per_step=config.pairs_per_step, **how)
        else:
            noise = config.noise_floor
            fit_reward(model, pairs, compute, current, pairs_per_step=config.pairs_per_step, noise_floor=noise, **how)


def _choices(project: Project, config: Config, model: ScalarModel, training: Sequence[Comparison]) -> list[Choice]:
    """What the judgements behind the training comparisons say of the best ones."""
    ids = {id_ for item in training for id_ in item.judgement_ids}
    found = encode_choices(model, picks(project.store, judgement_ids=ids), skip_overlong=config.skip_overlong)
    several = sum(len(choice.candidates) > 2 for choice in found)
    say(f"They are {len(found):,} choices of the best, {several:,} of them among three or more.")
    return found


def _reference_scores(
    project: Project, config: Config, current: Run, model: ScalarModel, policy: LanguageModel, base: str
) -> torch.Tensor:
    """Scores of the start policy's own completions, on which mean 0 and variance 1 are defined."""
    prompts = order.batch(
        project.prompts("train", current), 0, config.reference_samples, seed_of(config.seed, "reference")
    )
    longest = max(1, min(config.max_new_tokens, policy.context_tokens // 2))
    room = [prompt for prompt in prompts if len(policy.encode(prompt.as_text())) + longest <= policy.context_tokens - 8]
    if not room:
        raise Problem("no prompt leaves room for an answer", mend="use shorter prompts, or lower --max-new-tokens")
    written = write_completions(
        policy,
        LocalSampler(policy),
        room,
        Sampling(max_new_tokens=longest),
        policy=base,
        seed=seed_of(config.seed, "reference"),
    )
    return score_completions(model, room, [completion.text for completion in written])
