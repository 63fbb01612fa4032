"""What `prefer` does between the store and the new version: encode, look up the reference, train, examine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.evaluation.accuracy import pair_accuracy
from heedful.evaluation.clusters import clustering_of
from heedful.evaluation.intervals import proportion_interval
from heedful.files import write_json
from heedful.language.acting import write_completions
from heedful.language.engines.local import LocalSampler
from heedful.language.preferring import Encoded, Mark, Opinion, encode_marks, encode_pairs
from heedful.language.pretrained import LanguageModel
from heedful.language.sampling import Sampling
from heedful.learning.direct import KTO
from heedful.learning.direct.pairs import PairLoss
from heedful.learning.schedules import schedule
from heedful.records import Comparison, Demonstration
from heedful.reward.direct import (
    Fitting,
    Known,
    fit_marks,
    fit_pairs,
    implied_rewards,
    reference_logprobs,
    reference_point_of,
)
from heedful.rollouts import Stats
from heedful.runs import Run
from heedful.seeds import seed_of
from heedful.stages.console import Advance, progress, say, with_interval
from heedful.stages.examining import in_words
from heedful.stages.preferences import Preferences, above_samples, opinions

REFERENCE = "reference.json"
"""In the run's folder: the reference's log-probabilities, computed once."""


@dataclass(frozen=True)
class Training:
    """How a policy is trained on preferences."""

    epochs: float = 1.0
    """Passes over the training answers."""
    per_step: int = 64
    """Comparisons (kto: completions) per optimiser step."""
    learning_rate: float = 0.0
    """0 chooses by the model's size; it falls to 0 in a straight line."""
    weight_decay: float = 0.0
    """Decoupled weight decay."""
    micro_batch: int = 32
    """Comparisons of like length per forward and backward pass; 0: all of a step. Never changes the result."""
    checkpoint_every: int = 50
    """Steps between checkpoints."""


@dataclass(frozen=True)
class Examples:
    """Answers to learn from and held-out ones, and how they become token ids."""

    training: Preferences
    aside: Preferences
    holdout_by: str
    """What the held-out ones share with no training one: prompt, or a metadata column."""
    skip_overlong: bool
    """Leave out answers whose prompt fills the model's context."""
    margins: bool
    """Ask for larger differences where people were surer."""
    sampling: Sampling
    """Of own samples beside demonstrations."""
    bad_flags: tuple[str, ...]
    """Flags that make a completion a bad one."""
    seed: int
    """Of samples, partners and the order."""


def learn_pairs(
    training: Training,
    run: Run,
    model: LanguageModel,
    reference: LanguageModel,
    examples: Examples,
    method: PairLoss,
) -> dict[str, Any]:
    """Train `model` in place on comparisons; how many there were, the last step's metrics, held-out accuracy.

    Raises:
        Problem: nothing is left to learn from or to examine with.
    """
    to_learn, to_examine = (
        _encoded_pairs(model, run, part, examples, name)
        for name, part in (("train", examples.training), ("held-out", examples.aside))
    )
    _tell(len(to_learn.pairs), len(to_examine.pairs), "comparisons", examples.holdout_by)
    known = None
    if method.needs_reference:
        sides = [side for pair in [*to_learn.pairs, *to_examine.pairs] for side in pair.sides]
        known = reference_logprobs(reference, sides, run.folder / REFERENCE)
    fitting, compute = _fitting(training, len(to_learn.pairs), examples.seed), _compute(training, model)
    with progress("Preferences", fitting.steps(len(to_learn.pairs)), done=run.resume()[0]) as advance:
        stats = fit_pairs(model, to_learn.pairs, method, known, compute, run, _showing(fitting, advance))
    return {
        "pairs": len(to_learn.pairs),
        "votes": sum(pair.weight for pair in to_learn.pairs),
        "held_out": len(to_examine.pairs),
        "last": stats,
        **_examine_pairs(model, to_examine, method, known, examples.holdout_by),
    }


def learn_marks(
    training: Training,
    run: Run,
    model: LanguageModel,
    reference: LanguageModel,
    examples: Examples,
    method: KTO,
) -> dict[str, Any]:
    """Train `model` in place on single completions called good or bad; what is to be reported.

    Raises:
        Problem: nothing is left to learn from or to examine with, or all labels are about one prompt.
    """
    parts = [opinions(part, examples.bad_flags) for part in (examples.training, examples.aside)]
    _tell(len(parts[0]), len(parts[1]), "labelled completions", examples.holdout_by)
    (marks, _), (held, kept) = (
        encode_marks(model, part, seed=examples.seed, skip_overlong=examples.skip_overlong) for part in parts
    )
    both = encode_pairs(model, examples.aside.comparisons, skip_overlong=examples.skip_overlong)
    needed = [each for mark in [*marks, *held] for each in (mark.example, mark.mismatched)]
    needed += [side for pair in both.pairs for side in pair.sides]
    known = reference_logprobs(reference, needed, run.folder / REFERENCE)
    fitting, compute = _fitting(training, len(marks), examples.seed), _compute(training, model)
    with progress("Labels", fitting.steps(len(marks)), done=run.resume()[0]) as advance:
        stats = fit_marks(model, marks, method, known, compute, run, _showing(fitting, advance))
    report = _examine_marks(model, held, kept, method, known)
    if any(pair.target != 0.5 for pair in both.pairs):
        report |= _examine_pairs(model, both, method, known, examples.holdout_by)
    return {"labels": sum(mark.weight for mark in marks), "held_out": len(held), "last": stats, **report}


def _encoded_pairs(model: LanguageModel, run: Run, part: Preferences, examples: Examples, name: str) -> Encoded:
    """Comparisons, and demonstrations above the policy's own samples, in token ids."""
    found = [*part.comparisons, *_above_own(model, run, part.demonstrations, examples, name)]
    encoded = encode_pairs(model, found, skip_overlong=examples.skip_overlong)
    if encoded.cut:
        say(f"{encoded.cut:,} completions are longer than the model's context and were cut at the end.")
    if encoded.left_out:
        say(f"{encoded.left_out:,} comparisons were left out: their prompt fills the model's context.")
    if examples.margins:
        return encoded
    return replace(encoded, pairs=[pair.without_margin() for pair in encoded.pairs])


def _above_own(
    model: LanguageModel, run: Run, shown: Sequence[Demonstration], examples: Examples, name: str
) -> list[Comparison]:
    """Demonstrations preferred to what the policy itself writes; it writes once, and the run keeps it."""
    if not shown:
        return []
    path = run.folder / f"samples-{name}.json"
    if not path.is_file():
        written = write_completions(
            model,
            LocalSampler(model),
            [item.prompt for item in shown],
            examples.sampling,
            policy=run.record["inputs"]["policy"],
            seed=seed_of(examples.seed, "samples", name),
        )
        write_json(path, [completion.text for completion in written])
    return above_samples(shown, json.loads(path.read_text(encoding="utf-8")))


def _tell(learnt: int, held: int, what: str, by: str) -> None:
    if not learnt or not held:
        raise Problem(
            f"no {what} are left to {'examine with' if learnt else 'learn from'}", mend="collect more of them"
        )
    others = "prompts" if by == "prompt" else f"values of {by!r}"
    say(f"Learning from {learnt:,} {what}; {held:,} on other {others} are held out.")


def _compute(training: Training, model: LanguageModel) -> LocalCompute:
    compute = LocalCompute(model.device, micro_batch=training.micro_batch, weight_decay=training.weight_decay)
    compute.prepare([(model.parameters(), training.learning_rate)])
    return compute


def _fitting(training: Training, items: int, seed: int) -> Fitting:
    found = Fitting(training.epochs, training.per_step, seed, schedule("constant", 1), training.checkpoint_every)
    steps = found.steps(items)
    return replace(found, schedule=schedule("linear", steps, warm_up_steps=min(steps // 20, steps - 1)))


def _showing(fitting: Fitting, advance: Advance) -> Fitting:
    def on_step(_step: int, stats: Stats) -> None:
        advance(metrics={name: stats[name] for name in ("loss", "accuracy", "reward_margin") if name in stats})

    return replace(fitting, on_step=on_step)


def _examine_pairs(
    model: LanguageModel, data: Encoded, method: PairLoss | KTO, known: Known | None, holdout_by: str
) -> dict[str, Any]:
    """How often the implied reward orders held-out pairs as people do, beside always preferring the longer one."""
    a, b = (implied_rewards(model, [pair.sides[at] for pair in data.pairs], method.rewards, known) for at in (0, 1))
    items = data.comparisons
    accuracy = pair_accuracy(
        a - b,
        [pair.target for pair in data.pairs],
        [item.prompt.id if holdout_by == "prompt" else str(item.metadata[holdout_by]) for item in items],
        length_difference_N=[len(item.a) - len(item.b) for item in items],
    )
    say(f"Held-out comparisons: {in_words(accuracy)}.")
    return {"accuracy": asdict(accuracy)}


def _examine_marks(
    model: LanguageModel, marks: Sequence[Mark], kept: Sequence[Opinion], method: KTO, known: Known
) -> dict[str, Any]:
    """How often the implied reward lies on the right side of the reference point, beside the commoner label."""
    z = float(reference_point_of(model, marks, known))
    gain = implied_rewards(model, [mark.example for mark in marks], method.rewards, known) - method.beta * z
    decided = [i for i, mark in enumerate(marks) if mark.good != 0.5]
    if not decided:
        return {}
    clusters = clustering_of(None, [kept[i].prompt.id for i in decided], "prompt")
    good = [marks[i].good > 0.5 for i in decided]
    common = sum(good) >= len(good) / 2
    right = proportion_interval([float((gain[i] > 0) == said) for i, said in zip(decided, good, strict=True)], clusters)
    guess = proportion_interval([float(said == common) for said in good], clusters)
    say(
        f"Held-out labels: accuracy {with_interval(right.value, right.low, right.high, percent=True)} on "
        f"{len(decided):,}; always saying {'good' if common else 'bad'} "
        f"{with_interval(guess.value, guess.low, guess.high, percent=True)}."
    )
    return {"label_accuracy": asdict(right), "label_baseline": asdict(guess)}
