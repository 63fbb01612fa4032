"""How one annotator answers one pair, as `item_response` models it: probabilities and slopes over the pair's states.

A pair's state is a difference of its two completions, on a grid, or that they are alike. All votes of one annotator
with the same outcome and side are alike to the model: so a fit works on a table of (annotator, outcome, side) by
state, however many votes there are.

Suffixes: S states (the grid and, last, alike), R rows of the table, K parameters of an annotator (skill, bias,
hesitation, spotting).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from heedful.feedback.quality.population import Population
from heedful.feedback.quality.votes import Codes, Floats

GRID_G: Floats = (np.arange(24, dtype=np.float64) - 11.5) * 0.3
"""Differences in standard deviations of the pairs, symmetric, none of them 0."""

NORMAL_G: Floats = np.exp(-(GRID_G**2) / 2) / np.exp(-(GRID_G**2) / 2).sum()
"""A normal density on the grid."""

A_S = np.append(GRID_G > 0, False)
"""The states in which a is better."""
B_S = np.append(GRID_G < 0, False)

LEAST = 1e-4
"""Of a hesitation; and how far a probability of spotting stays from 0 and 1."""
MOST_SKILL = 10.0


def log_prior(alike: float) -> Floats:
    """The log-probability of each state, where a share `alike` of the pairs is alike."""
    with np.errstate(divide="ignore"):
        return np.append(np.log(NORMAL_G) + np.log1p(-alike), np.log(alike))


def log_probabilities(outcome_V: Floats, parameters_VK: Floats, side_V: Floats) -> Floats:
    """log P(outcome) in each state, (V, S)."""
    lean_V, tie_V = parameters_VK[:, 1] * side_V, outcome_V == 0.5
    towards_V = np.where(tie_V, 1.0, 2 * outcome_V - 1)
    eta_VG = (towards_V * parameters_VK[:, 0])[:, None] * GRID_G + (towards_V * lean_V)[:, None]
    hesitation = parameters_VK[:, 2:3]
    found_VS = np.empty((len(outcome_V), len(A_S)))
    found_VS[:, :-1] = _log_sigmoid(eta_VG - hesitation)
    # P(tie) = sigma(h - eta) sigma(h + eta) (1 - exp(-2 h))
    eta_VG, hesitation = eta_VG[tie_V], hesitation[tie_V]
    width = np.log(-np.expm1(-2 * np.maximum(hesitation, LEAST)))
    found_VS[tie_V, :-1] = _log_sigmoid(hesitation - eta_VG) + _log_sigmoid(hesitation + eta_VG) + width
    spots_V = np.clip(parameters_VK[:, 3], LEAST, 1 - LEAST)
    found_VS[:, -1] = np.where(tie_V, np.log(spots_V), np.log1p(-spots_V) + _log_sigmoid(towards_V * lean_V))
    return found_VS


def probabilities(parameters_VK: Floats, side_V: Floats) -> Floats:
    """P(a), P(tie), P(b) in each state, (V, S, 3)."""
    columns = [np.exp(log_probabilities(np.full(len(side_V), y), parameters_VK, side_V)) for y in (1.0, 0.5, 0.0)]
    return np.stack(columns, axis=2)


def accuracy(skill_A: ArrayLike) -> Floats:
    """The probability of naming the better one of a random pair: 1/2 for skill 0, below it for a negative one."""
    skill = np.asarray(skill_A, dtype=np.float64)
    weight_G = NORMAL_G[GRID_G > 0] / NORMAL_G[GRID_G > 0].sum()
    return np.asarray(expit(skill[..., None] * GRID_G[GRID_G > 0]) @ weight_G, dtype=np.float64)


@dataclass(frozen=True)
class Table:
    """The kinds of vote that occur: who, what, on which side."""

    annotator_R: Codes
    outcome_R: Floats
    side_R: Floats
    annotators: int
    hesitates: bool
    """Whether there is any tie; without one nobody hesitates, and no pair is alike."""

    @classmethod
    def of(cls, annotator_V: Codes, outcome_V: Floats, side_V: Floats, annotators: int) -> tuple[Table, Codes]:
        """The table, and the row of every vote."""
        code_V = (annotator_V * 3 + (2 * outcome_V).astype(np.int64)) * 3 + side_V.astype(np.int64) + 1
        code_R, row_V = np.unique(code_V, return_inverse=True)
        outcome_R, side_R = (code_R // 3 % 3) / 2, (code_R % 3 - 1).astype(np.float64)
        table = cls(code_R // 9, outcome_R, side_R, annotators, bool((outcome_R == 0.5).any()))
        return table, row_V.reshape(-1).astype(np.int64)

    def log_probabilities(self, parameters_AK: Floats) -> Floats:
        """log P of each kind of vote in each state, (R, S)."""
        return log_probabilities(self.outcome_R, parameters_AK[self.annotator_R], self.side_R)

    def maximised(self, parameters_AK: Floats, counts_RS: Floats, population: Population) -> tuple[Floats, Floats]:
        """One step up the expected log-posterior, halved where it would lose; and the new `log_probabilities`.

        Spotting is set to its maximum. In the other three parameters the objective is concave, so that a Newton step
        gains once it is short enough.
        """

        def value(parameters: Floats, log_RS: Floats) -> Floats:
            gained_R = (counts_RS * log_RS).sum(axis=1)
            prior_A = population.log_density(parameters, self.hesitates)
            return np.bincount(self.annotator_R, gained_R, self.annotators) + prior_A

        start_AK = self._spotting(parameters_AK, counts_RS, population)
        information_AKK, score_RSK = self.information(start_AK, counts_RS)
        slope_AK = population.slope(start_AK, self.hesitates)
        np.add.at(slope_AK, self.annotator_R, np.einsum("rs,rsk->rk", counts_RS, score_RSK))
        information_AKK = information_AKK + population.information(start_AK, self.hesitates)
        step_AK = np.clip(np.linalg.solve(information_AKK, slope_AK[:, :, None])[:, :, 0], -1.5, 1.5)
        before_A = value(start_AK, self.log_probabilities(start_AK))
        worse_A = np.ones(self.annotators, dtype=bool)
        for _ in range(8):
            moved_AK = self._moved(start_AK, step_AK)
            log_RS = self.log_probabilities(moved_AK)
            worse_A = value(moved_AK, log_RS) < before_A - 1e-9
            if not worse_A.any():
                return moved_AK, log_RS
            step_AK = np.where(worse_A[:, None], step_AK / 2, step_AK)
        moved_AK = np.where(worse_A[:, None], start_AK, moved_AK)
        return moved_AK, self.log_probabilities(moved_AK)

    def information(self, parameters_AK: Floats, counts_RS: Floats) -> tuple[Floats, Floats]:
        """Of skill, bias and hesitation: minus the second derivatives of the expected votes' log-likelihood, by
        annotator, (A, 3, 3), and the first ones of each kind of vote in each state, (R, S, 3)."""
        x_R, counts_RG = self.side_R, counts_RS[:, :-1]
        by_eta_RG, by_tau_RG, both_RG, differ_RG, bar_R = self._slopes(parameters_AK)
        both_RG, differ_RG = both_RG * counts_RG, differ_RG * counts_RG
        tie_R = self.outcome_R == 0.5
        guess_R = expit(parameters_AK[self.annotator_R, 1] * x_R)
        guessed_R = np.where(tie_R, 0.0, guess_R * (1 - guess_R)) * counts_RS[:, -1]
        found_RKK = np.zeros((len(x_R), 3, 3))
        found_RKK[:, 0, 0] = both_RG @ GRID_G**2
        found_RKK[:, 0, 1] = found_RKK[:, 1, 0] = (both_RG @ GRID_G) * x_R
        found_RKK[:, 1, 1] = (both_RG.sum(axis=1) + guessed_R) * x_R**2
        score_RSK = np.zeros((len(x_R), len(A_S), 3))
        score_RSK[:, :-1, 0], score_RSK[:, :-1, 1] = by_eta_RG * GRID_G, by_eta_RG * x_R[:, None]
        score_RSK[:, -1, 1] = np.where(tie_R, 0.0, (self.outcome_R - guess_R) * x_R)
        if self.hesitates:
            found_RKK[:, 0, 2] = found_RKK[:, 2, 0] = differ_RG @ GRID_G
            found_RKK[:, 1, 2] = found_RKK[:, 2, 1] = differ_RG.sum(axis=1) * x_R
            found_RKK[:, 2, 2] = both_RG.sum(axis=1) + bar_R * counts_RG.sum(axis=1)
            score_RSK[:, :-1, 2] = by_tau_RG
        information_AKK = np.zeros((self.annotators, 3, 3))
        np.add.at(information_AKK, self.annotator_R, found_RKK)
        return information_AKK, score_RSK

    def _slopes(self, parameters_AK: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """Derivatives of log P by eta and by the hesitation h on the grid: by eta, by h, minus eta twice, minus mixed,
        and what h twice has more than eta twice (the same at every difference)."""
        p_RK = parameters_AK[self.annotator_R]
        tie_R = self.outcome_R == 0.5
        towards = np.where(tie_R, 1.0, 2 * self.outcome_R - 1)[:, None]
        eta_RG = towards * (p_RK[:, :1] * GRID_G + (p_RK[:, 1] * self.side_R)[:, None])
        chosen_RG = expit(eta_RG - p_RK[:, 2:3])
        both_RG = chosen_RG * (1 - chosen_RG)
        by_eta_RG, by_tau_RG, differ_RG = towards * (1 - chosen_RG), chosen_RG - 1, -towards * both_RG
        bar_R = np.zeros(len(tie_R))
        if self.hesitates:
            above, below = chosen_RG[tie_R], expit(-eta_RG[tie_R] - p_RK[tie_R, 2:3])
            barrier = 1 / np.expm1(2 * np.maximum(p_RK[tie_R, 2:3], LEAST))
            by_eta_RG[tie_R], by_tau_RG[tie_R] = below - above, above + below + 2 * barrier
            differ_RG[tie_R] = below * (1 - below) - both_RG[tie_R]
            both_RG[tie_R] += below * (1 - below)
            bar_R[tie_R] = (4 * barrier * (1 + barrier))[:, 0]
        return by_eta_RG, by_tau_RG, both_RG, differ_RG, bar_R

    def _spotting(self, parameters_AK: Floats, counts_RS: Floats, population: Population) -> Floats:
        """The parameters with the most probable spotting."""
        alike_R = counts_RS[:, -1]
        alike_A, ties_A = np.zeros(self.annotators), np.zeros(self.annotators)
        np.add.at(alike_A, self.annotator_R, alike_R)
        np.add.at(ties_A, self.annotator_R, alike_R * (self.outcome_R == 0.5))
        found_AK = parameters_AK.copy()
        found_AK[:, 3] = np.clip(population.spotting_of(ties_A, alike_A), LEAST, 1 - LEAST)
        return found_AK

    def _moved(self, before_AK: Floats, step_AK: Floats) -> Floats:
        """A step, with skills within bounds and hesitations above 0."""
        found_AK = before_AK.copy()
        found_AK[:, :3] += step_AK
        found_AK[:, 0] = np.clip(found_AK[:, 0], -MOST_SKILL, MOST_SKILL)
        found_AK[:, 2] = np.maximum(found_AK[:, 2], np.maximum(before_AK[:, 2] / 3, LEAST)) if self.hesitates else 0.0
        return found_AK


def _log_sigmoid(x: Floats) -> Floats:
    """Skills are bounded, so the exponential does not overflow."""
    return -np.log1p(np.exp(-x))
