"""Low-rank adapters: a frozen weight W acts as W + (alpha / rank) B A, of which only A and B are trained.

LoRA: Hu et al. 2021 (arXiv:2106.09685), equation 3; A is random and B zero at first, so that training begins exactly
at the model as it was. DoRA: Liu et al. 2024 (arXiv:2402.09353), equation 5: the same with a trained length for each
output. Deviations: adapters sit on every linear layer of the blocks (the first paper adapted attention alone), and
nothing drops out.

The adapters are put into the model itself, layer by layer, by the peft library; the model keeps its class.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import nn

from heedful.errors import Problem

M = TypeVar("M", bound=nn.Module)


def add_adapters(
    trunk: nn.Module, *, rank: int, alpha: float, targets: Sequence[str] = (), magnitudes: bool = False, seed: int = 0
) -> None:
    """Freeze `trunk` and put adapters into it; only they are trainable afterwards.

    Args:
        trunk: any module with linear layers; changed in place.
        rank: columns of A's output.
        alpha: adapters are scaled by alpha / rank.
        targets: last parts of the names of the layers to adapt (`q_proj`); empty for all linear layers below the
            language head.
        magnitudes: DoRA.
        seed: of A's first values.

    Raises:
        Problem: no layer has such a name.
    """
    from peft import LoraConfig, inject_adapter_in_model  # takes seconds, and most runs do without

    names = adaptable(trunk)
    chosen = [name for name in names if not targets or any(f".{name}".endswith(f".{end}") for end in targets)]
    if not chosen:
        known = sorted({name.rpartition(".")[2] for name in names})
        raise Problem(
            f"no linear layer of this model is called {' or '.join(targets)}",
            where='setting "targets"',
            mend=f"choose among {', '.join(known)}",
        )
    conv1d = any(type(trunk.get_submodule(name)).__name__ == "Conv1D" for name in chosen)
    settings = LoraConfig(
        r=rank,
        lora_alpha=alpha,  # type: ignore[arg-type]  # peft divides it, so any number will do
        target_modules=chosen,
        use_dora=magnitudes,
        fan_in_fan_out=conv1d,  # GPT-2 keeps its weights transposed
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(settings, trunk)
    trunk.eval()


def adaptable(trunk: nn.Module) -> list[str]:
    """Names of the linear layers, the language head left out."""
    head = getattr(trunk, "get_output_embeddings", lambda: None)()
    return [
        name
        for name, layer in trunk.named_modules()
        if (isinstance(layer, nn.Linear) or type(layer).__name__ == "Conv1D") and layer is not head
    ]


def adapters(network: nn.Module) -> list[tuple[str, Any]]:
    """(name, adapted layer) of each adapter in a module."""
    return [(name, layer) for name, layer in network.named_modules() if hasattr(layer, "lora_A")]


def plain(network: M) -> M:
    """A copy without adapters that computes the same: they are merged into its weights."""
    twin = copy.deepcopy(network)
    for _, layer in adapters(twin):
        layer.merge()
    return without_adapters(twin)


@contextmanager
def merged(network: nn.Module) -> Iterator[None]:
    """Within it, `network` computes with merged weights, as fast as if it had no adapters: for writing, not training.

    It costs a second copy of the adapted weights while it lasts. Merging and subtracting again would cost none, but
    would not give back the same bits.
    """
    adapted = adapters(network)
    try:
        for name, layer in adapted:
            twin = copy.deepcopy(layer)
            twin.merge()
            _put(network, name, twin.get_base_layer())
        yield
    finally:
        for name, layer in adapted:
            _put(network, name, layer)


def without_adapters(network: M) -> M:
    """Take the adapters out of `network`, in place: what remains is the frozen model below them."""
    for name, layer in adapters(network):
        _put(network, name, layer.get_base_layer())
    if hasattr(network, "peft_config"):
        del network.peft_config
    return network


def _put(network: nn.Module, name: str, layer: nn.Module) -> None:
    """Let `layer` stand where `network` has the one called `name`."""
    parent, _, leaf = name.rpartition(".")
    setattr(network.get_submodule(parent), leaf, layer)
