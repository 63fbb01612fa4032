"""IPO: the gap of a pair is led to a fixed width instead of ever wider.

Paper: Azar et al. 2023, "A General Theoretical Paradigm to Understand Learning from Human Preferences", equation 17:
(h - 1 / (2 beta))^2, h = log pi(a) / pi_ref(a) - log pi(b) / pi_ref(b); their tau is `beta` here. DPO never has enough
where people always agree; IPO has, at h = (t - 1/2) / beta for a share t of votes.

The paper writes h for whole completions. The squared loss then grows with their length, so h is taken per token by
default: the authors' own figures were made so, as TRL's documentation reports. `per_token=False` is the formula as
it is printed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from heedful.learning.direct.pairs import Pairs, Side, observe, pooled, positive
from heedful.rollouts import Metrics


@dataclass(frozen=True)
class IPO:
    """A squared loss on the gap of the two log-ratios."""

    beta: float = 0.1
    """The gap that unanimous votes lead to is 1 / (2 beta) nats, per token or per completion."""
    per_token: bool = True
    """Divide each log-ratio by the completion's length."""
    needs_reference: ClassVar[bool] = True

    def __post_init__(self) -> None:
        positive("beta", self.beta)

    def rewards(self, side: Side) -> Tensor:
        """rewards_N: beta (log pi - log pi_ref), per token unless asked otherwise."""
        return self.beta * self._distance(side)

    def __call__(self, pairs: Pairs) -> tuple[Tensor, Tensor, Metrics]:
        """w [t (h - 1 / (2 beta))^2 + (1 - t) (-h - 1 / (2 beta))^2], summed; count: the weights."""
        gap_N = self._distance(pairs.a) - self._distance(pairs.b)
        total, count = pooled(lambda h_N: (h_N - 1 / (2 * self.beta)) ** 2, gap_N, pairs)
        return total, count, observe(self.rewards(pairs.a), self.rewards(pairs.b), pairs.target_N)

    def _distance(self, side: Side) -> Tensor:
        return side.log_ratio() / side.tokens_N if self.per_token else side.log_ratio()
