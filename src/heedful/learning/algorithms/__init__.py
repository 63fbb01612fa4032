"""Online algorithms: one paper, one file, one frozen dataclass with `credit` and `update`."""

from __future__ import annotations

from dataclasses import dataclass, field

from heedful.learning.algorithms.a2c import A2C
from heedful.learning.algorithms.best_of import BestOf
from heedful.learning.algorithms.cispo import CISPO
from heedful.learning.algorithms.dapo import DAPO
from heedful.learning.algorithms.grpo import GRPO, dr_grpo
from heedful.learning.algorithms.gspo import GSPO
from heedful.learning.algorithms.mixer import MIXER
from heedful.learning.algorithms.nlpo import NLPO
from heedful.learning.algorithms.online_dpo import OnlineDPO
from heedful.learning.algorithms.ppo import PPO
from heedful.learning.algorithms.reinforce import REINFORCE
from heedful.learning.algorithms.reward_weighted import RewardWeighted
from heedful.learning.algorithms.rloo import RLOO
from heedful.learning.algorithms.trpo import TRPO
from heedful.learning.registry import named

AnyAlgorithm = (
    PPO
    | RLOO
    | GRPO
    | REINFORCE
    | A2C
    | TRPO
    | NLPO
    | DAPO
    | GSPO
    | CISPO
    | OnlineDPO
    | BestOf
    | RewardWeighted
    | MIXER
)
"""Every algorithm that has a file here. Each says with `needs_critic` whether it reads values."""


@dataclass(frozen=True)
class Algorithms:
    """The registry: each algorithm's settings under its name."""

    ppo: PPO = field(default_factory=PPO)
    """Clipped updates with a critic."""
    rloo: RLOO = field(default_factory=RLOO)
    """Leave-one-out baseline, no critic."""
    grpo: GRPO = field(default_factory=GRPO)
    """Group-relative advantages, no critic."""
    reinforce: REINFORCE = field(default_factory=REINFORCE)
    """The plain policy gradient."""
    a2c: A2C = field(default_factory=A2C)
    """One plain policy gradient step per batch, with a critic."""
    trpo: TRPO = field(default_factory=TRPO)
    """One natural gradient step per batch within a bound on the KL, with a critic."""
    nlpo: NLPO = field(default_factory=NLPO)
    """PPO over the likely tokens of a copy that lags behind, with a critic."""
    dr_grpo: GRPO = field(default_factory=dr_grpo)
    """GRPO without dividing by deviations and lengths, no critic."""
    dapo: DAPO = field(default_factory=DAPO)
    """GRPO that clips higher, counts tokens and skips prompts without a difference, no critic."""
    gspo: GSPO = field(default_factory=GSPO)
    """Group-relative advantages, whole completions clipped, no critic."""
    cispo: CISPO = field(default_factory=CISPO)
    """Group-relative advantages, bounded importance weights instead of clipping, no critic."""
    online_dpo: OnlineDPO = field(default_factory=OnlineDPO)
    """DPO on the best and the worst of each prompt's fresh completions, no critic."""
    best_of: BestOf = field(default_factory=BestOf)
    """Imitation of the best of each prompt's completions, no critic."""
    reward_weighted: RewardWeighted = field(default_factory=RewardWeighted)
    """Imitation of all completions, the better ones more, no critic."""
    mixer: MIXER = field(default_factory=MIXER)
    """Imitation of demonstrations that turns into the policy gradient from the end, no critic."""

    def named(self, name: str) -> AnyAlgorithm:
        """The algorithm called `name`, with its settings.

        Raises:
            Problem: there is none of that name.
        """
        algorithm: AnyAlgorithm = named(self, name, "algorithm")
        return algorithm


__all__ = [
    "A2C",
    "CISPO",
    "DAPO",
    "GRPO",
    "GSPO",
    "MIXER",
    "NLPO",
    "PPO",
    "REINFORCE",
    "RLOO",
    "TRPO",
    "Algorithms",
    "AnyAlgorithm",
    "BestOf",
    "OnlineDPO",
    "RewardWeighted",
    "dr_grpo",
]
