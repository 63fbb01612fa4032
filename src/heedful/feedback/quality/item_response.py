"""Pairs that are each compared once by a few people: which is better, who sees it, and who only looks at the side.

Either the completions of a pair are alike (a share of the pairs), or their difference is delta ~ N(0, 1), above 0 when
`a` is better. With the side x shown (+1: a first, -1: b first, 0: not known) and eta = skill_k delta + bias_k x
annotator k answers, where they are not alike,

    P(a) = sigma(eta - hesitation_k),    P(b) = sigma(-eta - hesitation_k),    P(tie) = the rest

and where they are, a tie with probability spotting_k, else by the side: sigma(bias_k x). skill is 0 for somebody who
never looks and negative for one who answers the opposite; a bias above 0 favours the side shown first. Pairs on which
people are of two minds (delta near 0) and pairs that they call a tie are thus told apart.

Whitehill et al. (2009), "Whose vote should count more" (GLAD), with the cumulative logits of Samejima (1969),
"Estimation of latent ability using a response pattern of graded scores" (for pairs: Rao and Kupper 1967), the side,
and pairs that are alike. The state of a pair is summed out, not estimated, so two votes a pair are enough; the
annotators' parameters have a population as prior whose means and spreads are learned. Fit by EM (Bock and Aitkin 1981,
"Marginal maximum likelihood estimation of item parameters"). Swapping a and b changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from heedful.feedback.quality import responses
from heedful.feedback.quality.population import Population
from heedful.feedback.quality.responses import A_S, B_S, GRID_G, Table, log_prior
from heedful.feedback.quality.votes import Codes, Floats, check_lengths, codes, outcomes, sides

POPULATION_EVERY = 3
"""EM steps between two looks at the population."""


@dataclass(frozen=True)
class ItemResponse:
    """What was found."""

    posterior_NS: Floats
    """The probability of each state of each pair: the differences `responses.GRID_G`, and last that it is alike."""
    parameters_AK: Floats
    """skill, bias and hesitation of each annotator, in log-odds (skill: per standard deviation of the pairs), and
    spotting, a probability."""
    error_AK: Floats
    """Standard errors of skill and bias from the observed information (Louis 1982)."""
    population: Population
    hesitates: bool
    """Whether there was any tie; without one no pair is alike."""
    log_posterior: tuple[float, ...]
    """Marginal log-likelihood (nats) and log-prior after each step; it never falls while the population stays."""

    @property
    def verdict_NC(self) -> Floats:
        """The probabilities that a is better, that they are alike, and that b is better, (N, 3)."""
        return verdicts(self.posterior_NS)

    @property
    def target_N(self) -> Floats:
        """P(a is better) and half of P(alike): what to train on."""
        verdict_NC = self.verdict_NC
        return np.asarray(verdict_NC[:, 0] + verdict_NC[:, 1] / 2, dtype=np.float64)

    @property
    def accuracy_A(self) -> Floats:
        """How often each would name the better one of a random pair if they had to choose without sides."""
        return responses.accuracy(self.parameters_AK[:, 0])

    def accuracy_interval(self, z: float = 1.96) -> tuple[Floats, Floats]:
        """Bounds of `accuracy_A`, `z` standard errors of the skill away."""
        skill_A, error_A = self.parameters_AK[:, 0], self.error_AK[:, 0]
        return responses.accuracy(skill_A - z * error_A), responses.accuracy(skill_A + z * error_A)

    def predict(self, pair_V: ArrayLike, annotator_V: ArrayLike, side_V: ArrayLike) -> Floats:
        """The probabilities of a, tie and b for votes that were not seen, (V, 3)."""
        pair, annotator = np.asarray(pair_V), np.asarray(annotator_V)
        table_VSC = responses.probabilities(self.parameters_AK[annotator], np.asarray(side_V, dtype=np.float64))
        return np.asarray(np.einsum("vs,vsc->vc", self.posterior_NS[pair], table_VSC), dtype=np.float64)


def verdicts(posterior_NS: Floats) -> Floats:
    """P(a is better), P(alike), P(b is better) from the probabilities of the states."""
    columns = [posterior_NS[:, A_S].sum(axis=1), posterior_NS[:, -1], posterior_NS[:, B_S].sum(axis=1)]
    return np.stack(columns, axis=1)


def item_response(
    pair_V: ArrayLike,
    annotator_V: ArrayLike,
    outcome_V: ArrayLike,
    side_V: ArrayLike | None = None,
    *,
    pairs: int | None = None,
    annotators: int | None = None,
    known: Mapping[int, float] | None = None,
    population: Population | None = None,
    learn_population: bool = True,
    steps: int = 60,
    tolerance: float = 5e-4,
) -> ItemResponse:
    """Fit pairs and annotators together, beginning with everybody at the middle of the population.

    Args:
        pair_V: pair numbers from 0, one per vote.
        annotator_V: annotator numbers from 0.
        outcome_V: 1 for a, 1/2 for a tie, 0 for b.
        side_V: +1 when a was shown first, -1 when b was, 0 or left out when that is not known.
        pairs: how many pairs there are; one more than the largest number when left out.
        annotators: likewise.
        known: pair -> 1 or 0, where it is known which is better (gold items).
        population: the prior to begin with.
        learn_population: fit the prior's mean and spread as well (empirical Bayes).
        steps: EM steps at most.
        tolerance: stop when the parameters move by less than this (root mean square).

    Raises:
        Problem: no votes, columns of different lengths, or a value that is not allowed.
    """
    pair, annotator = codes(pair_V, "pair_V", pairs), codes(annotator_V, "annotator_V", annotators)
    outcome = outcomes(outcome_V)
    side = sides(side_V, len(pair))
    check_lengths(pair_V=pair, annotator_V=annotator, outcome_V=outcome, side_V=side)
    N = int(pair.max()) + 1 if pairs is None else pairs
    A = int(annotator.max()) + 1 if annotators is None else annotators
    population = population or Population()
    table, row_V = Table.of(annotator, outcome, side, A)
    votes_NR = sparse.csr_array((np.ones(len(pair)), (pair, row_V)), shape=(N, len(table.annotator_R)))
    votes_RN = votes_NR.T.tocsr()
    known_NS = _known(N, known)
    parameters_AK = population.middle(A, hesitates=table.hesitates)
    log_RS = table.log_probabilities(parameters_AK)
    trace: list[float] = []
    while True:
        prior_NS = known_NS + log_prior(population.alike if table.hesitates else 0.0)
        posterior_NS, log_likelihood = _posterior(prior_NS + votes_NR @ log_RS)
        trace.append(log_likelihood + float(population.log_density(parameters_AK, table.hesitates).sum()))
        counts_RS = np.asarray(votes_RN @ posterior_NS)
        moved_AK, log_RS = table.maximised(parameters_AK, counts_RS, population)
        done = len(trace) >= steps or float(np.sqrt(((moved_AK - parameters_AK) ** 2).mean())) < tolerance
        parameters_AK = moved_AK
        if done or (learn_population and len(trace) % POPULATION_EVERY == 0):
            covariance_AKK = _covariance(table, parameters_AK, population, posterior_NS, pair, row_V, counts_RS)
        if done:
            break
        if learn_population and len(trace) % POPULATION_EVERY == 0:
            population = population.learned(parameters_AK, covariance_AKK, posterior_NS[:, -1], table.hesitates)
    posterior_NS, _ = _posterior(prior_NS + votes_NR @ log_RS)
    error_AK = np.sqrt(np.diagonal(covariance_AKK, axis1=1, axis2=2)[:, :2])
    return ItemResponse(posterior_NS, parameters_AK, error_AK, population, table.hesitates, tuple(trace))


def pair_verdict(outcome_V: ArrayLike, side_V: ArrayLike, parameters_VK: ArrayLike, alike: float) -> Floats:
    """P(a is better), P(alike), P(b is better) for one pair, from the votes on it and what is known of its voters.

    Args:
        outcome_V: 1 for a, 1/2 for a tie, 0 for b; there may be none.
        side_V: as for `item_response`.
        parameters_VK: skill, bias, hesitation and spotting of the annotator behind each vote.
        alike: the share of pairs that are alike.
    """
    outcome, side = np.asarray(outcome_V, dtype=np.float64), np.asarray(side_V, dtype=np.float64)
    log_S = log_prior(alike)
    if len(outcome):
        parameters_VK = np.asarray(parameters_VK, dtype=np.float64)
        log_S = log_S + responses.log_probabilities(outcome, parameters_VK, side).sum(axis=0)
    weight_S = np.exp(log_S - log_S.max())
    return np.asarray(verdicts((weight_S / weight_S.sum())[None])[0], dtype=np.float64)


def _known(pairs: int, known: Mapping[int, float] | None) -> Floats:
    """0 for the states that a pair may be in, minus infinity for those that it is known not to be in."""
    known_NS = np.zeros((pairs, len(GRID_G) + 1))
    for row, outcome in (known or {}).items():
        allowed_S = A_S if outcome > 0.5 else B_S
        known_NS[row, ~allowed_S] = -np.inf
    return known_NS


def _posterior(joint_NS: Floats) -> tuple[Floats, float]:
    top_N = joint_NS.max(axis=1, keepdims=True)
    weight_NS = np.exp(joint_NS - top_N)
    total_N = weight_NS.sum(axis=1, keepdims=True)
    return weight_NS / total_N, float((top_N + np.log(total_N)).sum())


def _covariance(
    table: Table,
    parameters_AK: Floats,
    population: Population,
    posterior_NS: Floats,
    pair_V: Codes,
    row_V: Codes,
    counts_RS: Floats,
) -> Floats:
    """The covariance of each annotator's skill, bias and hesitation: the inverse of their observed information.

    Louis (1982), "Finding the observed information matrix when using the EM algorithm": the expected information of
    the complete data less the variance of its score, here of each vote by itself, plus the prior's. What others'
    parameters, and spotting, leave open is not counted.
    """
    complete_AKK, score_RSK = table.information(parameters_AK, counts_RS)
    squared_RKK = np.einsum("rs,rsk,rsl->rkl", counts_RS, score_RSK, score_RSK, optimize=True)
    posterior_VS = posterior_NS[pair_V]
    means = [np.einsum("vs,vs->v", posterior_VS, score_RSK[:, :, k][row_V]) for k in range(3)]
    mean_VK = np.stack(means, axis=1)
    missing_AKK = np.zeros_like(complete_AKK)
    np.add.at(missing_AKK, table.annotator_R, squared_RKK)
    np.add.at(missing_AKK, table.annotator_R[row_V], -mean_VK[:, :, None] * mean_VK[:, None, :])
    prior_AKK = population.information(parameters_AK, table.hesitates)
    values_AK, axes_AKK = np.linalg.eigh(complete_AKK - missing_AKK + prior_AKK)
    floor = population.least_information
    inverse_AKK = (axes_AKK / np.maximum(values_AK, floor)[:, None, :]) @ axes_AKK.transpose(0, 2, 1)
    return np.asarray(inverse_AKK, dtype=np.float64)
