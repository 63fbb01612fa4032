"""Rewards learnt from single completions: which labels become the number, and how well it is foreseen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeGuard

import numpy as np

from heedful.errors import Problem
from heedful.evaluation.accuracy import pair_accuracy
from heedful.evaluation.roc import area_under_roc
from heedful.feedback.grades import FLAG, RATING, THUMB, flagged, rated, thumbed
from heedful.feedback.store import Store
from heedful.feedback.views import labelled
from heedful.language.heads import ScalarModel
from heedful.records import Labelled
from heedful.reward.completions import score_completions
from heedful.reward.grading import Grade, encode_grades
from heedful.seeds import generator
from heedful.stages.console import say, with_interval
from heedful.stages.examining import in_words

Learnt = Literal["ratings", "flags", "thumbs"]

BEGINS: dict[Learnt, str] = {"ratings": RATING, "flags": FLAG, "thumbs": THUMB}
"""What the names of such labels begin with."""

SAID = {"ratings": "rated higher", "flags": "flagged", "thumbs": "liked"}
"""Of the completion with the higher score, where the model is right."""


def of_single(learn: str) -> TypeGuard[Learnt]:
    """Whether it is learnt from single completions."""
    return learn in BEGINS


@dataclass(frozen=True)
class Graded:
    """Completions with the number that people gave them."""

    learn: Learnt
    to_learn: list[Grade]
    to_examine: list[Labelled]


def labels_of(store: Store, learn: Learnt, judgement_ids: set[str]) -> list[Labelled]:
    """The labels of one sort among some judgements, one row an answer; those of plain texts have no prompt."""
    begins = BEGINS[learn]
    found = labelled(store, judgement_ids=judgement_ids)
    return [label for label in found if label.name.startswith(begins) and (label.prompt.text or label.prompt.messages)]


def graded(
    model: ScalarModel,
    learn: Learnt,
    labels: Sequence[Labelled],
    aside: Sequence[Labelled],
    *,
    aspects: dict[str, float],
    flags: tuple[str, ...],
    skip_overlong: bool,
) -> Graded:
    """Labels as numbers, in the reward model's tokens; each part is standardised by itself, so nothing leaks.

    Raises:
        Problem: an aspect or a flag that nobody was asked about, nothing to learn or to examine with, or flags of one
            kind only.
    """

    def pooled(part: Sequence[Labelled]) -> list[Labelled]:
        match learn:
            case "ratings":
                return rated(part, aspects)
            case "flags":
                return flagged(part, flags)
            case "thumbs":
                return thumbed(part)

    pooled([*labels, *aside])  # names that nobody used are told of before the parts are looked at
    training, examined = pooled(labels), pooled(aside)
    found = Graded(learn, encode_grades(model, training, skip_overlong=skip_overlong), examined)
    if not found.to_learn or not examined:
        raise Problem("no completions are left to learn from or to examine with", mend="collect more judgements")
    say(f"Learning from {len(found.to_learn):,} completions; {len(examined):,} on other prompts are held out.")
    if learn != "ratings":
        shares = [grade.value for grade in found.to_learn]
        say(f"{100 * float(np.mean(shares)):.1f} % of them are {SAID[learn]}.")
        if min(shares) == max(shares):
            raise Problem(
                "people said the same of every completion, so there is nothing to tell apart",
                mend="offer the flags by name in the questions (who is offered a flag and leaves it says no), and "
                "collect answers that show the behaviour and answers that do not",
            )
    return found


def examine_grades(model: ScalarModel, found: Graded, holdout_by: str, seed: int) -> tuple[dict[str, Any], float, str]:
    """(result, headline number, words) on held-out completions.

    Completions are put into pairs of different grades, of one prompt where there are such, each in one pair only; the
    accuracy is the share in which the higher score has the higher grade. Flags and thumbs have the area under the ROC
    curve too.

    Raises:
        Problem: all held-out completions have the same grade.
    """
    items = found.to_examine
    scores_N = score_completions(model, [item.prompt for item in items], [item.text for item in items]).double().cpu()
    pairs = matched(items, seed)
    if not pairs:
        raise Problem("all held-out completions have the same grade", mend="collect more, or hold out more")
    clusters = [item.prompt.id if holdout_by == "prompt" else str(item.metadata[holdout_by]) for item in items]
    accuracy = pair_accuracy(
        [float(scores_N[i] - scores_N[j]) for i, j in pairs],
        [float(items[i].value > items[j].value) for i, j in pairs],
        [clusters[i] for i, _ in pairs],
        length_difference_N=[len(items[i].text) - len(items[j].text) for i, j in pairs],
    )
    result: dict[str, Any] = {"completions": len(found.to_learn), "accuracy": asdict(accuracy)}
    if found.learn == "ratings":
        return result, accuracy.accuracy.value, f"which of two is {SAID[found.learn]}: {in_words(accuracy)}"
    sides = [(score, item.value > 0.5, at) for score, item, at in zip(scores_N.tolist(), items, clusters, strict=True)]
    area = area_under_roc(*zip(*sides, strict=True))
    words = with_interval(area.value, area.low, area.high)
    told = f"area under the ROC curve {words}; which of two is {SAID[found.learn]}: {in_words(accuracy)}"
    return result | {"area_under_roc": asdict(area)}, area.value, told


def matched(items: Sequence[Labelled], seed: int) -> list[tuple[int, int]]:
    """Pairs of items with different values, each item in one at most: of one prompt first, then of any two."""
    order = [int(n) for n in generator(seed, "matched").permutation(len(items))]
    pairs: list[tuple[int, int]] = []
    for within in (True, False):
        taken = {n for pair in pairs for n in pair}
        waiting: dict[str, list[int]] = {}
        for n in order:
            if n in taken:
                continue
            others = waiting.setdefault(items[n].prompt.id if within else "", [])
            if others and items[others[0]].value != items[n].value:
                pairs.append((others.pop(0), n))
            else:
                others.append(n)
    return pairs
