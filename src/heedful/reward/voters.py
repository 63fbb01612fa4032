"""Small reward models that vote on labels: each learns from its own sample of comparisons and scores them all.

They are cheap linear heads on what a frozen policy makes of the texts, or whole reward models begun from the policy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heedful.compute.local import LocalCompute
from heedful.language.heads import ScalarModel
from heedful.language.preferring import Pair
from heedful.language.pretrained import LanguageModel
from heedful.learning.schedules import schedule
from heedful.reward.completions import fit_reward, held_out_scores, steps_of
from heedful.reward.features import Floats, fit_head, pair_features
from heedful.runs import Run
from heedful.seeds import seed_of

Voter = Callable[[int, Floats], Floats]
"""(Its number, how often each pair is learnt from) -> difference_N: of every pair the score of a less that of b."""


@dataclass(frozen=True)
class Pace:
    """How a whole reward model is trained."""

    epochs: float
    pairs_per_step: int
    learning_rate: float
    micro_batch: int
    checkpoint_every: int
    seed: int


def linear_voter(policy: LanguageModel, pairs: Sequence[Pair]) -> Voter:
    """Linear heads on the policy's features, which are computed once."""
    x_ND = pair_features(policy, pairs)
    target_N, weight_N = (np.array([getattr(pair, name) for pair in pairs]) for name in ("target", "weight"))

    def vote(_number: int, count_N: Floats) -> Floats:
        return np.asarray(x_ND @ fit_head(x_ND, target_N, count_N * weight_N), dtype=np.float64)

    return vote


def whole_voter(policy: LanguageModel, pairs: Sequence[Pair], folder: Path, pace: Pace) -> Voter:
    """Reward models begun from the policy; the training of each is a run of its own in `folder`, and resumable."""

    def vote(number: int, count_N: Floats) -> Floats:
        seed = seed_of(pace.seed, "voter", number)
        model = ScalarModel(policy, seed=seed)
        compute = LocalCompute(model.device, micro_batch=pace.micro_batch, weight_decay=0.01)
        compute.prepare([(model.parameters(), pace.learning_rate)])
        drawn = [pairs[i].without_margin() for i in np.repeat(np.arange(len(pairs)), count_N.astype(np.int64)).tolist()]
        steps = steps_of(len(drawn), pace.pairs_per_step, pace.epochs)
        training = Run.open(folder, "voter", {"number": number}, name=f"voter-{number:02d}")
        fit_reward(
            model,
            drawn,
            compute,
            training,
            epochs=pace.epochs,
            pairs_per_step=pace.pairs_per_step,
            seed=seed,
            schedule=schedule("linear", steps, warm_up_steps=min(steps // 20, steps - 1)),
            checkpoint_every=pace.checkpoint_every,
        )
        a_N, b_N = held_out_scores(model, pairs)
        return np.asarray(a_N - b_N, dtype=np.float64)

    return vote
