"""The KL leash as settings."""

from __future__ import annotations

from dataclasses import dataclass

from heedful.learning.kl import AdaptiveKL, FixedKL, KLController


@dataclass(frozen=True)
class Leash:
    """How the policy is held near the reference."""

    coefficient: float = 0.1
    """Price of a nat of KL, in units of the (normalised) score."""
    target: float = 0.0
    """KL per completion, in nats, that the coefficient is adapted to; 0 keeps the coefficient fixed."""
    horizon: float = 10_000.0
    """How slowly it adapts, in episodes."""

    def controller(self) -> KLController:
        """The controller for these settings."""
        return AdaptiveKL(self.coefficient, self.target, self.horizon) if self.target else FixedKL(self.coefficient)
