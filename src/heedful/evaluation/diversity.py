"""How alike texts are that ought to differ: self-BLEU (Zhu et al. 2018, "Texygen", arXiv:1802.01886)."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from heedful.errors import Problem
from heedful.evaluation.overlap import sentence_bleu


def self_bleu(texts: Sequence[str]) -> float:
    """Mean over texts of the BLEU of each against all the others, 0..1: 1 if all are the same, lower where they vary.

    Raises:
        Problem: fewer than two texts.
    """
    if len(texts) < 2:
        raise Problem("self-BLEU compares texts with each other", mend="give two or more")
    return fmean(sentence_bleu(text, [*texts[:i], *texts[i + 1 :]]) / 100 for i, text in enumerate(texts))
