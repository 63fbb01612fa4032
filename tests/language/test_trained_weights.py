"""Checkpoints of partly frozen models: small, only for the right frozen weights, and resumed bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.language.heads import ScalarModel
from heedful.language.imitation import Example, imitation_loss
from heedful.language.pretrained import LanguageModel
from heedful.language.trained_weights import FROZEN
from heedful.language.tuning import Tuning, tune
from heedful.learning.fit import fit
from heedful.learning.schedules import schedule
from heedful.rollouts import Stats
from heedful.runs import Run
from heedful.seeds import generator

Make = Callable[[str, int], LanguageModel]
IDS = torch.tensor([[1, 5, 9, 12, 2]])


def moved(model: LanguageModel | ScalarModel) -> None:
    """Change what is trained."""
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(0.1)


@pytest.mark.parametrize("mode", ["last", "lora", "dora", "heads"])
def test_a_state_holds_what_is_trained_and_goes_into_another_copy(mode: str, make_model: Make) -> None:
    tuning = Tuning(mode=mode, last_layers=1)  # type: ignore[arg-type]
    model, other = make_model("mistral-window", 0), make_model("mistral-window", 0)
    tune(model, tuning)
    tune(other, tuning, seed=7)
    moved(model)
    state = model.state_dict()
    assert set(state) - {FROZEN} == {name for name, weight in model.module.named_parameters() if weight.requires_grad}
    other.load_state_dict(state)
    assert torch.equal(other.module(IDS).logits, model.module(IDS).logits)


@pytest.mark.parametrize("mode", ["last", "lora", "heads"])
def test_so_does_the_state_of_a_scalar_model_with_its_scale(mode: str, make_model: Make) -> None:
    tuning, mask_BS = Tuning(mode=mode, last_layers=1), torch.ones_like(IDS, dtype=torch.bool)  # type: ignore[arg-type]
    model, other = ScalarModel(make_model("llama", 0), seed=1), ScalarModel(make_model("llama", 0), seed=2)
    tune(model, tuning)
    tune(other, tuning, seed=7)
    moved(model)
    model.normalise(torch.tensor([1.0, 4.0, 2.0]))
    state = model.state_dict()
    assert {"gain", "bias", "head.weight", FROZEN} <= set(state)
    assert "trunk.embed_tokens.weight" not in state
    other.load_state_dict(state)
    assert torch.equal(other.score(IDS, mask_BS), model.score(IDS, mask_BS))


@pytest.mark.parametrize("frozen", [False, True])
def test_where_all_or_nothing_is_trained_the_state_is_whole(frozen: bool, make_model: Make) -> None:
    model = make_model("llama", 0)
    model.module.requires_grad_(requires_grad=not frozen)
    assert set(model.state_dict()) == set(model.module.state_dict())


def test_another_base_or_another_tuning_is_refused(make_model: Make) -> None:
    model, other, whole = make_model("llama", 0), make_model("llama", 1), make_model("llama", 0)
    tune(model, Tuning(mode="last", last_layers=1))
    tune(other, Tuning(mode="last", last_layers=1))
    for wrong in (other, whole):
        with pytest.raises(Problem, match="frozen weights are different"):
            wrong.load_state_dict(model.state_dict())


class Interrupted(Exception):
    """Stands for a power cut."""


def trained(make_model: Make, folder: Path, tuning: Tuning, *, until: int) -> dict[str, Any]:
    """All weights after 9 steps; or an interruption after the update of step `until`, before it is logged."""
    model = make_model("gpt2", 0)
    tune(model, tuning, seed=3)

    def batches(step: int) -> list[list[Example]]:
        rows = generator(0, "batch", step).integers(4, 30, (4, 6)).tolist()
        return [[Example([1, *row[:3]], [*row[3:], 2]) for row in rows]]

    def on_step(step: int, stats: Stats) -> None:
        if step == until:
            raise Interrupted

    compute = LocalCompute()
    compute.prepare([(model.parameters(), 0.01)])
    run = Run.open(folder, "fit", {})
    fit(
        {"model": model},
        batches,
        lambda batch: imitation_loss(model, batch),
        compute,
        run,
        steps=9,
        seed=0,
        schedule=schedule("cosine", 9, warm_up_steps=2),
        checkpoint_every=3,
        on_step=on_step,
    )
    weights: Mapping[str, Any] = model.module.state_dict()
    return dict(weights)


@pytest.mark.parametrize("mode", ["last", "lora", "dora"])
def test_an_interrupted_run_ends_bit_for_bit_where_a_whole_one_does(
    mode: str, make_model: Make, tmp_path: Path
) -> None:
    tuning = Tuning(mode=mode, last_layers=1)  # type: ignore[arg-type]
    expected = trained(make_model, tmp_path / "whole", tuning, until=-1)
    for until in (1, 4, 7):  # before any checkpoint, and between the others
        with pytest.raises(Interrupted):
            trained(make_model, tmp_path / "broken", tuning, until=until)
    found = trained(make_model, tmp_path / "broken", tuning, until=-1)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], weight) for name, weight in expected.items())
