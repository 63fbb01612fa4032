"""BLEU and ROUGE against numbers computed by hand, and as rewards."""

from __future__ import annotations

import builtins
import math
from typing import Any, get_args

import pytest

from heedful.errors import Problem
from heedful.evaluation import overlap


def test_corpus_bleu_by_hand() -> None:
    """Precisions over both texts: 9/9, 6/7, 4/5, 2/3; 9 words against 10, brevity penalty e^(1 - 10/9)."""
    texts = ["the cat sat on mats", "red green blue gold"]
    references = [["the cat sat on the mats"], ["red green blue gold"]]
    # Unigrams 5 + 4 of 9 are found; bigrams 3 + 3 of 7; trigrams 2 + 2 of 5; fourgrams 1 + 1 of 3.
    precisions = [9 / 9, 6 / 7, 4 / 5, 2 / 3]
    wanted = 100 * math.exp(1 - 10 / 9) * math.prod(precisions) ** 0.25
    assert overlap.bleu(texts, references) == pytest.approx(wanted)
    assert overlap.bleu(["a b c d e"], [["a b c d e"]]) == pytest.approx(100)


def test_sentence_bleu_takes_the_best_of_its_references() -> None:
    assert overlap.sentence_bleu("red green", ["blue", "red green"]) == pytest.approx(100)
    assert overlap.sentence_bleu("red green", ["gold"]) == 0


@pytest.mark.parametrize(("kind", "wanted"), [("rouge1", 6 / 7), ("rouge2", 2 / 5), ("rougeL", 4 / 7)])
def test_rouge_by_hand(kind: Any, wanted: float) -> None:
    """Text of 3 words, reference of 4: 3 words in common, 1 pair in a row, 2 in order."""
    assert overlap.rouge("gold red green", ["red green blue gold"], kind) == pytest.approx(wanted)


def test_rouge_takes_the_best_of_its_references_and_stems_words() -> None:
    assert overlap.rouge("he walks", ["nothing", "he walked"]) == pytest.approx(1)


def test_as_rewards_they_lie_between_0_and_1() -> None:
    references = {"p": ["red green blue"], "q": ["gold"]}
    for metric in get_args(overlap.Metric):
        score = overlap.reward(references, metric)
        same, other = score(["p", "q"], ["red green blue", "silver"])
        assert same == pytest.approx(1)
        assert other == 0


def test_what_cannot_be_compared_is_a_problem() -> None:
    with pytest.raises(Problem, match="no reference"):
        overlap.reward({}, "bleu")(["p"], ["x"])
    with pytest.raises(Problem, match="no reference"):
        overlap.rouge("x", [])
    with pytest.raises(Problem, match="no metric"):
        overlap.reward({}, "meteor")  # type: ignore[arg-type]
    with pytest.raises(Problem, match="cannot be compared"):
        overlap.bleu(["x"], [])
    with pytest.raises(Problem, match="different numbers"):
        overlap.bleu(["x", "y"], [["x"], ["y", "z"]])


@pytest.mark.parametrize("package", ["sacrebleu", "rouge_score"])
def test_without_the_library_it_says_what_to_install(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return real(name, *rest)

    overlap._rouge_scorer.cache_clear()
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(Problem, match=r"heedful\[train\]"):
        overlap.sentence_bleu("x", ["x"]) if package == "sacrebleu" else overlap.rouge("x", ["x"])
