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
from heedful.feedback.ballots import picks, rankings
from heedful.feedback.store import Store
from heedful.feedback.views import comparisons
from heedful.language import prompts as order
from heedful.language.acting import write_completions
from heedful.language.engines.local import LocalSampler
from heedful.language.heads import ScalarModel
from heedful.language.preferring import Encoded
from heedful.language.pretrained import LanguageModel, new_like
from heedful.language.sampling import Sampling
from heedful.language.tuning import Tuning
from heedful.learning.schedules import schedule
from heedful.records import Model
from heedful.reward.candidates import fit_candidates
from heedful.reward.completions import encode, fit_reward, per_ranking, score_completions, steps_of
from heedful.reward.grading import logistic, squared
from heedful.reward.ordering import encode_ballots, in_order
from heedful.reward.picking import best_of_all, encode_choices
from heedful.runs import Run
from heedful.seeds import seed_of
from heedful.stages.answers import Voices, frozen_answers
from heedful.stages.console import progress, say
from heedful.stages.examining import examine, in_words
from heedful.stages.grading import Graded, examine_grades, graded, labels_of, of_single
from heedful.stages.label_curve import learnt_from_fewer
from heedful.stages.project import Project
from heedful.stages.trust import Trust, trusted
from heedful.stages.versions import automatic_rate, keep_reward, load_policy, start_computing, tune_for_run

RATE = 0.5
"""Of the automatic learning rate, see `heedful.stages.versions.automatic_rate`."""


@dataclass(frozen=True)
class Config:
    """Train a reward model on what people said; examine it on prompts that it has not seen."""

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
    learn: Literal["pairs", "best", "order", "ratings", "flags", "thumbs"] = "pairs"
    """Comparisons and every pair of a ranking; of choices among several only which one is the best; their whole order;
    or of single completions how they were rated, how likely people flag them, or how likely they like them."""
    per_ranking: bool = True
    """All pairs of one ranking together weigh as much as one comparison, not as many."""
    aspects: dict[str, float] = field(default_factory=dict)
    """ratings: the weight of each aspect (helpful 1 honest 2); all that were rated, equally, when left out."""
    flags: tuple[str, ...] = ()
    """flags: which behaviours; any of them when left out."""
    voices: Voices = "any"
    """Whose answers: people, models, both; any stops where both answered."""
    noise_floor: float = 0.0
    """Chance that an answer is a coin toss."""
    margins: bool = False
    """Ask for larger score differences where people were surer (strength of preference)."""
    trust: Trust = field(default_factory=Trust)
    curve: bool = True
    """Say what fewer comparisons would have taught a small model: the learning curve."""
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
    if config.learn != "pairs" and (config.noise_floor or config.margins or config.trust != Trust()):
        raise Problem("noise_floor, margins and trust are of pairs", mend="leave them out, or learn from pairs")
    base, new = project.policy_named(config.policy).id, project.next_id("reward")
    current = project.begin("reward", config, name=name, restart=config.restart, policy=base, model=new)
    if current.finished:
        return project.model(current.result["model"])
    base, new = current.record["inputs"]["policy"], current.record["inputs"]["model"]
    answers, aside = frozen_answers(
        project,
        current,
        lambda ids: _read(project.store, config, ids),
        needed=f"this needs {config.learn if of_single(config.learn) else 'comparisons, rankings or edits'}",
        voices=config.voices,
        by=config.holdout_by,
        held_out=config.held_out,
        seed=config.seed,
    )
    answers = trusted(project, current, config.trust, answers)
    policy = load_policy(project, project.model(base), choose_device(config.device))
    start_computing(current, policy, config.device, config.threads)
    model = _begin(config, policy)
    tune_for_run(current, {"reward model": model}, config.tuning, seed=config.seed)
    lesson = _lesson(config, model, answers, aside)
    _train(config, project, model, lesson, current)
    model.normalise(_reference_scores(project, config, current, model, policy, base))
    result, headline, words = _examined(config, project, model, lesson)
    say(f"Held out, {words}." if isinstance(lesson, Graded) else f"Held-out comparisons: {words}.")
    if config.curve and isinstance(lesson, _Compared):
        result["learning_curve"] = learnt_from_fewer(policy, lesson.to_learn, lesson.to_examine, config)
    record = Model(
        new,
        "reward",
        f"rewards/{new}",
        parent=base,
        snapshot=current.record["snapshots"][0],
        run=current.folder.name,
        config={"seed": config.seed, "learn": config.learn, "epochs": config.epochs, "holdout_by": config.holdout_by},
        metadata={"accuracy": headline},
    )
    keep_reward(project, model, record)
    current.finish({"model": new, **result})
    return record


@dataclass(frozen=True)
class _Compared:
    """Comparisons in token ids."""

    to_learn: Encoded
    to_examine: Encoded


def _read(store: Store, config: Config, ids: set[str]) -> list[Any]:
    """What these judgements say, in the shape that is learnt."""
    if of_single(config.learn):
        return labels_of(store, config.learn, ids)
    return comparisons(store, judgement_ids=ids)


def _begin(config: Config, policy: LanguageModel) -> ScalarModel:
    trunk = policy if config.begin == "policy" else new_like(policy, seed_of(config.seed, "trunk"))
    return ScalarModel(trunk, seed=seed_of(config.seed, "head"))


def _lesson(config: Config, model: ScalarModel, answers: list[Any], aside: list[Any]) -> _Compared | Graded:
    """Answers in the reward model's token ids; says how many there are."""
    if of_single(config.learn):
        named: dict[str, Any] = {"aspects": config.aspects, "flags": config.flags}
        return graded(model, config.learn, answers, aside, skip_overlong=config.skip_overlong, **named)
    lesson = _Compared(*(encode(model, part, skip_overlong=config.skip_overlong) for part in (answers, aside)))
    to_learn, to_examine = lesson.to_learn, lesson.to_examine
    by = "prompts" if config.holdout_by == "prompt" else f"values of {config.holdout_by!r}"
    say(f"Learning from {len(to_learn.pairs):,} comparisons; {len(to_examine.pairs):,} on other {by} are held out.")
    if cut := to_learn.cut + to_examine.cut:
        say(f"{cut:,} completions are longer than the model's context and were cut at the end.")
    if left_out := to_learn.left_out + to_examine.left_out:
        say(f"{left_out:,} comparisons were left out: their prompt fills the model's context.")
    if not to_learn.pairs or not to_examine.pairs:
        raise Problem("no comparisons are left to learn from or to examine with", mend="collect more judgements")
    return lesson


def _train(config: Config, project: Project, model: ScalarModel, lesson: _Compared | Graded, current: Run) -> None:
    compute = LocalCompute(model.device, micro_batch=config.micro_batch, weight_decay=config.weight_decay)
    rate = config.learning_rate or automatic_rate(model.parameters(), RATE, config.tuning)
    compute.prepare([(model.parameters(), rate)])
    items, loss = _items(config, project, model, lesson)
    steps = steps_of(len(items), config.pairs_per_step, config.epochs)
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
        size = config.pairs_per_step
        if loss is None:
            noise = config.noise_floor
            fit_reward(model, items, compute, current, pairs_per_step=size, noise_floor=noise, **how)
        else:
            fit_candidates(model, items, loss, compute, current, per_step=size, **how)


def _items(
    config: Config, project: Project, model: ScalarModel, lesson: _Compared | Graded
) -> tuple[Sequence[Any], Any]:
    """(What is learnt from, in token ids; its loss, or None for pairs)."""
    if isinstance(lesson, Graded):
        return lesson.to_learn, squared if lesson.learn == "ratings" else logistic
    if config.learn == "pairs":
        pairs = per_ranking(lesson.to_learn) if config.per_ranking else lesson.to_learn.pairs
        keeps = config.margins or config.trust.audit == "margin"
        return pairs if keeps else [pair.without_margin() for pair in pairs], None
    ids = {id_ for item in lesson.to_learn.comparisons for id_ in item.judgement_ids}
    best, overlong = config.learn == "best", config.skip_overlong
    found: Sequence[Any]
    if best:
        found = encode_choices(model, picks(project.store, judgement_ids=ids), skip_overlong=overlong)
    else:
        orders = rankings(project.store, judgement_ids=ids)
        found = encode_ballots(model, orders, skip_overlong=overlong, seed=seed_of(config.seed, "ties"))
    several = sum(len(item.candidates) > 2 for item in found)
    what = "choices of the best" if best else "orders"
    say(f"They are {len(found):,} {what}, {several:,} of them among three or more.")
    return found, best_of_all if best else in_order


def _examined(
    config: Config, project: Project, model: ScalarModel, lesson: _Compared | Graded
) -> tuple[dict[str, Any], float, str]:
    """(result, headline number, words) on what was held out."""
    if isinstance(lesson, Graded):
        return examine_grades(model, lesson, config.holdout_by, config.seed)
    accuracy, calibrated = examine(project, model, lesson.to_examine, config.holdout_by)
    result = {
        "pairs": len(lesson.to_learn.pairs),
        "held_out": len(lesson.to_examine.pairs),
        "votes": sum(pair.weight for pair in lesson.to_learn.pairs),
        "accuracy": asdict(accuracy),
        "calibration": asdict(calibrated),
    }
    return result, accuracy.accuracy.value, in_words(accuracy)


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
