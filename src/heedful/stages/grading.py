"""Rewards learnt from single completions: which labels become the number, and how well it is foreseen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeGuard

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from heedful.errors import Problem
from heedful.evaluation.accuracy import pair_accuracy
from heedful.evaluation.roc import area_under_roc
from heedful.feedback.grades import EDITED, FLAG, RATING, THUMB, aspects_in, flagged, flags_in, rated, thumbed
from heedful.feedback.splits import group_of
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

    everything = [*labels, *aside]
    weights = aspects or dict.fromkeys(aspects_in(everything), 1.0)
    names = flags or tuple(flags_in(everything))

    def pooled(part: Sequence[Labelled]) -> list[Labelled]:
        match learn:
            case "ratings":
                return rated(part, weights)
            case "flags":
                return flagged(part, names)
            case "thumbs":
                return thumbed(part)

    pooled(everything)  # names that nobody used are told of before the parts are looked at
    for part, where in ((labels, "that are learnt from"), (aside, "that are held out")):
        there = {"ratings": aspects_in(part), "flags": [*flags_in(part), EDITED], "thumbs": []}[learn]
        wanted = {"ratings": [name for name in weights if weights[name]], "flags": names, "thumbs": []}[learn]
        if missing := sorted(set(wanted) - set(there)):
            raise Problem(
                f"on the prompts {where} nobody was asked about {missing[0]!r}",
                mend=f"name the others with --{'aspects' if learn == 'ratings' else 'flags'}, or change --held-out",
            )
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
    if len({item.value for item in examined}) < 2:
        raise Problem("all held-out completions have the same grade", mend="collect more, or hold out more")
    return found


def examine_grades(model: ScalarModel, found: Graded, holdout_by: str, seed: int) -> tuple[dict[str, Any], float, str]:
    """(result, headline number, words) on held-out completions.

    Completions are put into pairs of different grades (`matched`), each in one pair only; the accuracy is the share in
    which the higher score has the higher grade. Flags and thumbs have the area under the ROC curve too, where most
    people flagged, or liked, one of the held-out completions and most did not another one.
    """
    items = found.to_examine
    scores_N = score_completions(model, [item.prompt for item in items], [item.text for item in items]).double().cpu()
    clusters = [group_of(item, holdout_by) for item in items]
    pairs = matched(items, clusters, seed)
    accuracy = pair_accuracy(
        [float(scores_N[i] - scores_N[j]) for i, j in pairs],
        [float(items[i].value > items[j].value) for i, j in pairs],
        _joined(clusters, pairs),
        length_difference_N=[len(items[i].text) - len(items[j].text) for i, j in pairs],
    )
    result: dict[str, Any] = {"completions": len(found.to_learn), "accuracy": asdict(accuracy)}
    told = f"which of two is {SAID[found.learn]}: {in_words(accuracy)}"
    rows = zip(scores_N.tolist(), items, clusters, strict=True)
    sides = [(score, item.value > 0.5, at) for score, item, at in rows if item.value != 0.5]
    if found.learn == "ratings" or len({side for _, side, _ in sides}) < 2:
        return result, accuracy.accuracy.value, told
    area = area_under_roc(*zip(*sides, strict=True))
    words = with_interval(area.value, area.low, area.high)
    return result | {"area_under_roc": asdict(area)}, area.value, f"area under the ROC curve {words}; {told}"


def matched(items: Sequence[Labelled], clusters: Sequence[str], seed: int) -> list[tuple[int, int]]:
    """Pairs of items with different values, each item in one at most: of one prompt, of one cluster, of any two.

    Args:
        items: at least two values.
        clusters: what hangs together. Where that is more than prompts, pairs across them are made only if there are no
            others: a few of them would tie all clusters together.
        seed: decides who meets whom.
    """
    order = [int(n) for n in generator(seed, "matched").permutation(len(items))]
    prompts = [item.prompt.id for item in items]
    coarse = len(set(clusters)) < len(set(prompts))
    pairs: list[tuple[int, int]] = []
    for within in (prompts, clusters, [""] * len(items)):
        if within[0] == "" and coarse and pairs:
            break
        taken = {n for pair in pairs for n in pair}
        waiting: dict[str, list[int]] = {}
        for n in order:
            if n in taken:
                continue
            others = waiting.setdefault(within[n], [])
            if others and items[others[0]].value != items[n].value:
                pairs.append((others.pop(0), n))
            else:
                others.append(n)
    return pairs


def _joined(clusters: Sequence[str], pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Of each pair, what hangs together with it: the clusters of both, and all that other pairs tie to these."""
    number = {name: n for n, name in enumerate(dict.fromkeys(clusters))}
    ends_2P = np.array([[number[clusters[n]] for n in pair] for pair in pairs]).T
    tied = csr_matrix((np.ones(len(pairs)), ends_2P), shape=(len(number), len(number)))
    part_C = connected_components(tied, directed=False)[1]
    return [int(part_C[n]) for n in ends_2P[0]]
