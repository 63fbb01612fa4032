"""Where annotators and pairs come from: the prior of `item_response`, and how it is learned from them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from heedful.feedback.quality.votes import Floats

ADDED = 4.0
"""So many annotators of the usual kind are added to those from whom a population is learned."""

ADDED_PAIRS = 20.0
"""Likewise pairs."""

SPOTTING_WEIGHT = 4.0
"""Pseudo-votes on pairs that are alike, by which spotting is pulled to the population's."""


@dataclass(frozen=True, slots=True)
class Population:
    """Means and spreads of the annotators' parameters, in log-odds, and how many pairs are alike."""

    skill: float = 2.0
    """Mean; at 2 two annotators agree on two decided pairs of three, as is usual for open-ended preferences."""
    skill_spread: float = 1.0
    """Standard deviation."""
    bias_spread: float = 0.5
    """Standard deviation of the pull to the side shown first; its mean is 0."""
    hesitation: float = 0.4
    """Mode of a Gamma distribution of shape 3."""
    spotting: float = 0.7
    """How often a pair that is alike is called a tie."""
    alike: float = 0.1
    """The share of pairs that are alike."""

    @property
    def least_information(self) -> float:
        """Below this no eigenvalue of an annotator's information is believed."""
        return 0.5 * min(1 / self.skill_spread**2, 1 / self.bias_spread**2)

    def middle(self, annotators: int, *, hesitates: bool) -> Floats:
        """Everybody in the middle, (A, 4)."""
        hesitation = self.hesitation if hesitates else 0.0
        return np.tile([self.skill, 0.0, hesitation, self.spotting], (annotators, 1))

    def log_density(self, parameters_AK: Floats, hesitates: bool) -> Floats:
        """Per annotator, up to a constant."""
        skill, bias, hesitation, spotting = parameters_AK.T
        density_A = -0.5 * ((skill - self.skill) / self.skill_spread) ** 2 - 0.5 * (bias / self.bias_spread) ** 2
        if hesitates:
            density_A = density_A + 2 * np.log(hesitation) - 2 * hesitation / self.hesitation
            density_A = density_A + SPOTTING_WEIGHT * self.spotting * np.log(spotting)
            density_A = density_A + SPOTTING_WEIGHT * (1 - self.spotting) * np.log1p(-spotting)
        return np.asarray(density_A, dtype=np.float64)

    def slope(self, parameters_AK: Floats, hesitates: bool) -> Floats:
        """The derivative of `log_density` by skill, bias and hesitation, (A, 3)."""
        skill, bias, hesitation = parameters_AK[:, :3].T
        third = 2 / hesitation - 2 / self.hesitation if hesitates else np.zeros_like(skill)
        return np.stack([-(skill - self.skill) / self.skill_spread**2, -bias / self.bias_spread**2, third], axis=1)

    def information(self, parameters_AK: Floats, hesitates: bool) -> Floats:
        """Minus its second derivative, (A, 3, 3)."""
        found_AK = np.tile([1 / self.skill_spread**2, 1 / self.bias_spread**2, 1.0], (len(parameters_AK), 1))
        if hesitates:
            found_AK[:, 2] = 2 / parameters_AK[:, 2] ** 2
        return np.asarray(found_AK[:, :, None] * np.eye(3), dtype=np.float64)

    def spotting_of(self, ties_A: Floats, alike_A: Floats) -> Floats:
        """The most probable spotting after so many expected ties on so many expected votes on pairs that are alike."""
        return (ties_A + SPOTTING_WEIGHT * self.spotting) / (alike_A + SPOTTING_WEIGHT)

    def learned(self, parameters_AK: Floats, covariance_AKK: Floats, alike_N: Floats, hesitates: bool) -> Population:
        """The population that fits these annotators and pairs best (empirical Bayes), some usual ones added to them.

        Args:
            parameters_AK: (A, 4).
            covariance_AKK: of skill, bias and hesitation.
            alike_N: the probability of each pair that it is alike.
            hesitates: whether there is any tie; without one nothing is learned about ties.
        """
        usual, total = Population(), len(parameters_AK) + ADDED
        skill, bias, hesitation, spotting = parameters_AK.T
        mean = float(skill.sum() + ADDED * usual.skill) / total
        squares = float(((skill - mean) ** 2 + covariance_AKK[:, 0, 0]).sum()) + ADDED * usual.skill_spread**2
        bias_squares = float((bias**2 + covariance_AKK[:, 1, 1]).sum()) + ADDED * usual.bias_spread**2
        found = replace(
            self,
            skill=mean,
            skill_spread=math.sqrt(squares / total),
            bias_spread=math.sqrt(bias_squares / total),
        )
        if not hesitates:
            return found
        return replace(
            found,
            hesitation=float(hesitation.sum() + ADDED * usual.hesitation) / total,
            spotting=float(spotting.sum() + ADDED * usual.spotting) / total,
            alike=float(alike_N.sum() + ADDED_PAIRS * usual.alike) / (len(alike_N) + ADDED_PAIRS),
        )
