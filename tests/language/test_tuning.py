"""One switch: how many weights each mode trains, by hand; what stays as it is; how much memory training takes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.language.forward import separable
from heedful.language.heads import ScalarModel
from heedful.language.imitation import Example, imitation_loss
from heedful.language.pretrained import LanguageModel
from heedful.language.tuning import Tuning, layers_of, size, tune

Make = Callable[[str, int], LanguageModel]
MODES = ["full", "last", "lora", "dora", "heads"]
EXAMPLES = [Example([1, 5, 9], [4, 6, 2]), Example([1, 7], [8, 2])]

V, D, INNER, KV = 32, 16, 32, 8
"""Sizes of the tiny models: vocabulary, width, feed-forward width, width of all keys."""


def analytic(kind: str, mode: str, rank: int = 4) -> tuple[int, int]:
    """(trained, all) of two layers, from their shapes."""
    if kind == "gpt2":
        shapes = [(D, 3 * D), (D, D), (D, 4 * D), (4 * D, D)]
        biases, norms, positions = 3 * D + D + 4 * D + D, 4 * D, 64 * D
    else:
        shapes = [(D, D), (D, KV), (D, KV), (D, D), (D, INNER), (D, INNER), (INNER, D)]
        biases, norms, positions = 0, 2 * D, 0
    layer = sum(rows * columns for rows, columns in shapes) + biases + norms
    last_norm = 2 * D if kind == "gpt2" else D
    head = V * D if kind == "mistral-window" else 0  # the others use the embeddings as their head
    whole = V * D + positions + 2 * layer + last_norm + head
    adapters = 2 * sum(rank * (rows + columns) for rows, columns in shapes)
    magnitudes = 2 * sum(columns for _, columns in shapes)
    return {
        "full": (whole, whole),
        "last": (layer + last_norm + head, whole),
        "lora": (adapters, whole + adapters),
        "dora": (adapters + magnitudes, whole + adapters + magnitudes),
        "heads": (V * D, whole),
    }[mode]


def steps(model: LanguageModel, count: int = 3) -> LocalCompute:
    compute = LocalCompute(weight_decay=0.1)
    compute.prepare([(model.parameters(), 0.01)])
    for _ in range(count):
        loss, tokens, _ = imitation_loss(model, EXAMPLES)
        compute.backward(loss)
        compute.step(float(tokens))
    return compute


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["llama", "gpt2", "mistral-window"])
def test_as_many_weights_are_trained_as_the_shapes_say(kind: str, mode: str, make_model: Make) -> None:
    found = tune(make_model(kind, 0), Tuning(mode=mode, last_layers=1, rank=4))  # type: ignore[arg-type]
    assert (found.trained, found.total) == analytic(kind, mode)
    assert str(found).startswith(f"{analytic(kind, mode)[0]:,} of {analytic(kind, mode)[1]:,} parameters")


@pytest.mark.parametrize("mode", MODES)
def test_a_scalar_head_is_always_trained(mode: str, make_model: Make) -> None:
    model = ScalarModel(make_model("llama", 0), seed=1)
    found = tune(model, Tuning(mode=mode, last_layers=1, rank=4))  # type: ignore[arg-type]
    trunk = 0 if mode == "heads" else analytic("llama", mode)[0]
    assert found.trained == trunk + D + 1
    assert model.head.weight.requires_grad


@pytest.mark.parametrize("mode", MODES)
def test_what_is_frozen_stays_and_what_is_trained_moves(mode: str, make_model: Make) -> None:
    model = make_model("gpt2", 0)
    tune(model, Tuning(mode=mode, last_layers=1, rank=4))  # type: ignore[arg-type]
    before = {name: weight.detach().clone() for name, weight in model.module.named_parameters()}
    steps(model)
    for name, weight in model.module.named_parameters():
        assert torch.equal(weight, before[name]) != weight.requires_grad, name
    if mode in ("lora", "dora"):
        trained = {name for name, weight in model.module.named_parameters() if weight.requires_grad}
        assert all(".lora_" in name for name in trained)


def test_gradients_do_not_pass_below_the_lowest_trained_layer(make_model: Make) -> None:
    model = make_model("llama", 0)
    tune(model, Tuning(mode="last", last_layers=1))
    seen: list[torch.Tensor] = []
    separable(model)  # tries it out, once
    hook = layers_of(model).blocks[0].register_forward_hook(lambda _layer, _given, out: seen.append(out))
    imitation_loss(model, EXAMPLES)
    hook.remove()
    assert [hidden.requires_grad for hidden in seen] == [False]


def test_memory_of_training_grows_with_the_share_that_is_trained(make_model: Make) -> None:
    """Gradients are the trained weights' size once, the two moments of AdamW twice, and one step count a tensor."""
    measured = []
    for tuning in (Tuning(mode="heads"), Tuning(mode="lora", rank=2), Tuning(mode="last", last_layers=1), Tuning()):
        model = make_model("llama", 0)
        found = tune(model, tuning)
        state = steps(model, 1).state_dict()["state"]
        held = sum(value.nbytes for moments in state.values() for value in moments.values())
        assert held == 2 * 4 * found.trained + 4 * len(state)
        measured.append((found.share, held))
    assert measured == sorted(measured)
    assert len({share for share, _ in measured}) == 4


def test_a_weight_that_stands_in_two_places_counts_once() -> None:
    weight, other = torch.nn.Parameter(torch.zeros(3)), torch.nn.Parameter(torch.zeros(2), requires_grad=False)
    found = size([weight, other, weight])
    assert (found.trained, found.total, found.share) == (3, 5, 0.6)


@pytest.mark.parametrize(
    ("tuning", "message"),
    [
        (Tuning(mode="last", last_layers=3), "has 2 layers, fewer than the 3"),
        (Tuning(mode="lora", targets=("q_prj",)), "no linear layer of this model is called q_prj"),
    ],
)
def test_what_the_model_does_not_have_is_a_problem(tuning: Tuning, message: str, make_model: Make) -> None:
    with pytest.raises(Problem, match=message):
        tune(make_model("llama", 0), tuning)


@pytest.mark.parametrize(
    ("wrong", "message"), [({"last_layers": 0}, "are none"), ({"rank": 0}, "rank 0"), ({"alpha": 0.0}, "alpha 0")]
)
def test_settings_that_mean_nothing_are_problems(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(Problem, match=message):
        Tuning(**wrong)  # type: ignore[arg-type]


def test_a_model_is_tuned_once(make_model: Make) -> None:
    model = make_model("llama", 0)
    tune(model, Tuning(mode="lora"))
    with pytest.raises(RuntimeError, match="adapters already"):
        tune(model, Tuning(mode="lora"))
