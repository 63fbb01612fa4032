"""How far the votes on comparisons are trusted in training: weighed by skill, corrected by an audit.

Stored judgements never change, nor do held-out comparisons: only what a reward model is shown in training does, and its
run records how.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from heedful.errors import Problem
from heedful.evaluation.blocks import Block, DotPlot, Item, Text
from heedful.evaluation.intervals import Interval
from heedful.feedback.quality.audit import adaptive_margins, flipped, smoothed
from heedful.feedback.quality.weighing import weighed, weights_behind
from heedful.records import Comparison, content_id
from heedful.runs import Run
from heedful.stages.console import say
from heedful.stages.history import Past, finished_runs
from heedful.stages.project import Project

FILE = "labels.jsonl"
"""What an audit found, in its run's folder."""

MOST_SHOWN = 20
"""Annotators in the report."""


@dataclass(frozen=True)
class Trust:
    """How far the votes on comparisons are trusted; held-out ones count as they were given."""

    weigh: Literal["votes", "skill"] = "votes"
    """A vote weighs as much as any other, or by its annotator's estimated skill."""
    audit: Literal["", "flip", "smooth", "margin"] = ""
    """What becomes of the labels that the newest `heedful audit` doubts: nothing; they are turned round; they are drawn
    half way to a tie; or every other label asks for the score difference that the audit found."""
    share: float = 0.2
    """flip and smooth: of the labels, those doubted most, so many at most."""


def trusted(project: Project, run: Run, trust: Trust, training: Sequence[Comparison]) -> list[Comparison]:
    """The training comparisons as they are to be learnt from.

    Args:
        project: whose audits and votes are read.
        run: records what was done; resumed, it does the same again.
        trust: the settings.
        training: pooled votes.

    Raises:
        Problem: there is no audit, or none that has learnt from these comparisons and from no others.
    """
    audit = _audit(project, run, training) if trust.audit else None
    found = _by_skill(project, run, training) if trust.weigh == "skill" else list(training)
    return found if audit is None else _corrected(run, trust, found, *audit)


def pair_id(item: Comparison) -> str:
    """The comparison's name in an audit."""
    return content_id("pair", item.question_id, item.a, item.b, list(item.judgement_ids))


def doubted(item: Past) -> list[Block]:
    """What an audit found, for the report: how many labels, and whose votes."""
    result, name = item.result, item.name
    labels, decided = result["doubted"], result["decided"]
    words = (
        f"Of {decided:,} labels {labels:,} ({100 * labels / max(decided, 1):.1f} %) are doubted: voters that did not "
        "learn from them prefer the other completion. Such a label may be a mistake, a rare taste or a hard question; "
        f"all of them stand in runs/{name}/{FILE}."
    )
    rows = result["annotators"][:MOST_SHOWN]
    people = [Item(row["annotator"], Interval(row["value"], row["low"], row["high"])) for row in rows]
    caption = "Share of each annotator's decided votes, with 95 % intervals; the largest first."
    plot = DotPlot("Whose votes are doubted most", people, "doubted", caption, percent=True)
    return [Text(words, name), *([plot] if people else [])]


def _by_skill(project: Project, run: Run, training: Sequence[Comparison]) -> list[Comparison]:
    if "vote_weights" not in run.record:
        run.note(vote_weights=weights_behind(project.store, training))
    weights: dict[str, float] = run.record["vote_weights"]
    if not weights:
        say("Nobody's skill can be known: no comparison was judged by two people or is known. All votes weigh alike.")
        return list(training)
    found = weighed(project.store, training, weights)
    nothing = sum(weight == 0 for weight in weights.values())
    say(
        f"Votes weigh by skill, from {min(weights.values()):.2f} to {max(weights.values()):.2f}; those of {nothing:,} "
        f"of {len(weights):,} annotators weigh nothing, and {len(training) - len(found):,} comparisons have no other."
    )
    return found


def _corrected(
    run: Run, trust: Trust, training: list[Comparison], name: str, difference: Mapping[str, float]
) -> list[Comparison]:
    difference_N = np.array([difference[pair_id(item)] for item in training])
    target_N = np.array([item.target for item in training])
    decided_N = target_N != 0.5
    strength_D = (np.sign(target_N - 0.5) * difference_N)[decided_N]
    changed_N, margin_N = target_N.copy(), np.array([item.margin for item in training])
    if trust.audit == "margin":
        margin_N = np.zeros(len(training))
        margin_N[decided_N] = adaptive_margins(strength_D)
    else:
        correct = flipped if trust.audit == "flip" else smoothed
        changed_N[decided_N] = correct(target_N[decided_N], strength_D, trust.share)
    changed, doubted = int((changed_N != target_N).sum()), int((strength_D < 0).sum())
    run.note(audit={"run": name, "how": trust.audit, "changed": changed, "doubted": doubted})
    done = {"flip": "were turned round", "smooth": "were drawn half way to a tie"}.get(trust.audit)
    words = f"{changed:,} of {len(strength_D):,} labels {done}" if done else "Margins are the strengths found there"
    say(f"{words}; {name} doubts {doubted:,} of them.")
    rows = zip(training, changed_N.tolist(), margin_N.tolist(), strict=True)
    return [replace(item, target=target, margin=margin) for item, target, margin in rows]


def _audit(project: Project, run: Run, training: Sequence[Comparison]) -> tuple[str, dict[str, float]]:
    """(Its run, pair -> the score of a less that of b): the newest audit that learnt from these comparisons."""
    audits = [past for past in finished_runs(project) if past.stage == "audit"]
    if told := run.record.get("audit"):
        audits = [past for past in audits if past.name == told["run"]]
    wanted, refused = {pair_id(item) for item in training}, ""
    for past in reversed(audits):
        rows = _rows(project, past)
        taught = {name for name, row in rows.items() if row["taught"]}
        if missing := len(wanted - rows.keys()):
            refused = refused or f"{past.name} does not cover {missing:,} of {len(wanted):,} comparisons to learn from"
        elif others := len(taught - wanted):
            refused = refused or f"{past.name} learnt from {others:,} comparisons that are not learnt from here"
        else:
            return past.name, {name: row["difference"] for name, row in rows.items()}
    raise Problem(
        refused or "there is no audit of the labels", where=str(project.folder), mend=f"run `{_command(project, run)}`"
    )


def _rows(project: Project, past: Past) -> dict[str, dict[str, Any]]:
    with (project.runs / past.name / FILE).open(encoding="utf-8") as file:
        return {row["pair"]: row for row in map(json.loads, file)}


def _command(project: Project, run: Run) -> str:
    """The audit that covers what a run learns from."""
    settings: Mapping[str, Any] = run.record["settings"]
    usual = {"holdout_by": "prompt", "held_out": 0.0, "voices": "any", "seed": 0}
    options = [
        f"--{name.replace('_', '-')} {settings[name]}" for name, value in usual.items() if settings[name] != value
    ]
    return " ".join(["heedful audit", str(project.folder), *options])
