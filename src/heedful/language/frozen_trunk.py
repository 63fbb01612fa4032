"""A reference that shares what the policy does not train: its memory, and where it can, its computation.

With adapters, the reference is the model without them; with frozen lower layers, it is a branch that leaves the frozen
trunk where training begins (trlX, Havrilla et al. 2023, builds its reference so). Both share every frozen tensor with
the policy, so they cost the trained part alone. They are modules of their own: nothing has to be switched off before
their forward pass and on again after it, and so nothing can be left switched off.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from heedful.language.forward import separable
from heedful.language.heads import ScalarModel
from heedful.language.lora import adapters, without_adapters
from heedful.language.pretrained import LanguageModel
from heedful.language.tuning import body_of, layers_of, network_of


def reference_of(model: LanguageModel) -> LanguageModel:
    """The model as it is now, without its adapters, frozen; its frozen tensors are the policy's own.

    Take it after `tune` and before training. With adapters it may be taken at any time: it is the model below them.
    """
    shared = {id(parameter): parameter for parameter in model.module.parameters() if not parameter.requires_grad}
    for _, layer in adapters(model.module):
        shared |= {id(parameter): parameter for parameter in layer.parameters()}  # left out below
    module = without_adapters(copy.deepcopy(model.module, dict(shared)))
    twin = LanguageModel(module, model.tokenizer, model.source, model.precision)
    twin.module.requires_grad_(requires_grad=False)
    return twin


def share_frozen(model: LanguageModel | ScalarModel, other: LanguageModel | ScalarModel) -> int:
    """Let `other` use the frozen tensors of `model` wherever its own, frozen too, are equal to them.

    Returns:
        How many bytes `other` no longer needs of its own.
    """
    mine, theirs = _named(model, other), _named(other, model)
    replaced = {
        id(tensor): mine[name]
        for name, tensor in theirs.items()
        if name in mine and tensor is not mine[name] and _equal(tensor, mine[name])
    }
    saved = sum({id(tensor): tensor.nbytes for tensor in theirs.values() if id(tensor) in replaced}.values())
    for module in network_of(other).modules():
        for leaf, tensor in list(module.named_parameters(recurse=False, remove_duplicate=False)):
            if id(tensor) in replaced:
                setattr(module, leaf, replaced[id(tensor)])
    return saved


def _named(model: LanguageModel | ScalarModel, beside: LanguageModel | ScalarModel) -> dict[str, nn.Parameter]:
    """Frozen tensors by names that mean the same in both models: with the language head where both have one."""
    both = isinstance(model, LanguageModel) and isinstance(beside, LanguageModel)
    found = (network_of(model) if both else body_of(model)).named_parameters(remove_duplicate=False)
    return {name.replace(".base_layer", ""): tensor for name, tensor in found if not tensor.requires_grad}


def shared_layers(model: LanguageModel, reference: LanguageModel) -> int:
    """How many layers from the bottom, embeddings included, are the same frozen tensors in both."""
    if model is reference or model.encoder_decoder or reference.encoder_decoder:
        return 0
    mine, theirs = layers_of(model), layers_of(reference)
    if len(mine.blocks) != len(theirs.blocks) or not _same_tensors(mine.below, theirs.below):
        return 0
    pairs = zip(mine.blocks, theirs.blocks, strict=True)
    same = [_same_tensors(list(a.parameters()), list(b.parameters())) for a, b in pairs]
    return [*same, False].index(False)


@contextmanager
def shared_trunk(model: LanguageModel, reference: LanguageModel) -> Iterator[int]:
    """Within it, `reference` does not compute the layers that it shares, but takes what `model` has computed.

    Evaluate `model` first and `reference` afterwards, on the same rows in the same parts. Where nothing is shared, both
    compute everything, as outside.

    Yields:
        The number of layers shared.
    """
    depth = shared_layers(model, reference)
    if not depth or separable(model) != separable(reference):  # they would lay out their rows differently
        yield 0
        return
    kept: deque[Any] = deque()
    mine, theirs = layers_of(model).blocks[depth - 1], layers_of(reference).blocks[:depth]
    hook = mine.register_forward_hook(lambda _layer, _given, hidden: kept.append(hidden))
    try:
        for layer in theirs[:-1]:
            layer.forward = lambda hidden, *_args, **_more: hidden
        theirs[-1].forward = _from(kept)
        yield depth
    finally:
        hook.remove()
        for layer in theirs:
            layer.__dict__.pop("forward", None)


def _from(kept: deque[Any]) -> Callable[..., Any]:
    """A layer's forward that gives what was kept, oldest first."""

    def forward(hidden_BSD: Tensor, *_args: Any, **_more: Any) -> Any:
        if not kept:
            raise RuntimeError("the reference has nothing to continue: evaluate the policy first, on the same rows")
        hidden = kept.popleft()
        if (hidden if isinstance(hidden, Tensor) else hidden[0]).shape != hidden_BSD.shape:
            raise RuntimeError("the reference was given other rows than the policy")
        return hidden

    return forward


def _same_tensors(mine: list[nn.Parameter], theirs: list[nn.Parameter]) -> bool:
    return len(mine) == len(theirs) and all(a is b and not a.requires_grad for a, b in zip(mine, theirs, strict=True))


def _equal(one: Tensor, other: Tensor) -> bool:
    """Same shape, type, place and values."""
    alike = one.shape == other.shape and one.dtype == other.dtype and one.device == other.device
    return alike and bool((one == other).all())
