"""Which questions are worth asking: policies that choose from a pool, and the proof whether they were worth it.

    choose(pairs, 200, "disagreement", seed, scores=margins_EN)     # -> Choice(item, propensity, selection) for each

One policy, one file. Every choice carries the probability with which it was made, so that what was learned from it
can be weighted back to the whole pool; and a share of every choice is made at random, whatever the policy, as an
unbiased sample of the pool. Whether a policy beats the random share is drawn (`learning_curve`), never assumed.
"""

from __future__ import annotations

from heedful.feedback.selection.choosing import POLICIES, RANDOM_SHARE, Choice, choose, select
from heedful.feedback.selection.curves import Curve, CurvePoint, learning_curve
from heedful.feedback.selection.deployment import Queued, active_queue
from heedful.feedback.selection.evidence import Evidence, Policy

__all__ = [
    "POLICIES",
    "RANDOM_SHARE",
    "Choice",
    "Curve",
    "CurvePoint",
    "Evidence",
    "Policy",
    "Queued",
    "active_queue",
    "choose",
    "learning_curve",
    "select",
]
