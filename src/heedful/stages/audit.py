"""`heedful audit`: which labels are probably wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from heedful.compute.devices import choose_device
from heedful.evaluation.accuracy import pair_accuracy
from heedful.feedback.quality.audit import CrossFit, Suspicion, cross_fit, suspicious_labels
from heedful.feedback.quality.shares import share
from heedful.feedback.quality.weighing import votes_on
from heedful.feedback.splits import group_of
from heedful.feedback.views import comparisons
from heedful.files import write_text
from heedful.language.preferring import Pair, encode_pairs
from heedful.language.pretrained import LanguageModel
from heedful.records import Comparison
from heedful.reward.features import Floats
from heedful.reward.voters import Pace, Voter, linear_voter, whole_voter
from heedful.runs import Run
from heedful.stages.answers import Voices, frozen_answers
from heedful.stages.console import progress, say, show, with_interval
from heedful.stages.project import Project
from heedful.stages.trust import FILE, pair_id
from heedful.stages.versions import automatic_rate, load_policy, start_computing

VOTERS = "voters"
"""The folder of a run in which whole voters learn."""

BEGINNING = 120
"""Characters of a text that a row of the file shows."""

RATE = 0.5
"""Of the automatic learning rate of whole voters, as of `heedful reward`."""

SHOWN = 10
"""Annotators in the table that is printed; the run's result has all."""


@dataclass(frozen=True)
class Config:
    """Find labels that are probably wrong: reward models judge comparisons that they have not learnt from.

    What is held out is divided as in `heedful reward`: nothing is learnt from it here either.
    """

    project: Path
    """The project's folder."""
    policy: str = "start"
    """The version whose features, or whose trunk, the voters have."""
    voters: Literal["linear", "whole"] = "linear"
    """Linear heads on the frozen version's features, in seconds; or whole reward models, each trained anew."""
    models: int = 10
    """How many voters there are: an even number. Half of them judge a comparison, the others learn from it."""
    epochs: float = 1.0
    """whole: passes over what each learns from."""
    pairs_per_step: int = 64
    """whole: comparisons per optimiser step."""
    learning_rate: float = 0.0
    """whole: 0 chooses by the model's size."""
    micro_batch: int = 32
    """whole: comparisons per forward and backward pass. Never changes the result."""
    checkpoint_every: int = 50
    """whole: steps between checkpoints."""
    holdout_by: str = "prompt"
    """As in `heedful reward`."""
    held_out: float = 0.0
    """As in `heedful reward`."""
    voices: Voices = "any"
    """Whose answers: people, models, both; any stops where both answered."""
    skip_overlong: bool = False
    """Leave out comparisons whose prompt fills the model's context, instead of stopping."""
    seed: int = 0
    """Decides what is held out (as in `heedful reward`), and what each voter learns from."""
    device: str = "auto"
    """cpu, cuda, or auto."""
    threads: int = 0
    """CPU threads; 0 measures which number is fastest."""
    restart: bool = False
    """Put an unfinished run aside and begin anew."""


def run(config: Config) -> Path:
    """Rank all comparisons by the strength of their labels, and write them to a file; nothing stored is changed.

    Returns:
        The file, one JSON object a line, the most doubted label first.

    Raises:
        Problem: there are no judgements yet, people's and models' would be mixed unasked, an odd number of voters, or
            all comparisons have the same prompt.
    """
    project = Project.open(config.project)
    base = project.policy_named(config.policy).id
    current = project.begin("audit", config, restart=config.restart, policy=base)
    training, aside = frozen_answers(
        project,
        current,
        lambda ids: comparisons(project.store, judgement_ids=ids),
        needed="this needs comparisons, rankings or edits",
        voices=config.voices,
        by=config.holdout_by,
        held_out=config.held_out,
        seed=config.seed,
    )
    policy = load_policy(project, project.model(current.record["inputs"]["policy"]), choose_device(config.device))
    start_computing(current, policy, config.device, config.threads)
    kept = encode_pairs(policy, [*training, *aside], skip_overlong=config.skip_overlong)
    places = {pair_id(item) for item in training}
    taught_N = np.array([pair_id(item) in places for item in kept.comparisons])
    plan = _plan(config, kept.comparisons, taught_N)
    voter = _voter(config, policy, kept.pairs, current)
    target_N = np.array([pair.target for pair in kept.pairs])
    difference_EN = _votes(current, voter, plan, target_N)
    difference_N = np.where(plan.judges_mask_EN, difference_EN, 0.0).sum(0) / plan.judges_mask_EN.sum(0)
    decided_N = target_N != 0.5
    labelled_EN = np.sign(target_N - 0.5) * difference_EN
    doubts = suspicious_labels(labelled_EN[:, decided_N], plan.judges_mask_EN[:, decided_N])
    path = current.folder / FILE
    judged = {pair_id(item) for item in kept.comparisons}
    rows = _rows(kept.comparisons, taught_N, difference_N, doubts)
    rows += [_row(item) for item in (*training, *aside) if pair_id(item) not in judged]  # they are too long
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    result = {
        "comparisons": len(rows),
        "left_out": kept.left_out,
        "taught": int(taught_N.sum()),
        "decided": int(decided_N.sum()),
        "doubted": int((doubts.strength_N < 0).sum()),
        "accuracy": _accuracy(config, kept.comparisons, target_N, difference_N, decided_N & ~taught_N),
        "annotators": _annotators(votes_on(project.store, kept.comparisons), difference_N),
    }
    current.finish(result)
    shutil.rmtree(current.folder / VOTERS, ignore_errors=True)  # what the voters were while they learnt
    _tell(result, path)
    return path


def _plan(config: Config, items: Sequence[Comparison], taught_N: np.ndarray) -> CrossFit:
    """What each voter learns from; all of them judge what is held out."""
    named = [item.prompt.id if item.prompt.text or item.prompt.messages else item.question_id for item in items]
    groups = [name for name, taught in zip(named, taught_N, strict=True) if taught]
    inner = cross_fit(groups, config.models, config.seed)
    weight_EN, judges_EN = np.zeros((config.models, len(items))), np.ones((config.models, len(items)), dtype=bool)
    weight_EN[:, taught_N], judges_EN[:, taught_N] = inner.weight_EN, inner.judges_mask_EN
    return CrossFit(weight_EN, judges_EN)


def _voter(config: Config, policy: LanguageModel, pairs: Sequence[Pair], current: Run) -> Voter:
    if config.voters == "linear":
        return linear_voter(policy, pairs)
    rate = config.learning_rate or automatic_rate(policy.parameters(), RATE)
    pace = Pace(config.epochs, config.pairs_per_step, rate, config.micro_batch, config.checkpoint_every, config.seed)
    return whole_voter(policy, pairs, current.folder / VOTERS, pace)


def _votes(current: Run, voter: Voter, plan: CrossFit, target_N: Floats) -> Floats:
    """difference_EN of all voters; those that are done are read from the run's checkpoint."""
    done, folder = current.resume()
    found = np.zeros(plan.weight_EN.shape)
    if folder is not None:
        found[:done] = np.load(folder / "differences.npy")[:done]
    with progress("Voters", len(found), done=done) as advance:
        for number in range(done, len(found)):
            found[number] = voter(number, plan.weight_EN[number])
            judged_N = plan.judges_mask_EN[number] & (target_N != 0.5)
            right_N = np.sign(found[number]) == np.sign(target_N - 0.5)
            stats = {"accuracy": float(right_N[judged_N].mean()) if judged_N.any() else 0.5}
            current.log(number, stats)
            current.checkpoint(number + 1, lambda path: np.save(path / "differences.npy", found))
            advance(metrics=stats)
    return found


def _rows(
    items: Sequence[Comparison], taught_N: np.ndarray, difference_N: Floats, doubts: Suspicion
) -> list[dict[str, Any]]:
    """A row for each comparison, the most doubted label first; those without a label, which nothing doubts, last."""
    decided = [i for i, item in enumerate(items) if item.target != 0.5]
    rows = []
    for at in doubts.order_N.tolist():
        i, spread = decided[at], float(doubts.spread_N[at])
        found = {
            "strength": float(doubts.strength_N[at]),
            "spread": None if np.isnan(spread) else spread,
            "against": float(doubts.against_N[at]),
        }
        rows.append(_row(items[i]) | found | {"difference": float(difference_N[i]), "taught": bool(taught_N[i])})
    for i in sorted(set(range(len(items))) - set(decided)):
        rows.append(_row(items[i]) | {"difference": float(difference_N[i]), "taught": bool(taught_N[i])})
    return rows


def _row(item: Comparison) -> dict[str, Any]:
    """What was compared and how it was judged, by nobody doubted yet."""
    return {
        "pair": pair_id(item),
        "question": item.question_id,
        "prompt": item.prompt.as_text()[:BEGINNING],
        "a": item.a[:BEGINNING],
        "b": item.b[:BEGINNING],
        "label": "tie" if item.target == 0.5 else "a" if item.target > 0.5 else "b",
        "target": item.target,
        "votes": item.weight,
        "strength": None,
        "spread": None,
        "against": None,
        "difference": 0.0,
        "taught": False,
        "annotators": list(item.annotator_ids),
        "judgements": list(item.judgement_ids),
    }


def _accuracy(
    config: Config, items: Sequence[Comparison], target_N: Floats, difference_N: Floats, examined_N: np.ndarray
) -> dict[str, Any] | None:
    """How often the voters together prefer what people prefer, where none has learnt; None where all are ties."""
    if not examined_N.any():
        return None
    groups = [group_of(item, config.holdout_by) for item in items]
    kept = [group for group, examined in zip(groups, examined_N, strict=True) if examined]
    return asdict(pair_accuracy(difference_N[examined_N], target_N[examined_N], kept).accuracy)


def _annotators(votes: Sequence[Sequence[tuple[str, float]]], difference_N: Floats) -> list[dict[str, Any]]:
    """Of whom how many decided votes are doubted, the largest share first."""
    counted: dict[str, list[bool]] = {}
    for given, difference in zip(votes, difference_N.tolist(), strict=True):
        for name, target in given:
            if target != 0.5:
                counted.setdefault(name, []).append((target - 0.5) * difference < 0)
    shares = {name: share(sum(doubted), len(doubted)) for name, doubted in counted.items()}
    ordered = sorted(shares.items(), key=lambda each: (-each[1].value, each[0]))
    return [{"annotator": name, **asdict(found)} for name, found in ordered]


def _tell(result: dict[str, Any], path: Path) -> None:
    decided, doubted = result["decided"], result["doubted"]
    say(
        f"{doubted:,} of {decided:,} labels ({100 * doubted / max(decided, 1):.1f} %) have a strength below 0: voters "
        "that did not learn from them prefer the other completion."
    )
    if found := result["accuracy"]:
        words = with_interval(found["value"], found["low"], found["high"], percent=True)
        say(f"On held-out comparisons the voters together prefer what people prefer in {words}.")
    rows = [
        [row["annotator"], f"{row['count']:,}", with_interval(row["value"], row["low"], row["high"], percent=True)]
        for row in result["annotators"][:SHOWN]
    ]
    if rows:
        show("Whose votes are doubted most", ["annotator", "decided votes", "doubted"], rows)
    say(f"Every comparison is in {path}; `heedful reward --trust.audit flip` (smooth, margin) learns accordingly.")
