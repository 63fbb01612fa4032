"""What holds a policy back besides the leash: a KL in the loss, and text that it must not unlearn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from heedful.errors import Problem
from heedful.language.imitation import Example, by_length, examples_of_demonstrations, imitation_loss
from heedful.language.pretrained import LanguageModel
from heedful.learning.pretraining import Pretraining
from heedful.learning.regularisers import KLInLoss, LeashInLoss, Regularised, Term
from heedful.rollouts import Algorithm
from heedful.runs import Run
from heedful.seeds import generator
from heedful.stages.demonstrated import training_demonstrations
from heedful.stages.leash import Leash
from heedful.stages.project import Project


@dataclass(frozen=True)
class Regularisers:
    """Terms beside the algorithm's loss; all are off by default."""

    kl_in_loss: float = 0.0
    """Price of a nat of KL inside the loss, besides the leash in the reward."""
    kl_estimator: Literal["k2", "k3"] = "k2"
    """k2: the reverse KL; k3: the forward KL."""
    kl_target: float = 0.0
    """KL per completion, in nats, that kl_in_loss is adapted to from step to step; 0 keeps it as it is."""
    kl_horizon: float = 10_000.0
    """How slowly it adapts, in episodes."""
    pretraining: float = 0.0
    """PPO-ptx: weight of the likelihood of the project's demonstrations and plain texts; 27.8 in InstructGPT."""
    pretraining_batch: int = 16
    """Texts per optimiser step."""


def regularised(
    algorithm: Algorithm, settings: Regularisers, project: Project, run: Run, model: LanguageModel
) -> Algorithm:
    """The algorithm with what the settings ask for; itself where they ask for nothing.

    Raises:
        Problem: there is no text to mix in.
    """
    terms = _terms(settings)
    pretraining = _pretraining(settings, project, run, model) if settings.pretraining else None
    if not terms and pretraining is None:
        return algorithm
    return Regularised(algorithm, terms, pretraining)  # type: ignore[arg-type]  # it looks for itself, and says so


def _terms(settings: Regularisers) -> tuple[Term, ...]:
    if settings.kl_target and not settings.kl_in_loss:
        raise Problem(
            "there is a KL target for the loss and no price to adapt",
            where='setting "kl_in_loss" of the regularisers',
            mend="set it above 0, such as 0.1, or leave kl_target out",
        )
    if settings.kl_target:
        leash = Leash(settings.kl_in_loss, settings.kl_target, settings.kl_horizon)
        return (LeashInLoss(leash.controller(), settings.kl_estimator),)
    return (KLInLoss(settings.kl_in_loss, settings.kl_estimator),) if settings.kl_in_loss else ()


def _pretraining(
    settings: Regularisers, project: Project, run: Run, model: LanguageModel
) -> Pretraining[list[Example]]:
    texts = training_demonstrations(project, run)
    if not texts:
        raise Problem(
            "there is no text to mix in",
            where=str(project.folder),
            mend="import demonstrations or plain texts (`text` on each line), or set pretraining to 0",
        )
    examples = examples_of_demonstrations(model, texts)
    return Pretraining(
        settings.pretraining,
        _batches(examples, min(settings.pretraining_batch, len(examples))),
        partial(imitation_loss, model),
        lambda batch: sum(len(example.completion) for example in batch),
    )


def _batches(examples: list[Example], size: int) -> Callable[[int], list[list[Example]]]:
    """seed -> a batch of the examples, drawn without repeats, like lengths together."""

    def batch(seed: int) -> list[list[Example]]:
        chosen = [examples[i] for i in generator(seed, "texts").choice(len(examples), size, replace=False)]
        return [[chosen[i] for i in part] for part in by_length(chosen, size)]

    return batch
