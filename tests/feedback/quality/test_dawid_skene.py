"""Dawid-Skene by hand, against crowd-kit, and on labels whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.errors import Problem
from heedful.feedback.quality.dawid_skene import class_probabilities, dawid_skene
from heedful.seeds import generator

Labels = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def labels(seed: int, classes: int = 3, items: int = 300, annotators: int = 12, overlap: int = 5) -> Labels:
    """(item, annotator, label, truth, confusion) of annotators whose accuracy lies between 0.4 and 0.95."""
    random = generator(seed, "labels")
    truth_N = random.integers(classes, size=items)
    right_A = random.uniform(0.4, 0.95, size=annotators)
    item_V = np.repeat(np.arange(items), overlap)
    annotator_V = np.concatenate([random.permutation(annotators)[:overlap] for _ in range(items)])
    slip_V = random.integers(1, classes, size=len(item_V))
    good_V = random.random(len(item_V)) < right_A[annotator_V]
    label_V = np.where(good_V, truth_N[item_V], (truth_N[item_V] + slip_V) % classes)
    return item_V, annotator_V, label_V, truth_N, right_A


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # crowd-kit uses what pandas gives up
def test_agrees_with_crowd_kit() -> None:
    import pandas as pd  # type: ignore[import-untyped]  # pandas ships no types
    from crowdkit.aggregation import DawidSkene  # here, since it takes seconds to import

    item_V, annotator_V, label_V, _, _ = labels(0)
    frame = pd.DataFrame({"task": item_V, "worker": annotator_V, "label": label_V})
    oracle = DawidSkene(n_iter=1000, tol=1e-10).fit(frame)
    ours = dawid_skene(item_V, annotator_V, label_V, 3, right=0, wrong=0, even=0, steps=1000, tolerance=1e-12)
    assert ours.posterior_NC == pytest.approx(oracle.probas_.sort_index()[[0, 1, 2]].to_numpy(), abs=1e-4)


def test_one_step_by_hand() -> None:
    """Two items, two people who agree on the first only; one step from the shares of the labels, no pseudo-counts."""
    found = dawid_skene([0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 1], 2, right=0, wrong=0, even=0, steps=1)
    # Shares: item 0 is class 0; item 1 is class 0 and 1 with 1/2 each. So the prior is (3/4, 1/4). Person 0 always
    # says 0. Person 1 says 0 for class 0 in 1 of 1.5, and 1 for class 1.
    assert found.prior_C == pytest.approx([0.75, 0.25])
    assert found.confusion_ACC[0] == pytest.approx(np.array([[1, 0], [1, 0]]))
    assert found.confusion_ACC[1] == pytest.approx(np.array([[2 / 3, 1 / 3], [0, 1]]))
    assert found.posterior_NC[0] == pytest.approx([1, 0])
    assert found.posterior_NC[1] == pytest.approx([0.5, 0.5])
    assert found.log_posterior == pytest.approx((np.log(0.75 * 2 / 3) + np.log(0.75 / 3 + 0.25),))


@pytest.mark.parametrize("pseudo", [0.0, 0.5, 3.0])
def test_every_step_climbs(pseudo: float) -> None:
    item_V, annotator_V, label_V, _, _ = labels(1)
    found = dawid_skene(item_V, annotator_V, label_V, 3, right=2 * pseudo, wrong=pseudo, even=pseudo, tolerance=1e-9)
    assert len(found.log_posterior) > 5
    assert (np.diff(found.log_posterior) >= -1e-9).all()
    assert found.posterior_NC.sum(axis=1) == pytest.approx(1)
    assert found.confusion_ACC.sum(axis=2) == pytest.approx(1)


def test_beats_the_majority_and_finds_how_good_people_are() -> None:
    gains, correlations = [], []
    for seed in range(5):
        item_V, annotator_V, label_V, truth_N, right_A = labels(seed)
        found = dawid_skene(item_V, annotator_V, label_V, 3)
        counts_NC = np.zeros((len(truth_N), 3))
        np.add.at(counts_NC, (item_V, label_V), 1)
        majority = (counts_NC.argmax(axis=1) == truth_N).mean()
        gains.append((found.posterior_NC.argmax(axis=1) == truth_N).mean() - majority)
        correlations.append(np.corrcoef(found.skill_A, right_A)[0, 1])
    assert np.mean(gains) > 0.02
    assert np.mean(correlations) > 0.9


def test_known_items_teach_who_is_right_against_the_majority() -> None:
    """Two of three people err together; only gold items can tell."""
    random = generator(0, "gold")
    truth_N = random.integers(2, size=200)
    label = np.stack([truth_N, 1 - truth_N, 1 - truth_N], axis=1)
    item_V, annotator_V = np.repeat(np.arange(200), 3), np.tile([0, 1, 2], 200)
    blind = dawid_skene(item_V, annotator_V, label.ravel(), 2)
    told = dawid_skene(item_V, annotator_V, label.ravel(), 2, known={i: int(truth_N[i]) for i in range(150)})
    rest = slice(150, None)
    assert (blind.posterior_NC.argmax(axis=1) == truth_N)[rest].mean() < 0.1
    assert (told.posterior_NC.argmax(axis=1) == truth_N)[rest].mean() == 1
    assert told.posterior_NC[3, truth_N[3]] == 1


def test_nobody_is_infallible_after_three_answers() -> None:
    found = dawid_skene([0, 0, 1, 1, 2, 2], [0, 1, 0, 1, 0, 1], [0, 0, 1, 1, 0, 0], 2)
    assert (found.confusion_ACC > 0.01).all()
    assert found.posterior_NC.max() < 1


def test_class_probabilities_are_those_of_the_fit() -> None:
    item_V, annotator_V, label_V, _, _ = labels(2)
    found = dawid_skene(item_V, annotator_V, label_V, 3)
    rows = item_V == 7
    alone = class_probabilities(label_V[rows], found.confusion_ACC[annotator_V[rows]], found.prior_C)
    assert alone == pytest.approx(found.posterior_NC[7])
    assert class_probabilities([], np.zeros((0, 3, 3)), [0.2, 0.3, 0.5]) == pytest.approx([0.2, 0.3, 0.5])


def test_items_without_a_vote_and_bad_input() -> None:
    found = dawid_skene([0, 0], [0, 1], [1, 1], 2, items=2, annotators=3)
    assert found.posterior_NC.shape == (2, 2)
    assert found.posterior_NC[1] == pytest.approx(found.prior_C)
    with pytest.raises(Problem, match="outside"):
        dawid_skene([0], [0], [2], 2)
    with pytest.raises(Problem, match="pseudo-counts"):
        dawid_skene([0], [0], [0], 2, wrong=-1)
    with pytest.raises(Problem, match="no votes"):
        dawid_skene([], [], [], 2)
