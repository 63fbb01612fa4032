"""Policies and reward models of a project as files: loading, saving, and starting a computation.

Imported by the stages that train or sample; the others work without torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from heedful.compute.devices import choose_device, choose_threads
from heedful.errors import Problem
from heedful.language.decoding import is_steered, steered_if_told
from heedful.language.frozen_trunk import share_frozen
from heedful.language.heads import ScalarModel, load_scalar, save_scalar
from heedful.language.pretrained import LanguageModel, load, save
from heedful.language.tuning import Tuning, tune
from heedful.records import Model
from heedful.runs import Run
from heedful.seeds import seed_of
from heedful.stages.console import say
from heedful.stages.project import Project

ADAPTER_RATE = 10.0
"""Adapters want about ten times the learning rate of all weights (Schulman et al. 2025, *LoRA Without Regret*)."""


def load_policy(project: Project, model: Model, device: torch.device | str = "cpu") -> LanguageModel:
    """The weights and tokenizer of a policy version; one that decodes by Q and V heads comes steered by them."""
    folder = project.folder / model.path
    return steered_if_told(load(folder, device=device, precision=project.settings.precision), folder)


def load_reward(project: Project, model: Model, device: torch.device | str = "cpu") -> ScalarModel:
    """A trained reward model."""
    return load_scalar(project.folder / model.path, device=device, precision=project.settings.precision)


def keep_policy(
    project: Project, weights: LanguageModel, record: Model, beside: Callable[[Path], None] | None = None
) -> Model:
    """Write a new policy version, then record it; doing it again after a crash changes nothing.

    Args:
        beside: writes what belongs to this version into its folder as well, such as Q and V heads.
    """
    _refuse_another(project, record)
    save(weights, project.folder / record.path, card=_card(record))
    if beside is not None:
        beside(project.folder / record.path)
    project.store.add_model(record)
    return record


def keep_reward(project: Project, weights: ScalarModel, record: Model) -> Model:
    """Write a reward model, then record it; doing it again after a crash changes nothing."""
    _refuse_another(project, record)
    save_scalar(weights, project.folder / record.path, card=_card(record))
    project.store.add_model(record)
    return record


def tune_for_run(run: Run, models: Mapping[str, LanguageModel | ScalarModel], tuning: Tuning, *, seed: int) -> None:
    """Make the weights that `tuning` names trainable in each model, say how many they are, and record it in the run.

    Args:
        models: by what they are called in the run: policy, critic, reward model.
        seed: the run's; fresh adapters come out the same when the run is resumed.
    """
    for name, model in models.items():
        if isinstance(model, LanguageModel) and is_steered(model):
            raise Problem(
                f"the {name} decodes by Q and V heads, and such a version is not trained further",
                where=model.source,
                mend="begin from its parent, or make plain weights of it with `heedful distil --teacher VERSION`",
            )
    sizes = {name: tune(model, tuning, seed=seed_of(seed, "adapters", name)) for name, model in models.items()}
    for name, size in sizes.items():
        say(f"Training {size} of the {name}.")
    run.note(parameters={name: {"trained": size.trained, "all": size.total} for name, size in sizes.items()})


def share_what_is_frozen(
    models: Sequence[LanguageModel | ScalarModel], others: Sequence[LanguageModel | ScalarModel | None]
) -> None:
    """Let models that only compute (a reference, a reward model) use the equal frozen tensors of those in training."""
    for other in others:
        for model in models:
            if other is not None:
                share_frozen(model, other)


def automatic_rate(parameters: Iterable[torch.nn.Parameter], factor: float, tuning: Tuning | None = None) -> float:
    """A learning rate that falls with the model's size: factor / sqrt(number of parameters); more for adapters.

    A rule of thumb through what the field uses: with factor 0.05, 4.5e-6 for 124 M parameters (Ziegler et al. 2019:
    1e-5) and 6e-7 for 7 B (Llama 2: 1e-6); with factor 0.5, 1e-3 for 0.25 M.
    """
    adapted = tuning is not None and tuning.mode in ("lora", "dora")
    return (ADAPTER_RATE if adapted else 1.0) * factor / math.sqrt(sum(parameter.numel() for parameter in parameters))


def start_computing(run: Run, model: LanguageModel | None, device: str, threads: int) -> int:
    """Choose the number of threads for a run: the one it began with, the one asked for, or the fastest.

    Returns:
        The number in force; it is recorded in the run.

    Raises:
        Problem: the run began in another precision.
    """
    kept = int(run.record.get("threads", 0))
    if model is not None and run.record.get("precision", model.precision) != model.precision:
        raise Problem(
            f"this run began in {run.record['precision']}, and models compute in {model.precision} now",
            where='heedful.toml, "precision" of [project]',
            mend="put it back as it was, or add --restart to begin anew",
        )
    if model is None or model.device.type != "cpu":
        chosen = choose_threads(lambda: None, kept or threads or torch.get_num_threads())
    else:
        width = min(24, model.context_tokens)
        ids = torch.zeros(32, width, dtype=torch.long)
        mask = torch.ones_like(ids, dtype=torch.bool)
        positions = torch.arange(width).expand(32, width)

        def work() -> None:
            with torch.inference_mode():
                model.logits(ids, mask, positions, min(8, width))

        chosen = choose_threads(work, kept or threads)
    if kept != chosen:
        told = {} if model is None else {"precision": model.precision}
        run.note(threads=chosen, device=str(choose_device(device)), **told)
    return chosen


def _refuse_another(project: Project, record: Model) -> None:
    """Look before the weights of a model that another run made would be overwritten."""
    for known in project.store.models(record.kind):
        if known.id == record.id and known.run != record.run:
            raise Problem(
                f"there is a model {record.id!r} already, of another run",
                where=str(project.folder / record.path),
                mend="begin this run anew with --restart",
            )


def _card(record: Model) -> Mapping[str, Any]:
    return {
        "id": record.id,
        "kind": record.kind,
        "parent": record.parent,
        "reward": record.reward,
        "snapshot": record.snapshot,
        "run": record.run,
    }
