"""Which weights are trained: all, the last layers, low-rank adapters, or the heads alone. One switch for every trainer.

What is not trained has no gradient and no state of the optimiser, and gradients do not pass below the lowest trained
weight. Embeddings that are also the language head stay frozen with the layers above them; in the mode `heads` of a
language model they are the head, and are trained.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from heedful.errors import Problem
from heedful.language.heads import ScalarModel
from heedful.language.lora import adapters, add_adapters
from heedful.language.pretrained import LanguageModel


@dataclass(frozen=True)
class Tuning:
    """Which weights are trained."""

    mode: Literal["full", "last", "lora", "dora", "heads"] = "full"
    """All weights; the last layers; low-rank adapters, without or with magnitudes; or only the heads."""
    last_layers: int = 2
    """How many layers the mode `last` trains, with the norm and the language head above them."""
    rank: int = 8
    """Rank of the adapters."""
    alpha: float = 16.0
    """Adapters are scaled by alpha / rank."""
    targets: tuple[str, ...] = ()
    """Names of the linear layers that get adapters, such as q_proj; empty: all of them."""

    def __post_init__(self) -> None:
        if self.last_layers < 1:
            raise Problem(f"{self.last_layers} last layers are none", mend="train one or more, or use the mode heads")
        if self.rank < 1:
            raise Problem(f"the rank {self.rank} is not positive", mend="use a small number, such as 8")
        if not self.alpha > 0:
            raise Problem(f"the alpha {self.alpha} is not positive", mend="use the rank, or twice the rank")


@dataclass(frozen=True)
class Size:
    """How many parameters a model has; weights that stand in two places count once."""

    trained: int
    total: int

    @property
    def share(self) -> float:
        """What part of the parameters is trained."""
        return self.trained / self.total

    def __str__(self) -> str:
        return f"{self.trained:,} of {self.total:,} parameters ({100 * self.share:.3g} %)"


def tune(model: LanguageModel | ScalarModel, tuning: Tuning, *, seed: int = 0) -> Size:
    """Make the weights that `tuning` names trainable, and freeze the others; adapters are put in.

    The scalar head of a reward model or critic is always trained.

    Args:
        model: changed in place; with fresh adapters it computes what it did before.
        seed: of the adapters' first weights.

    Raises:
        Problem: the model has fewer layers than are to be trained, or no layer of the wanted name.
    """
    network = network_of(model)
    trunk: nn.Module = model.module if isinstance(model, LanguageModel) else model.trunk
    if adapters(network):
        raise RuntimeError("this model has adapters already; make a plain copy of it first")
    network.requires_grad_(requires_grad=tuning.mode == "full")
    match tuning.mode:
        case "last":
            for part in _last(model, tuning.last_layers):
                part.requires_grad_(requires_grad=True)
        case "lora" | "dora":
            add_adapters(
                trunk,
                rank=tuning.rank,
                alpha=tuning.alpha,
                targets=tuning.targets,
                magnitudes=tuning.mode == "dora",
                seed=seed,
            )
        case "heads" if isinstance(model, LanguageModel):
            model.module.get_output_embeddings().requires_grad_(requires_grad=True)
    if isinstance(model, ScalarModel):
        model.head.requires_grad_(requires_grad=True)
    return size(network.parameters())


def size(parameters: Iterable[nn.Parameter]) -> Size:
    """Trained and all parameters."""
    different = {id(parameter): parameter for parameter in parameters}.values()
    trained = sum(parameter.numel() for parameter in different if parameter.requires_grad)
    return Size(trained, sum(parameter.numel() for parameter in different))


@dataclass(frozen=True)
class Layers:
    """A trunk from bottom to top."""

    below: list[nn.Parameter]
    """Embeddings, and whatever else stands below the first layer."""
    blocks: list[Any]
    """The layers that write, lowest first: of an encoder-decoder, the decoder's."""
    above: list[nn.Module]
    """The norm, and whatever else stands above the last layer."""


def network_of(model: LanguageModel | ScalarModel) -> nn.Module:
    """All that belongs to a model, its head included."""
    network: nn.Module = model.module if isinstance(model, LanguageModel) else model
    return network


def body_of(model: LanguageModel | ScalarModel) -> Any:
    """What stands below the head."""
    return model.body if isinstance(model, LanguageModel) else model.trunk


def layers_of(model: LanguageModel | ScalarModel) -> Layers:
    """The layers of a model without its heads."""
    body = body_of(model)
    stack: nn.Module = body["decoder"] if isinstance(body, nn.ModuleDict) else body
    holder, blocks = next(
        (module, child) for module in stack.modules() for child in module.children() if isinstance(child, nn.ModuleList)
    )
    parts = list(holder.children())
    after = parts[next(i for i, part in enumerate(parts) if part is blocks) + 1 :]
    above = [part for part in after if not isinstance(part, nn.Embedding)]
    known = {id(parameter) for part in (blocks, *above) for parameter in part.parameters()}
    below = [parameter for parameter in body.parameters() if id(parameter) not in known]
    return Layers(below, list(blocks), above)


def _last(model: LanguageModel | ScalarModel, count: int) -> list[nn.Module]:
    """The last layers, what stands above them in the trunk, and a language head that is not the embeddings too."""
    layers = layers_of(model)
    if count > len(layers.blocks):
        raise Problem(
            f"the model has {len(layers.blocks)} layers, fewer than the {count} that are to be trained",
            where='setting "last_layers"',
            mend="ask for fewer, or train all weights with the mode full",
        )
    chosen = [*layers.blocks[-count:], *layers.above]
    if isinstance(model, LanguageModel):
        head = model.module.get_output_embeddings()
        if head.weight is not model.module.get_input_embeddings().weight:
            chosen.append(head)
    return chosen
