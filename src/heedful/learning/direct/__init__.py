"""Direct losses: a policy learns from what people said, without a reward model. One paper, one file."""

from __future__ import annotations

from dataclasses import dataclass, field

from heedful.learning.direct.dpo import DPO
from heedful.learning.direct.ipo import IPO
from heedful.learning.direct.kto import KTO
from heedful.learning.direct.orpo import ORPO
from heedful.learning.direct.simpo import SimPO
from heedful.learning.direct.slic import SLiC
from heedful.learning.direct.spin import SPIN
from heedful.learning.registry import named

AnyDirect = DPO | IPO | SimPO | ORPO | SLiC | KTO | SPIN
"""Every direct loss that has a file here."""


@dataclass(frozen=True)
class DirectMethods:
    """The registry: each loss's settings under its name."""

    dpo: DPO = field(default_factory=DPO)
    """Bradley-Terry on implied rewards; with label smoothing, cDPO."""
    ipo: IPO = field(default_factory=IPO)
    """A squared loss that has enough where people agree."""
    simpo: SimPO = field(default_factory=SimPO)
    """Mean log-probabilities and a margin; no reference."""
    orpo: ORPO = field(default_factory=ORPO)
    """Imitation and an odds ratio; no reference."""
    slic: SLiC = field(default_factory=SLiC)
    """A hinge and imitation; no reference."""
    kto: KTO = field(default_factory=KTO)
    """Single completions called good or bad."""
    spin: SPIN = field(default_factory=SPIN)
    """Demonstrations against the policy's own samples."""

    def named(self, name: str) -> AnyDirect:
        """The loss called `name`, with its settings.

        Raises:
            Problem: there is none of that name.
        """
        found: AnyDirect = named(self, name, "direct loss")
        return found


__all__ = ["DPO", "IPO", "KTO", "ORPO", "SPIN", "AnyDirect", "DirectMethods", "SLiC", "SimPO"]
