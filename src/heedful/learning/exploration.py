"""Exploration by doubt: choose what to try next by a reward ensemble, not by its mean alone.

A policy that follows the mean of what it has learnt so far settles on the first thing that was liked. Two ways out,
both with the scores of an ensemble whose members differ where nobody has judged yet:

    Thompson   believe one member, drawn by lot for each prompt (Thompson 1933; Osband et al. 2016, "Deep Exploration
               via Bootstrapped DQN"): a candidate is tried as often as it may be the best
    optimism   mean + bonus * deviation over members (Auer et al. 2002): the benefit of the doubt

Temperature and the entropy bonus (`heedful.learning.regularisers`) explore without knowing what is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.rollouts import Rollouts
from heedful.seeds import generator, seed_of


def thompson(scores_BE: Tensor, group_B: Tensor, *, seed: int) -> Tensor:
    """scores_B by one member of the ensemble for each group (prompt), drawn by lot."""
    _, place_B = torch.unique(group_B, return_inverse=True)
    groups = int(place_B.max()) + 1 if len(place_B) else 0
    member_P = torch.from_numpy(generator(seed, "thompson").integers(0, scores_BE.shape[1], groups))
    return scores_BE.gather(1, member_P.to(scores_BE.device)[place_B][:, None])[:, 0]


def optimism(scores_BE: Tensor, bonus: float) -> Tensor:
    """scores_B = mean + bonus * population deviation over the members; a bonus below 0 is caution."""
    return scores_BE.mean(1) + bonus * scores_BE.std(1, correction=0)


class Exploring:
    """A `Reward` that scores by an ensemble and explores; each call draws anew, also after a resume.

    Args:
        ensemble: rollouts -> scores_BE, one column a member.
        kind: how doubt is used.
        bonus: of optimism, in deviations.
        seed: of Thompson's lots.
    """

    def __init__(
        self,
        ensemble: Callable[[Rollouts], Tensor],
        kind: Literal["thompson", "optimism"] = "thompson",
        *,
        bonus: float = 1.0,
        seed: int = 0,
    ) -> None:
        self.ensemble, self.kind, self.bonus, self.seed = ensemble, kind, bonus, seed
        self.calls = 0

    def __call__(self, rollouts: Rollouts) -> Rollouts:
        """Attach `scores_B`, and the ensemble's deviation as `doubt_B` in the extras.

        Raises:
            Problem: the ensemble has one member, which cannot doubt.
        """
        scores_BE = self.ensemble(rollouts)
        if scores_BE.ndim != 2 or scores_BE.shape[1] < 2:
            raise Problem(
                "an ensemble needs two members or more to be in doubt",
                where="exploration",
                mend="train several reward models on different judgements or seeds",
            )
        if self.kind == "thompson":
            scores_B = thompson(scores_BE, rollouts.group_B, seed=seed_of(self.seed, "exploring", self.calls))
        else:
            scores_B = optimism(scores_BE, self.bonus)
        self.calls += 1
        doubt_B = scores_BE.std(1, correction=0)
        return rollouts.with_(scores_B=scores_B, extras={**rollouts.extras, "doubt_B": doubt_B})

    def state_dict(self) -> dict[str, Any]:
        """How often it has drawn."""
        return {"calls": self.calls}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on after so many draws."""
        self.calls = int(state_dict["calls"])
