"""Several scorers as one reward: rules and penalties beside a preference model, ensembles, a safety gate, a price."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from heedful.errors import Problem
from heedful.language.pretrained import LanguageModel
from heedful.reward.combining import Ensemble, Gate, LengthPrice, Weighted
from heedful.reward.rules import source_hash
from heedful.rollouts import Reward
from heedful.stages.project import Project
from heedful.stages.scoring import validator

WHERE = 'setting "combined.others"'


@dataclass(frozen=True)
class Combined:
    """Scorers beside the reward, and what they are together; docs/reward.md says which one when."""

    others: tuple[str, ...] = ()
    """Reward models or functions, each with its weight: r2=-0.5 rules.py:polite=1; a weight below 0 is a price."""
    how: Literal["sum", "mean", "worst", "uncertainty", "gate"] = "sum"
    """sum: the reward and the others, each times its weight. mean, worst, uncertainty: an ensemble of reward models of
    the same thing, see Coste et al. 2023. gate: the other one counts instead where it lies below the threshold."""
    threshold: float = 0.15
    """gate: in units of the other one's score times its weight."""
    variance_price: float = 0.5
    """uncertainty: of a unit of variance over the members."""
    token_price: float = 0.0
    """What a token costs, in units of the score."""
    free_tokens: int = 0
    """So many tokens of a completion cost nothing."""

    def named(self) -> list[tuple[str, float]]:
        """(name, weight) of each other scorer.

        Raises:
            Problem: one has no name or no number, or weights and number do not fit `how`.
        """
        found = []
        for given in self.others:
            name, equals, weight = given.rpartition("=")
            try:
                found.append((name, float(weight)) if equals else (given, 1.0))
            except ValueError:
                found.append((name, math.nan))
            if not found[-1][0] or not math.isfinite(found[-1][1]):
                raise Problem(f"{given!r} is no scorer with a weight", where=WHERE, mend="write NAME=WEIGHT: r2=-0.5")
        if self.how in ("mean", "worst", "uncertainty") and (not found or any(weight != 1 for _, weight in found)):
            raise Problem(
                f"an ensemble by {self.how} has one other member or more, none of them weighed",
                where=WHERE,
                mend="name reward models of the same thing: r2 r3",
            )
        if self.how == "gate" and len(found) != 1:
            raise Problem(
                f"a gate has one guard, not {len(found)}", where=WHERE, mend="name one: r2, or r2=-1 if high is bad"
            )
        return found

    def models(self) -> tuple[str, ...]:
        """The others that are reward models of the project."""
        return tuple(name for name, _ in self.named() if ":" not in name)

    def has_function(self) -> bool:
        """Whether one of the others is a Python function, whose scores have a scale of their own."""
        return len(self.models()) < len(self.others)

    def hash_with(self, function: str) -> str:
        """Of the files behind these functions and the main one, to notice when one changes; empty without any."""
        return "+".join(
            found for name in (function, *(name for name, _ in self.named())) if (found := source_hash(name))
        )

    def must_fit(self, *, cached: bool, adversarial: bool) -> None:
        """Refuse what goes together with no other scorer.

        Raises:
            Problem: there are others, or tokens cost something, and scores are cached or a discriminator gives them.
        """
        if (self.named() or self.token_price) and (cached or adversarial):
            raise Problem(
                "several scorers together are not cached, and no discriminator is one of them",
                where='setting "combined"',
                mend="leave the others out, or leave cache_scores and adversarial off",
            )


def combined(reward: Reward, settings: Combined, project: Project, model: LanguageModel, *, by_text: bool) -> Reward:
    """The reward with the others; itself where there are none and tokens are free.

    Raises:
        Problem: an unknown reward model, a function that cannot be loaded, or settings that do not fit each other.
    """
    others: list[tuple[Reward, float]] = []
    for name, weight in settings.named():
        scorer = validator(project, name, model, by_text=by_text)
        assert scorer is not None
        others.append((scorer, weight))
    match settings.how:
        case "sum":
            found: Reward = Weighted(((reward, 1.0), *others)) if others else reward
        case "gate":
            found = Gate(Weighted(others), reward, settings.threshold)
        case kind:
            found = Ensemble([reward, *(scorer for scorer, _ in others)], kind, settings.variance_price)
    return LengthPrice(found, settings.token_price, settings.free_tokens) if settings.token_price else found
