"""Learning from a person who watches and says "good" or "bad" while a policy acts: their signal, step by step."""

from __future__ import annotations

from heedful.learning.human_signal.coach import COACH, Traces
from heedful.learning.human_signal.tamer import credit_window, deep_tamer_loss, tamer_loss

__all__ = ["COACH", "Traces", "credit_window", "deep_tamer_loss", "tamer_loss"]
