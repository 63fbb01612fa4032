"""Ratings, flags and thumbs of many people as one number for each completion.

A rating counts on its rater's own scale (z-scores, see `heedful.feedback.quality.ratings`): who gives fours to
everything says as much with a three as others with a one. Aspects stay apart in the store; here they meet, each with
a weight, so that several objectives can be one score.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from heedful.errors import Problem
from heedful.feedback.quality.ratings import ratings
from heedful.records import Labelled

RATING, FLAG, THUMB = "rating:", "flag:", "thumb"
"""What the names of such labels begin with, see `heedful.feedback.kinds`."""

EDITED = "edited"
"""The flag of an answer that somebody has corrected."""


def aspects_in(labels: Iterable[Labelled]) -> list[str]:
    """The aspects that somebody rated."""
    return sorted({label.name.removeprefix(RATING) for label in labels if label.name.startswith(RATING)})


def flags_in(labels: Iterable[Labelled]) -> list[str]:
    """The flags that somebody was offered.

    That an answer was corrected is no such flag, though it counts where it is named: a slip of the pen is corrected,
    too.
    """
    found = {label.name.removeprefix(FLAG) for label in labels if label.name.startswith(FLAG)}
    return sorted(found - {EDITED})


def rated(labels: Iterable[Labelled], weights: Mapping[str, float] | None = None) -> list[Labelled]:
    """Completions with the weighted mean of their aspects, in standard deviations of what people give.

        value = sum over aspects of w z / sum over aspects of |w|

    with z the mean over its raters of a completion's z-scores. Only completions that were rated on every aspect of a
    weight other than 0 count: a sum of other parts would be another objective.

    Args:
        labels: as `heedful.feedback.views.labelled` gives them; others than ratings are left out.
        weights: by aspect; all that occur, equally, when left out or empty. Negative ones are prices.

    Raises:
        Problem: an aspect that nobody has rated, or weights that are not finite or all 0.
    """
    found: dict[str, list[Labelled]] = {}
    for label in labels:
        if label.name.startswith(RATING):
            found.setdefault(label.name.removeprefix(RATING), []).append(label)
    wanted = dict(weights or dict.fromkeys(found, 1.0))
    if unknown := sorted(set(wanted) - set(found)):
        raise Problem(
            f"nobody has rated the aspect {unknown[0]!r}",
            where='setting "aspects"',
            mend=f"there is: {', '.join(sorted(found)) or 'none yet'}",
        )
    if not all(math.isfinite(weight) for weight in wanted.values()) or (wanted and not any(wanted.values())):
        raise Problem(f"the weights are {wanted}", where='setting "aspects"', mend="give finite ones, not all 0")
    parts = {aspect: _standardised(found[aspect]) for aspect, weight in wanted.items() if weight}
    behind = _pooled(label for aspect in parts for label in found[aspect])
    size = sum(abs(weight) for weight in wanted.values())
    return [
        _one(said, "rated", sum(wanted[aspect] * z[key] for aspect, z in parts.items()) / size)
        for key, said in behind.items()
        if all(key in z for z in parts.values())
    ]


def flagged(labels: Iterable[Labelled], names: Sequence[str] = ()) -> list[Labelled]:
    """Completions with the share of people who raised one of the flags.

    Args:
        labels: as `heedful.feedback.views.labelled` gives them; others than flags are left out. Who was offered a flag
            and did not raise it has said so; who was offered none of them has said nothing.
        names: which flags count; when left out, those of `flags_in`.

    Raises:
        Problem: a flag that nobody was offered.
    """
    marks = [label for label in labels if label.name.startswith(FLAG)]
    known = {label.name.removeprefix(FLAG) for label in marks}
    if unknown := sorted(set(names) - known):
        raise Problem(
            f"nobody was asked about the flag {unknown[0]!r}",
            where='setting "flags"',
            mend=f"there is: {', '.join(sorted(known)) or 'none yet'}",
        )
    wanted = {FLAG + name for name in names or flags_in(marks)}
    raised: dict[tuple[str, str], dict[str, float]] = {}
    for mark in marks:
        if mark.name in wanted:
            said = raised.setdefault((mark.prompt.id, mark.text), {})
            who = mark.judgement_ids[0]
            said[who] = max(said.get(who, 0.0), mark.value)
    behind = _pooled(mark for mark in marks if mark.name in wanted)
    return [_one(said, "flagged", float(np.mean(list(raised[key].values())))) for key, said in behind.items()]


def thumbed(labels: Iterable[Labelled]) -> list[Labelled]:
    """Completions with the share of thumbs that point up; labels other than thumbs are left out."""
    pooled = _pooled(label for label in labels if label.name == THUMB)
    return [_one(said, "thumbed", float(np.mean([label.value for label in said]))) for said in pooled.values()]


def _standardised(labels: Sequence[Labelled]) -> dict[tuple[str, str], float]:
    """The mean z-score by (prompt, text); scales of different length are brought to one."""
    keys = {key: n for n, key in enumerate(dict.fromkeys((label.prompt.id, label.text) for label in labels))}
    raters = {name: n for n, name in enumerate(dict.fromkeys(label.annotator_ids[0] for label in labels))}
    heights = []
    for label in labels:
        low, high = label.metadata["scale"]
        heights.append((label.value - low) / (high - low))
    found = ratings(
        [keys[label.prompt.id, label.text] for label in labels],
        [raters[label.annotator_ids[0]] for label in labels],
        heights,
    )
    return {key: float(found.mean_N[n]) for key, n in keys.items()}


def _pooled(labels: Iterable[Labelled]) -> dict[tuple[str, str], list[Labelled]]:
    """By (prompt, text), in the order in which completions appear."""
    found: dict[tuple[str, str], list[Labelled]] = {}
    for label in labels:
        found.setdefault((label.prompt.id, label.text), []).append(label)
    return found


def _one(said: Sequence[Labelled], name: str, value: float) -> Labelled:
    """One row for a completion, with everybody behind it."""
    first = said[0]
    ids = tuple(dict.fromkeys(id_ for label in said for id_ in label.judgement_ids))
    people = tuple(dict.fromkeys(who for label in said for who in label.annotator_ids))
    metadata = {key: value for key, value in first.metadata.items() if key not in ("scale", "spans")}
    return Labelled(first.prompt, first.text, name, value, people, ids, metadata)
