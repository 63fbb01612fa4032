"""Dawid and Skene: what is true and who mistakes what for what, both from nothing but the labels that people gave.

Dawid and Skene (1979), "Maximum likelihood estimation of observer error-rates using the EM algorithm", Applied
Statistics 28. Each item has one true class t, drawn with probability prior[t]; annotator k
calls it l with probability confusion[k, t, l], independently of what the others say.

What differs: pseudo-counts on the confusion matrices and the prior (a Dirichlet prior, so EM climbs the posterior
density), without which somebody with three answers would be taken for infallible; and items whose class is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from heedful.errors import Problem
from heedful.feedback.quality.votes import Floats, check_lengths, codes

TINY = 1e-300
"""Stands for zero under a logarithm."""


@dataclass(frozen=True)
class DawidSkene:
    """What was found."""

    posterior_NC: Floats
    """The probability of each class for each item; rows sum to 1."""
    confusion_ACC: Floats
    """[k, t, l]: the probability that annotator k calls the true class t by the label l."""
    prior_C: Floats
    """How frequent each class is."""
    log_posterior: tuple[float, ...]
    """The log-likelihood (nats) plus the log-density of the pseudo-counts, after each step; it never falls."""

    @property
    def skill_A(self) -> Floats:
        """The mean of the diagonal of each confusion matrix: 1 always right, 1 / C by chance."""
        return np.asarray(np.diagonal(self.confusion_ACC, axis1=1, axis2=2).mean(axis=1), dtype=np.float64)


def dawid_skene(
    item_V: ArrayLike,
    annotator_V: ArrayLike,
    label_V: ArrayLike,
    classes: int,
    *,
    items: int | None = None,
    annotators: int | None = None,
    known: Mapping[int, int] | None = None,
    right: float = 4.0,
    wrong: float = 1.0,
    even: float = 1.0,
    steps: int = 200,
    tolerance: float = 1e-6,
) -> DawidSkene:
    """Fit by EM, beginning with the shares of the labels that each item got.

    Args:
        item_V: item numbers from 0, one per vote.
        annotator_V: annotator numbers from 0.
        label_V: class numbers from 0, below `classes`.
        classes: how many classes there are, at least 2.
        items: how many items there are; one more than the largest number when left out.
        annotators: likewise.
        known: item -> its true class, where that is known (gold items).
        right: pseudo-count of every diagonal cell of every confusion matrix. With `right`, `wrong` and `even` 0 the
            fit is Dawid and Skene's maximum likelihood.
        wrong: pseudo-count of every other cell.
        even: pseudo-count of every class.
        steps: EM steps at most.
        tolerance: stop when a step gains less than this, in nats a vote.

    Raises:
        Problem: no votes, columns of different lengths, or a value that is not allowed.
    """
    item, annotator = codes(item_V, "item_V", items), codes(annotator_V, "annotator_V", annotators)
    label = codes(label_V, "label_V", classes)
    check_lengths(item_V=item, annotator_V=annotator, label_V=label)
    if classes < 2 or min(right, wrong, even) < 0:
        raise Problem("two classes or more and pseudo-counts from 0 are wanted", where="dawid_skene")
    N = int(item.max()) + 1 if items is None else items
    A = int(annotator.max()) + 1 if annotators is None else annotators
    cells = sparse.csr_array((np.ones(len(item)), (item, annotator * classes + label)), shape=(N, A * classes))
    cells_transposed = cells.T.tocsr()
    pseudo_CC = np.full((classes, classes), wrong) + (right - wrong) * np.eye(classes)
    votes_NC = np.bincount(item * classes + label, minlength=N * classes).reshape(N, classes)
    posterior_NC = _with_known(_rows(votes_NC.astype(np.float64)), known)
    trace: list[float] = []
    while True:
        counts_ALC = np.asarray(cells_transposed @ posterior_NC).reshape(A, classes, classes)
        confusion_ACC = _rows(counts_ALC.transpose(0, 2, 1) + pseudo_CC)
        prior_C = _rows(posterior_NC.sum(axis=0) + even)
        log_confusion = np.log(np.maximum(confusion_ACC, TINY))
        joint_NC = np.asarray(cells @ log_confusion.transpose(0, 2, 1).reshape(A * classes, classes))
        joint_NC = joint_NC + np.log(np.maximum(prior_C, TINY))
        posterior_NC, log_likelihood = _normalised(joint_NC, known)
        prior_density = float((pseudo_CC * log_confusion).sum() + even * np.log(np.maximum(prior_C, TINY)).sum())
        trace.append(log_likelihood + prior_density)
        if len(trace) >= steps or (len(trace) > 1 and trace[-1] - trace[-2] < tolerance * len(item)):
            return DawidSkene(posterior_NC, confusion_ACC, prior_C, tuple(trace))


def class_probabilities(labels_V: ArrayLike, confusion_VCC: ArrayLike, prior_C: ArrayLike) -> Floats:
    """The probability of each class of one item: Bayes' rule, for annotators whose confusions are known.

    Args:
        labels_V: the labels that it got; there may be none.
        confusion_VCC: the confusion matrix of the annotator behind each label.
        prior_C: how frequent each class is.
    """
    label = np.asarray(labels_V, dtype=np.int64)
    confusion = np.asarray(confusion_VCC, dtype=np.float64)
    joint_C = np.log(np.maximum(np.asarray(prior_C, dtype=np.float64), TINY))
    if len(label):
        joint_C = joint_C + np.log(np.maximum(confusion[np.arange(len(label)), :, label], TINY)).sum(axis=0)
    weight_C = np.exp(joint_C - joint_C.max())
    return np.asarray(weight_C / weight_C.sum(), dtype=np.float64)


def _rows(counts: Floats) -> Floats:
    """Rows that sum to 1; an empty row becomes even."""
    total = counts.sum(axis=-1, keepdims=True)
    return np.where(total > 0, counts / np.where(total > 0, total, 1.0), 1 / counts.shape[-1])


def _normalised(joint_NC: Floats, known: Mapping[int, int] | None) -> tuple[Floats, float]:
    """(posterior, log-likelihood); for a known item the likelihood is that of its class."""
    if known:
        rows = np.array(list(known))
        told = np.full((len(rows), joint_NC.shape[1]), -np.inf)
        columns = np.array(list(known.values()))
        told[np.arange(len(rows)), columns] = joint_NC[rows, columns]
        joint_NC = joint_NC.copy()
        joint_NC[rows] = told
    top_N = joint_NC.max(axis=1, keepdims=True)
    weight_NC = np.exp(joint_NC - top_N)
    total_N = weight_NC.sum(axis=1, keepdims=True)
    return weight_NC / total_N, float((top_N + np.log(total_N)).sum())


def _with_known(posterior_NC: Floats, known: Mapping[int, int] | None) -> Floats:
    for row, true_class in (known or {}).items():
        posterior_NC[row] = 0.0
        posterior_NC[row, true_class] = 1.0
    return posterior_NC
