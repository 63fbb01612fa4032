"""How well a vote that was left out is predicted, from the other votes on real pairs; with agreement and skills.

    python benchmarks/quality.py FILE.jsonl.gz ...

Each line of a file is a pair with `votes`, a list of {"annotator", "choice": "a" | "tie" | "b"}; `a` was shown first.
The votes are divided into folds at random; each fold is predicted by models fitted to the others:

- shares: how frequent each answer is, for every pair alike;
- majority: the other votes on the pair with three pseudo-votes of these shares, the number that suits it best;
- Dawid-Skene with three classes, ours (with pseudo-counts) and crowd-kit's (as it is; a probability of 0 would cost an
  infinite loss, so a hundredth of the shares is mixed in);
- the item response model of `feedback/quality`, which consensus, skills and dynamic overlap rest on;
- Bradley-Terry, Crowd-BT and noisy Bradley-Terry over the texts, of which each stands in many pairs; a against b only.

Log loss is in nats a vote, over three answers, and over a against b for votes that are decided. Intervals are 95 %,
clustered by pair and annotator; differences are to the majority, vote by vote. `--quick` uses a tenth of the pairs
and two folds.
"""

from __future__ import annotations

import argparse
import gzip
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from heedful.evaluation.agreement import agreement
from heedful.evaluation.clusters import clustering_of
from heedful.evaluation.intervals import Interval, mean_interval
from heedful.feedback.quality.crowd_bt import CrowdBTPrior, crowd_bt
from heedful.feedback.quality.dawid_skene import dawid_skene
from heedful.feedback.quality.item_response import item_response
from heedful.feedback.quality.noisy_bt import noisy_bt
from heedful.feedback.quality.votes import pair_votes
from heedful.seeds import generator

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

OUTCOMES = np.array([1.0, 0.5, 0.0])
"""Of the classes a, tie and b."""


class Votes(NamedTuple):
    """Votes on pairs, one row a vote."""

    pair_V: Codes
    annotator_V: Codes
    class_V: Codes
    first_V: Codes
    """The text shown first."""
    second_V: Codes
    pairs: int
    annotators: int
    texts: int

    def rows(self, kept_V: NDArray[np.bool_]) -> Votes:
        """Some of the votes, with all pairs, annotators and texts."""
        names = ("pair_V", "annotator_V", "class_V", "first_V", "second_V")
        return self._replace(**{name: getattr(self, name)[kept_V] for name in names})


Predict = Callable[[Votes, Votes], Floats]
"""(votes to learn from, votes to predict) -> probabilities of a, tie and b, (V, 3); NaN where a model has no ties."""


def read(path: Path, every: int) -> Votes:
    """The votes of a file, of each `every`-th pair."""
    annotators: dict[str, int] = {}
    texts: dict[str, int] = {}
    rows: list[tuple[int, int, int, int, int]] = []
    pairs = 0
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for number, line in enumerate(file):
            if number % every:
                continue
            found: dict[str, Any] = json.loads(line)
            first, second = (texts.setdefault(f"{found['prompt']}\0{found[side]}", len(texts)) for side in "ab")
            if first == second:  # a text against its own copy
                second = texts.setdefault(f"copy\0{number}", len(texts))
            for vote in found["votes"]:
                annotator = annotators.setdefault(str(vote["annotator"]), len(annotators))
                rows.append((pairs, annotator, ("a", "tie", "b").index(vote["choice"]), first, second))
            pairs += 1
    pair_V, annotator_V, class_V, first_V, second_V = np.array(rows, dtype=np.int64).T
    return Votes(pair_V, annotator_V, class_V, first_V, second_V, pairs, len(annotators), len(texts))


def by_shares(seen: Votes, wanted: Votes) -> Floats:
    """The same for every pair."""
    return np.tile((np.bincount(seen.class_V, minlength=3) + 1) / (len(seen.class_V) + 3), (len(wanted.class_V), 1))


def by_majority(seen: Votes, wanted: Votes) -> Floats:
    """Counts on the pair and pseudo-votes of the shares."""
    counts_NC = np.bincount(seen.pair_V * 3 + seen.class_V, minlength=seen.pairs * 3).reshape(-1, 3)
    counts_VC = counts_NC[wanted.pair_V] + 3 * by_shares(seen, wanted)
    return np.asarray(counts_VC / counts_VC.sum(axis=1, keepdims=True), dtype=np.float64)


def by_dawid_skene(seen: Votes, wanted: Votes) -> Floats:
    """Ours, with pseudo-counts."""
    found = dawid_skene(seen.pair_V, seen.annotator_V, seen.class_V, 3, items=seen.pairs, annotators=seen.annotators)
    return np.asarray(
        np.einsum("vt,vtl->vl", found.posterior_NC[wanted.pair_V], found.confusion_ACC[wanted.annotator_V])
    )


def by_crowd_kit(seen: Votes, wanted: Votes) -> Floats:
    """Crowd-kit's, for people and pairs that it has not seen with the mean confusion and the class shares."""
    import pandas as pd  # type: ignore[import-untyped]  # pandas ships no types
    from crowdkit.aggregation import DawidSkene  # here, since it takes seconds to import

    frame = pd.DataFrame({"task": seen.pair_V, "worker": seen.annotator_V, "label": seen.class_V})
    found = DawidSkene(n_iter=200).fit(frame)
    posterior_NC = np.tile(found.priors_.reindex(range(3)).to_numpy(), (seen.pairs, 1))
    posterior_NC[found.probas_.index] = found.probas_.reindex(columns=range(3), fill_value=0.0).to_numpy()
    # errors_ has a row for each worker and label said, and a column for each true label.
    table = found.errors_.reindex(columns=range(3)).fillna(0.0)
    said, known = np.zeros((seen.annotators, 3, 3)), np.zeros(seen.annotators, dtype=bool)
    for (worker, label), row in zip(table.index, table.to_numpy(), strict=True):
        said[worker, :, label], known[worker] = row, True
    usual_CC = said[known].mean(axis=0)
    said[~known] = usual_CC
    found_VC = np.einsum("vt,vtl->vl", posterior_NC[wanted.pair_V], said[wanted.annotator_V])
    found_VC = 0.99 * found_VC + 0.01 * by_shares(seen, wanted)
    return np.asarray(found_VC / found_VC.sum(axis=1, keepdims=True))


def by_item_response(seen: Votes, wanted: Votes) -> Floats:
    """Ours, with a shown first."""
    outcome_V, ones_V = OUTCOMES[seen.class_V], np.ones(len(seen.pair_V))
    found = item_response(
        seen.pair_V, seen.annotator_V, outcome_V, ones_V, pairs=seen.pairs, annotators=seen.annotators
    )
    return found.predict(wanted.pair_V, wanted.annotator_V, np.ones(len(wanted.pair_V)))


def by_bradley_terry(seen: Votes, wanted: Votes) -> Floats:
    """Crowd-BT with everybody as reliable as can be."""
    return _by_crowd_bt(seen, wanted, CrowdBTPrior(right=1e6, wrong=1e-3))


def by_crowd_bt(seen: Votes, wanted: Votes) -> Floats:
    """Ours."""
    return _by_crowd_bt(seen, wanted, CrowdBTPrior())


def by_noisy_bt(seen: Votes, wanted: Votes) -> Floats:
    """Ours, with the first text shown first."""
    found = noisy_bt(_pair_votes(seen))
    p_V = _sigma(found.score_I[wanted.first_V] - found.score_I[wanted.second_V])
    follows_V = _sigma(found.skill_A)[wanted.annotator_V]
    return _decided(follows_V * p_V + (1 - follows_V) * _sigma(found.side_A)[wanted.annotator_V])


def _by_crowd_bt(seen: Votes, wanted: Votes, prior: CrowdBTPrior) -> Floats:
    found = crowd_bt(_pair_votes(seen), prior)
    p_V = _sigma(found.score_I[wanted.first_V] - found.score_I[wanted.second_V])
    eta_V = found.reliability_A[wanted.annotator_V]
    return _decided(eta_V * p_V + (1 - eta_V) * (1 - p_V))


def _pair_votes(seen: Votes) -> Any:
    columns = (seen.first_V, seen.second_V, seen.annotator_V, OUTCOMES[seen.class_V], np.ones(len(seen.pair_V)))
    return pair_votes(*columns, items=seen.texts, annotators=seen.annotators)


def _sigma(x: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(x / 2)))


def _decided(p_V: Floats) -> Floats:
    return np.stack([p_V, np.full(len(p_V), np.nan), 1 - p_V], axis=1)


MODELS: dict[str, Predict] = {
    "majority": by_majority,
    "shares": by_shares,
    "crowd-kit Dawid-Skene": by_crowd_kit,
    "Dawid-Skene": by_dawid_skene,
    "item response": by_item_response,
    "Bradley-Terry": by_bradley_terry,
    "Crowd-BT": by_crowd_bt,
    "noisy Bradley-Terry": by_noisy_bt,
}


def scores(votes: Votes, predicted_VC: Floats) -> dict[str, Floats]:
    """Log loss and accuracy of each vote; NaN where it does not count."""
    rows, truth = np.arange(len(votes.class_V)), votes.class_V
    with np.errstate(invalid="ignore"):
        first_V = predicted_VC[:, 0] / (predicted_VC[:, 0] + predicted_VC[:, 2])
        told_V = np.where(truth == 0, first_V, 1 - first_V)
    right_V = (np.nan_to_num(predicted_VC).argmax(axis=1) == truth).astype(np.float64)
    three = not np.isnan(predicted_VC).any()
    nothing_V = np.full(len(rows), np.nan)
    decided = truth != 1
    return {
        "log loss": -np.log(predicted_VC[rows, truth]) if three else nothing_V,
        "accuracy": right_V if three else nothing_V,
        "log loss, decided": np.where(decided, -np.log(np.where(decided, told_V, 1.0)), np.nan),
        "accuracy, decided": np.where(decided, np.where(told_V == 0.5, 0.5, told_V > 0.5), np.nan),
    }


def measured(values_V: Floats, votes: Votes) -> Interval | None:
    """The mean of the values that are there, clustered by pair and annotator."""
    kept = ~np.isnan(values_V)
    if not kept.any():
        return None
    clustering = clustering_of(votes.annotator_V[kept].tolist(), votes.pair_V[kept].tolist())
    return mean_interval(values_V[kept], clustering)


def shown(interval: Interval | None, digits: int = 4) -> list[float] | None:
    """Value, low, high."""
    return None if interval is None else [round(x, digits) for x in (interval.value, interval.low, interval.high)]


def report(path: Path, quick: bool) -> None:
    """Print everything about one file: one JSON object about the votes, then one for each model."""
    votes = read(path, every=10 if quick else 1)
    print(json.dumps({"file": path.name, **described(votes)}))
    folds = 2 if quick else 5
    fold_V = generator(0, "folds", path.name).integers(folds, size=len(votes.pair_V))
    majority: dict[str, Floats] = {}
    for name, predict in MODELS.items():
        predicted_VC = np.empty((len(votes.pair_V), 3))
        began = time.perf_counter()
        try:
            for fold in range(folds):
                held = fold_V == fold
                predicted_VC[held] = predict(votes.rows(~held), votes.rows(held))
        except ModuleNotFoundError as error:
            print(f"{name}: left out, {error.name} is not installed")
            continue
        seconds = time.perf_counter() - began
        found = scores(votes, predicted_VC)
        majority = majority or found
        line: dict[str, Any] = {"model": name, "seconds a fit": round(seconds / folds, 2)}
        for measure, values in found.items():
            line[measure] = shown(measured(values, votes))
            line[f"{measure}, less majority"] = shown(measured(values - majority[measure], votes))
        print(json.dumps(line), flush=True)


def described(votes: Votes) -> dict[str, Any]:
    """Sizes, agreement and skills."""
    columns = [votes.pair_V, votes.annotator_V, votes.class_V]
    decided = votes.class_V != 1
    all_three, only_decided = (
        agreement(*(column[kept].tolist() for column in columns)) for kept in (decided | True, decided)
    )
    fit = item_response(votes.pair_V, votes.annotator_V, OUTCOMES[votes.class_V], np.ones(len(votes.pair_V)))
    known = np.bincount(votes.annotator_V) >= 20
    bias_A = fit.parameters_AK[known, 1]
    return {
        "machine": platform.processor() or platform.machine(),
        "votes": len(votes.pair_V),
        "pairs": votes.pairs,
        "annotators": votes.annotators,
        "texts": votes.texts,
        "share of ties": round(float(1 - decided.mean()), 3),
        "alpha of a, tie, b": shown(Interval(all_three.alpha, all_three.low, all_three.high), 3),
        "kappa of a, tie, b": round(all_three.kappa, 3),
        "alpha of decided votes": shown(Interval(only_decided.alpha, only_decided.low, only_decided.high), 3),
        "annotators with 20 votes": int(known.sum()),
        "their skill, 5 50 95 %": np.percentile(fit.accuracy_A[known], [5, 50, 95]).round(3).tolist(),
        "their side bias in log-odds, 5 50 95 %": np.percentile(bias_A, [5, 50, 95]).round(3).tolist(),
        "share of pairs that are alike": round(fit.population.alike, 3),
    }


def main() -> None:
    """Measure each file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="votes, one pair a line, gzip")
    parser.add_argument("--quick", action="store_true", help="a tenth of the pairs, two folds")
    arguments = parser.parse_args()
    if not arguments.files:
        print("nothing measured: name files of votes (ukp_convincing_votes.jsonl.gz, llmfao_votes.jsonl.gz)")
    for path in arguments.files:
        if not path.is_file():
            print(f"nothing measured for {path}: there is no such file")
            continue
        report(path, arguments.quick)


if __name__ == "__main__":
    main()
