"""A few plain numbers about a text, and models of preferences on them that are fitted while a page waits.

They stand in for a reward model where there is none at hand: to choose the next questions by, and to compare ways of
choosing. They know length, form, overlap with the prompt and a hashed count of words (Weinberger et al. 2009, "Feature
hashing for large scale multitask learning", arXiv:0902.2206), and nothing of what a text means.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from heedful.errors import Problem
from heedful.feedback.selection.curves import fit_pairs
from heedful.records import Comparison
from heedful.seeds import generator

Floats = NDArray[np.float64]

HASHED = 48
"""Dimensions of the hashed word count."""

FORM = 13
"""Dimensions before it."""

ENSEMBLE = 8
"""Models that are fitted on resampled prompts; their spread is what is not known."""

LEAST_LABELS = 30
"""With fewer judged comparisons nothing is predicted."""

NEWEST = 3000
"""Comparisons that a fit looks at."""

_WORD = re.compile(r"\w+")


@lru_cache(maxsize=50_000)
def traits(prompt: str, text: str) -> Floats:
    """The numbers of one completion, shape (FORM + HASHED,); not to be written to."""
    words = [word.lower() for word in _WORD.findall(text)]
    asked = {word.lower() for word in _WORD.findall(prompt)}
    count, letters = max(len(words), 1), max(len(text), 1)
    distinct = set(words)
    values = np.zeros(FORM + HASHED)
    values[:FORM] = (
        np.log1p(len(text)),
        np.log1p(len(words)),
        sum(map(len, words)) / count,
        count / max(len(re.findall(r"[.!?]+", text)), 1),
        len(distinct) / count,
        sum(char.isupper() for char in text) / letters,
        sum(char.isdigit() for char in text) / letters,
        np.log1p(text.count("?")),
        np.log1p(text.count("!")),
        np.log1p(text.count("\n")),
        np.log1p(len(re.findall(r"^\s*(?:[-*#]|\d+\.)\s", text, re.MULTILINE)) + text.count("```") + text.count("**")),
        len(distinct & asked) / max(len(asked), 1),
        float(text.rstrip().endswith((".", "!", "?", "`", ")"))),
    )
    for word in words:
        mark = zlib.crc32(word.encode())
        values[FORM + (mark >> 1) % HASHED] += (1.0 if mark & 1 else -1.0) / count**0.5
    values.flags.writeable = False
    return values


def differences(pairs: Iterable[tuple[str, str, str]]) -> Floats:
    """The traits of `a` less those of `b` for each (prompt, a, b), shape (N, FORM + HASHED)."""
    rows = [traits(prompt, a) - traits(prompt, b) for prompt, a, b in pairs]
    return np.array(rows).reshape(-1, FORM + HASHED)


def expectations(judged: Sequence[Comparison], pool_ND: Floats, seed: int = 0) -> Floats:
    """What an ensemble expects of unjudged pairs: score of a - score of b by each model, shape (ENSEMBLE, N).

    Args:
        judged: what people said; of the newest `NEWEST`, each model learns from as many prompts, drawn with
            repetition (the bootstrap: Efron 1979).
        pool_ND: from `differences`.
        seed: of the draws.

    Raises:
        Problem: there are too few judged comparisons.
    """
    known = [one for one in judged if one.target != 0.5][-NEWEST:]
    if len(known) < LEAST_LABELS:
        raise Problem(
            f"{len(known)} judged comparisons are too few to expect anything of others",
            mend=f"ask {LEAST_LABELS} at random first",
        )
    x_ND = differences((one.prompt.as_text(), one.a, one.b) for one in known)
    y_N = np.array([one.target for one in known])
    scale_D = np.sqrt(np.mean(x_ND**2, axis=0))
    scale_D = np.where(scale_D > 0, scale_D, 1.0)
    prompts = sorted({one.prompt.id for one in known})
    rows: dict[str, list[int]] = {name: [] for name in prompts}
    for row, one in enumerate(known):
        rows[one.prompt.id].append(row)
    scores = []
    for model in range(ENSEMBLE):
        drawn = generator(seed, "ensemble", model).integers(len(prompts), size=len(prompts))
        chosen = [row for i in drawn.tolist() for row in rows[prompts[i]]]
        scores.append((pool_ND / scale_D) @ fit_pairs(x_ND[chosen] / scale_D, y_N[chosen]))
    return np.array(scores)
