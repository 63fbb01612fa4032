"""A discriminator as the reward of `improve`: people's demonstrations against the policy's own writing."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.language.heads import ScalarModel
from heedful.language.imitation import examples_of_demonstrations
from heedful.language.pretrained import LanguageModel, fingerprint
from heedful.language.sampling import Sampling
from heedful.language.tuning import Tuning
from heedful.records import Demonstration
from heedful.reward.discriminator import Demonstrated, Discriminator, ReadsText
from heedful.seeds import seed_of
from heedful.stages.versions import automatic_rate

RATE = 0.5
"""Factor of the automatic learning rate, see `heedful.stages.versions.automatic_rate`; as of a reward model."""


@dataclass(frozen=True)
class Discriminating:
    """The discriminator, where the reward is adversarial."""

    begin: Literal["policy", "reward"] = "policy"
    """What it is made of: the policy with a head of zeros, or the reward model."""
    steps: int = 2
    """Its optimiser steps on the batch of each round."""
    learning_rate: float = 0.0
    """Of these steps; 0 chooses by its size."""
    rounds: int = 0
    """Rounds in which it learns, after which it is frozen, and can be deceived; 0: all."""

    def __post_init__(self) -> None:
        if self.rounds < 0 or self.learning_rate < 0:
            raise Problem(
                f"a discriminator cannot learn in {self.rounds} rounds at the rate {self.learning_rate}",
                where="settings of the discriminator",
                mend="leave both at 0, or make them larger",
            )


def untrained(settings: Discriminating, model: LanguageModel, judge: ScalarModel | None) -> ScalarModel:
    """The discriminator before its first round.

    Args:
        settings: what it begins from.
        model: the policy, whose tokens it reads.
        judge: the reward model, where it begins from that.

    Raises:
        Problem: the reward model reads other tokens than the policy writes.
    """
    if judge is None or settings.begin == "policy":
        return ScalarModel(model, zero=True)
    if fingerprint(judge.tokenizer) != fingerprint(model.tokenizer):
        raise Problem(
            "the reward model reads other tokens than the policy writes, so it cannot become the discriminator",
            where='setting "begin" of the discriminator',
            mend="begin from the policy",
        )
    return copy.deepcopy(judge)


def discriminator(
    settings: Discriminating,
    head: ScalarModel,
    model: LanguageModel,
    answers: Sequence[Demonstration],
    sampling: Sampling,
    tuning: Tuning,
    *,
    micro_batch: int,
    seed: int,
) -> Discriminator:
    """The reward that is refitted to each batch it scores.

    Args:
        settings: how it learns.
        head: what `untrained` gave, tuned.
        model: the policy, in whose tokens it reads.
        answers: demonstrations.
        sampling: of the policy's completions; demonstrations are cut at the same length.
        tuning: which weights of `head` are trained.
        micro_batch: rows per forward and backward pass; 0: all.
        seed: of the choice among a prompt's demonstrations.

    Raises:
        Problem: a stop text would tell the two sides apart.
    """
    if sampling.stop:
        raise Problem(
            "completions that end with a stop text are told from demonstrations by that text alone",
            where='setting "stop" of the sampling',
            mend="leave it empty where the reward is adversarial",
        )
    examples = examples_of_demonstrations(model, answers)
    return Discriminator(
        ReadsText(head),
        Demonstrated(examples, sampling.max_new_tokens, seed=seed_of(seed, "discriminator")),
        LocalCompute(head.device, micro_batch=micro_batch),
        steps=settings.steps,
        learning_rate=settings.learning_rate or automatic_rate(head.parameters(), RATE, tuning),
        rounds=settings.rounds or None,
    )
