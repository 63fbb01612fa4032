"""BLEU and ROUGE: how much of a reference stands in a text. Numbers of the libraries that papers report with.

BLEU (Papineni et al. 2002) by sacrebleu, ROUGE (Lin 2004) by rouge-score; both come with `heedful[train]` and are
imported when first used. `reward` makes either one a reward function, as for MIXER (Ranzato et al. 2016).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Literal, get_args

from heedful.errors import Problem

Metric = Literal["bleu", "rouge1", "rouge2", "rougeL"]


def bleu(texts: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Corpus BLEU in 0..100, sacrebleu's defaults (tokenisation 13a, exponential smoothing of zero counts).

    Args:
        references: one or more for each text; each text must have as many.
    """
    _check(texts, references)
    if len({len(some) for some in references}) != 1:
        raise Problem("texts have different numbers of references", mend="give each text as many references")
    by_place = [list(column) for column in zip(*references, strict=True)]
    return float(_sacrebleu().corpus_bleu(list(texts), by_place).score)


def sentence_bleu(text: str, references: Sequence[str]) -> float:
    """BLEU of one text in 0..100, with sacrebleu's effective order, so that short texts are not all 0."""
    return float(_sacrebleu().sentence_bleu(text, list(references), use_effective_order=True).score)


def rouge(text: str, references: Sequence[str], kind: Literal["rouge1", "rouge2", "rougeL"] = "rougeL") -> float:
    """ROUGE F1 in 0..1 against the reference that it fits best, words stemmed (Porter)."""
    if not references:
        raise Problem("a text has no reference", mend="give one or more references for each text")
    scorer = _rouge_scorer(kind)
    return max(float(scorer.score(reference, text)[kind].fmeasure) for reference in references)


def reward(references: Mapping[str, Sequence[str]], metric: Metric) -> Callable[[list[str], list[str]], list[float]]:
    """A reward function (prompts, completions) -> scores in 0..1 against each prompt's references.

    Raises:
        Problem: there is no such metric; and when called, a prompt has no reference.
    """
    if metric not in get_args(Metric):
        raise Problem(f"there is no metric {metric!r}", mend=f"choose one of {', '.join(get_args(Metric))}")

    def score(prompts: list[str], completions: list[str]) -> list[float]:
        scores = []
        for prompt, text in zip(prompts, completions, strict=True):
            if not references.get(prompt):
                raise Problem("a prompt has no reference", where=prompt[:80], mend="train on prompts that have one")
            known = references[prompt]
            scores.append(sentence_bleu(text, known) / 100 if metric == "bleu" else rouge(text, known, metric))
        return scores

    return score


def _check(texts: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    if not texts or len(texts) != len(references) or not all(references):
        raise Problem(
            f"{len(texts)} texts and references for {len(references)} of them cannot be compared",
            mend="give one or more references for each text, and at least one text",
        )


def _sacrebleu() -> Any:
    try:
        import sacrebleu
    except ImportError as error:
        raise _missing("sacrebleu") from error
    return sacrebleu


@cache
def _rouge_scorer(kind: str) -> Any:
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError as error:
        raise _missing("rouge-score") from error
    return RougeScorer([kind], use_stemmer=True)


def _missing(package: str) -> Problem:
    return Problem(f"{package} is not installed", mend="install it with pip install 'heedful[train]'")
