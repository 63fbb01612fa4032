"""What a checkpoint holds of a partly frozen model: the trained weights, and a fingerprint of the others."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from heedful.errors import Problem

FROZEN = "frozen_fingerprint"
"""The key under which a partial state keeps the fingerprint of the weights it leaves out."""

_known: WeakKeyDictionary[nn.Module, tuple[frozenset[str], str]] = WeakKeyDictionary()
"""Frozen weights do not change, so they are read once."""


def frozen_names(network: nn.Module) -> frozenset[str]:
    """Names of the weights that a checkpoint can leave out: none where all are frozen, or all are trained."""
    parameters = list(network.named_parameters(remove_duplicate=False))
    frozen = frozenset(name for name, parameter in parameters if not parameter.requires_grad)
    return frozen if len(frozen) < len(parameters) else frozenset()


def trained_state(network: nn.Module, state: Mapping[str, Any]) -> dict[str, Any]:
    """`state` without the frozen weights of `network`, and their fingerprint in their place.

    Where all weights are trained, or none, it is the whole state.
    """
    frozen = frozen_names(network)
    if not frozen:
        return dict(state)
    return {name: value for name, value in state.items() if name not in frozen} | {FROZEN: _fingerprint(network)}


def complete_state(network: nn.Module, state: Mapping[str, Any]) -> dict[str, Any]:
    """What `trained_state` gave, with the frozen weights of `network` filled in again.

    Raises:
        Problem: the state belongs to other frozen weights, or to a model that was tuned in another way.
    """
    given = dict(state)
    fingerprint, frozen = given.pop(FROZEN, None), frozen_names(network)
    if fingerprint is None:
        return given
    if not frozen or fingerprint != _fingerprint(network):
        raise Problem(
            "these trained weights belong to a model whose frozen weights are different",
            mend="begin from the version and with the tuning that they were trained with",
        )
    mine = dict(network.named_parameters(remove_duplicate=False))
    return given | {name: mine[name].detach() for name in frozen}


def _fingerprint(network: nn.Module) -> str:
    """A hash over names, shapes and bytes of the frozen weights."""
    frozen = frozen_names(network)
    names, known = _known.get(network, (frozenset(), ""))
    if known and names == frozen:
        return known
    found, mine = hashlib.blake2b(digest_size=10), dict(network.named_parameters(remove_duplicate=False))
    for name in sorted(frozen):
        tensor: Tensor = mine[name].detach().cpu().contiguous()
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.view(-1).view(torch.uint8).numpy().data)
    _known[network] = (frozen, found.hexdigest())
    return found.hexdigest()
