"""A pass over whole rows of a model of Llama's architecture, for training, with little between its products.

A small model spends a third of a training pass in what lies between matrix products and attention: norms, rotations and
gates, each made of several passes over all tokens, forward and backward. Here each of them is one step with a gradient
written out, norms are folded into the weights that read them where these are the smaller, and weights that read the
same input are laid side by side. It computes what the model's own forward pass computes (Touvron et al. 2023, "LLaMA";
rotary positions: Su et al. 2021, arXiv:2104.09864), up to the rounding of a different order of operations.

Shapes: B rows, S columns, D width, H heads, K heads of keys and values, T heads of both that turn, W width of a head, X
half of it, F width of the gates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from heedful.language.shared_prefix import SharedPrefix, shared_prefix

SMALL = 50_000_000
"""Up to so many parameters a body goes this way: beyond, what lies between the products is little, and the copies of
weights that are laid side by side are much."""

KINDS = ("llama", "mistral", "qwen2")
"""What transformers calls the architectures that are the same below their language head."""


def plain_layers(config: Any) -> bool:
    """Whether a configuration is of Llama's kind, without a sliding window, with rotations that never change."""
    if config.model_type not in KINDS:
        return False
    if getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True):
        return False
    return bool(config.hidden_act == "silu" and config.rope_parameters["rope_type"] in ("default", "linear", "llama3"))


def understands(body: nn.Module) -> bool:
    """Whether `hidden_states` computes what a body's forward pass would.

    That is where it is plain (no adapters), small, in evaluation mode, in float32 on a CPU, and nobody looks into its
    layers. What is hooked to the forward pass of a whole layer is heeded, and so is what takes its place, which is
    given the states alone.
    """
    config: Any = body.config
    if type(body).__name__.lower() != f"{config.model_type}model" or not plain_layers(config):
        return False
    modules, weights = dict(body.named_modules()), list(body.parameters())
    if any(type(module) is not nn.Linear for name, module in modules.items() if name.endswith("_proj")):
        return False
    layers: Any = body.layers
    whole_layers = set(layers)
    if any(_watched(each) or (each not in whole_layers and _replaced_or_hooked(each)) for each in modules.values()):
        return False
    if body.training or config._attn_implementation != "sdpa" or torch.is_autocast_enabled("cpu"):
        return False
    on_cpu = all(weight.device.type == "cpu" and weight.dtype == torch.float32 for weight in weights)
    return on_cpu and sum(weight.numel() for weight in weights) <= SMALL


def _watched(module: nn.Module) -> bool:
    """Whether hooks are there that a pass around the module would not call."""
    return bool(
        module._forward_pre_hooks
        or module._forward_hooks_with_kwargs
        or module._backward_hooks
        or module._backward_pre_hooks
    )


def _replaced_or_hooked(module: nn.Module) -> bool:
    return bool(module._forward_hooks or "forward" in vars(module))


def states_of(body: Any, ids_BS: Tensor, length_B: Tensor | None = None) -> Tensor:
    """states_BSD after the last layer, by `hidden_states` or else by the body's own forward pass.

    Args:
        body: a model of any architecture below its language head.
        ids_BS: token ids. Padding stands on the right, where causal attention never looks, so no mask is needed.
        length_B: the real tokens of each row, where that is known; states behind them mean nothing.
    """
    if understands(body):
        return hidden_states(body, ids_BS, length_B)
    columns_1S = torch.arange(ids_BS.shape[1], device=ids_BS.device)[None]
    found: Tensor = body(input_ids=ids_BS, position_ids=columns_1S, use_cache=False).last_hidden_state
    return found


def hidden_states(body: Any, ids_BS: Tensor, length_B: Tensor | None = None) -> Tensor:
    """states_BSD of a body that `understands` says yes to, see `states_of`; may be differentiated once.

    With lengths, what rows have in common is computed once (`heedful.language.shared_prefix`), unless something is
    hooked to a layer, which would see the tokens in another place.
    """
    layers = body.layers[: body.config.num_hidden_layers]
    shared = None
    if length_B is not None and not any(_replaced_or_hooked(layer) for layer in layers):
        shared = shared_prefix(ids_BS, length_B)
    columns_1S = torch.arange(ids_BS.shape[1])[None]
    x_BSD = body.embed_tokens(ids_BS if shared is None else ids_BS.flatten()[shared.place_U][None])
    cosine_1SW, sine_1SW = body.rotary_emb(x_BSD, columns_1S)
    half = cosine_1SW.shape[-1] // 2
    turning = int(body.config.num_attention_heads) + int(body.config.num_key_value_heads)
    turn_SX = torch.complex(cosine_1SW[0, :, :half], sine_1SW[0, :, :half])
    turn_STX = turn_SX[:, None].expand(-1, turning, -1).contiguous()  # a product is slow where heads share it
    for layer in layers:
        before_BSD = x_BSD
        replaced = vars(layer).get("forward")
        x_BSD = replaced(x_BSD) if replaced else _gated(_attended(x_BSD, layer, turn_STX, shared), layer)
        for hook in layer._forward_hooks.values():
            found = hook(layer, (before_BSD,), x_BSD)
            x_BSD = x_BSD if found is None else found
    weight_D: Tensor = body.norm.weight
    states_BSD = _normed(x_BSD, body.norm) * weight_D
    return states_BSD if shared is None else shared.spread(states_BSD[0]).view(*ids_BS.shape, -1)


def _attended(x_BSD: Tensor, layer: Any, turn_STX: Tensor, shared: SharedPrefix | None) -> Tensor:
    part, norm = layer.self_attn, layer.input_layernorm
    width = int(part.head_dim)
    turning = [_paired(projection, width) for projection in (part.q_proj, part.k_proj)]
    weight_ND, bias_N = side_by_side([*turning, (part.v_proj.weight, part.v_proj.bias)])
    normed_BSD, (weight_ND,) = _normed_for(x_BSD, norm, weight_ND)
    all_BSN = F.linear(normed_BSD, weight_ND, bias_N)
    if shared is not None:
        all_BSN = shared.spread(all_BSN[0]).view(-1, len(turn_STX), all_BSN.shape[-1])
    all_BSNW = all_BSN.view(*all_BSN.shape[:2], -1, width)
    heads, key_heads = (len(weight) // width for weight, _ in turning)
    parts = _Turned.apply(all_BSNW, turn_STX, heads)  # type: ignore[no-untyped-call]  # PyTorch
    query_BHSW, key_BKSW, value_BKSW = (each.transpose(1, 2) for each in parts)
    mixed_BHSW = F.scaled_dot_product_attention(
        query_BHSW, key_BKSW, value_BKSW, is_causal=True, scale=part.scaling, enable_gqa=heads != key_heads
    )
    mixed_BSF = mixed_BHSW.transpose(1, 2).flatten(-2)
    return _onto(x_BSD, mixed_BSF if shared is None else shared.taken(mixed_BSF.flatten(0, 1))[None], part.o_proj)


def _gated(x_BSD: Tensor, layer: Any) -> Tensor:
    part, norm = layer.mlp, layer.post_attention_layernorm
    normed_BSD, (gate_FD, up_FD) = _normed_for(x_BSD, norm, part.gate_proj.weight, part.up_proj.weight)
    gate_BSF = F.linear(normed_BSD, gate_FD, part.gate_proj.bias)
    up_BSF = F.linear(normed_BSD, up_FD, part.up_proj.bias)
    return _onto(x_BSD, _Gated.apply(gate_BSF, up_BSF), part.down_proj)  # type: ignore[no-untyped-call]  # PyTorch


def _normed(x_BSD: Tensor, norm: Any) -> Tensor:
    """x / root of its mean square, without the norm's weight."""
    found: Tensor = _Normed.apply(x_BSD, norm.variance_epsilon)  # type: ignore[no-untyped-call]  # PyTorch
    return found


def _normed_for(x_BSD: Tensor, norm: Any, *weights: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
    """(normed input, weights that read it), the norm's own weight on whichever side has fewer numbers."""
    normed_BSD, scale_D = _normed(x_BSD, norm), norm.weight
    if normed_BSD[..., 0].numel() < sum(len(weight) for weight in weights):
        return normed_BSD * scale_D, weights
    return normed_BSD, [weight * scale_D for weight in weights]


def _onto(x_BSD: Tensor, y_BSF: Tensor, projection: nn.Linear) -> Tensor:
    return added(x_BSD.flatten(0, 1), y_BSF.flatten(0, 1), projection.weight, projection.bias).view_as(x_BSD)


def _paired(projection: nn.Linear, width: int) -> tuple[Tensor, Tensor | None]:
    """(weight, bias), what turns together side by side; in queries and keys alike, so their products stay."""

    def moved(rows: Tensor) -> Tensor:
        return rows.view(-1, 2, width // 2, *rows.shape[1:]).transpose(1, 2).flatten(0, 2)

    return moved(projection.weight), None if projection.bias is None else moved(projection.bias)


def side_by_side(parts: Sequence[tuple[Tensor, Tensor | None]]) -> tuple[Tensor, Tensor | None]:
    """One weight and bias for several that read the same input."""
    weights, biases = zip(*parts, strict=True)
    if all(bias is None for bias in biases):
        return torch.cat(weights), None
    filled = [w.new_zeros(len(w)) if bias is None else bias for w, bias in zip(weights, biases, strict=True)]
    return torch.cat(weights), torch.cat(filled)


def added(x_ND: Tensor, y_NF: Tensor, weight_DF: Tensor, bias_D: Tensor | None) -> Tensor:
    """x + weight y + bias, the sum made by the product."""
    summed_ND = torch.addmm(x_ND, y_NF, weight_DF.T)
    return summed_ND if bias_D is None else summed_ND + bias_D


def unit_scale(x_ND: Tensor, epsilon: float) -> Tensor:
    """scale_N1 with which the mean square of each row becomes one."""
    length_N1 = torch.linalg.vector_norm(x_ND, dim=-1, keepdim=True)
    mean_N1 = torch.addcmul(x_ND.new_tensor(epsilon), length_N1, length_N1, value=1 / x_ND.shape[-1])
    return mean_N1.rsqrt_()


class _Normed(torch.autograd.Function):
    """x -> n = x / root(mean(x^2) + epsilon);  dx = (dn - n mean(dn n)) / root."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, epsilon: float) -> Tensor:
        scale = unit_scale(x, epsilon)
        normed: Tensor = x * scale
        ctx.save_for_backward(normed, scale)
        return normed

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, by_normed: Tensor) -> tuple[Tensor, None]:
        normed, scale = ctx.saved_tensors
        shared = (by_normed * normed).mean(-1, keepdim=True)
        return torch.addcmul(by_normed, normed, shared, value=-1).mul_(scale), None


class _Turned(torch.autograd.Function):
    """(projections_BSNW, turn_STX of the heads that turn, how many ask) -> queries, keys turned; values as they are."""

    @staticmethod
    def forward(ctx: Any, all_BSNW: Tensor, turn_STX: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
        turning = turn_STX.shape[1]
        ctx.save_for_backward(turn_STX)
        turned_BSTW = torch.view_as_real(_as_complex(all_BSNW[:, :, :turning]) * turn_STX).flatten(-2)
        return turned_BSTW[:, :, :heads], turned_BSTW[:, :, heads:], all_BSNW[:, :, turning:]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *by_parts: Tensor) -> tuple[Tensor, None, None]:
        (turn_STX,) = ctx.saved_tensors
        found_BSNW = torch.cat(by_parts, 2)
        turning_BSTX = _as_complex(found_BSNW[:, :, : turn_STX.shape[1]])
        turning_BSTX *= turn_STX.conj()
        return found_BSNW, None, None


def _as_complex(x_W: Tensor) -> Tensor:
    """Pairs of neighbours as one complex number each; a view."""
    found: Tensor = torch.view_as_complex(x_W.view(*x_W.shape[:-1], -1, 2))
    return found


class _Gated(torch.autograd.Function):
    """(gate, up) -> silu(gate) up."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
        ctx.save_for_backward(gate, up)
        gated: Tensor = F.silu(gate).mul_(up)
        return gated

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, by_gated: Tensor) -> tuple[Tensor, Tensor]:
        gate, up = ctx.saved_tensors
        share = gate.sigmoid()
        silu = share * gate
        share.addcmul_(silu, share, value=-1).add_(silu)  # the derivative: s + silu (1 - s)
        return share.mul_(up).mul_(by_gated), silu.mul_(by_gated)
