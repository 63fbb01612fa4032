"""One pass over completions for all that training asks of a policy: each token's log-probability, and the entropy.

Rows are moved to the left, so that all padding is on the right, where causal attention never looks: no mask is needed.
The language head reads the states that predict a token of a completion and no others, and of its (token, vocabulary)
numbers only the logits are kept for the gradient, which is written out:

    d log p(x) / d logit_j = [j = x] - p_j        d H / d logit_j = -p_j (log p_j + H)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from heedful.language.llama_rows import states_of
from heedful.language.pretrained import LanguageModel
from heedful.language.tokens import Padded, positions

PROBE = 4
"""Tokens on which it is tried whether a model's logits are its head on its body's states."""

CHANGED_AFTERWARDS = ("final_logit_softcapping", "logit_scale", "logits_scaling", "lm_head_multiplier")
"""Settings of architectures that scale or cap logits, which small logits would not show."""


def token_logprobs(model: LanguageModel, part: Padded, temperature: float) -> tuple[Tensor, Tensor]:
    """(logprobs_BT, entropy_BT) in nats of the completions' tokens under softmax(logits / temperature); 0 where masked.

    Both may be differentiated once.
    """
    mask_BT = part.response_mask_BT
    ids_N = part.ids_BS[:, -mask_BT.shape[1] :][mask_BT]
    logits_NV = _packed_logits(model, part) if separable(model) else all_logits(model, part)[mask_BT]
    logprobs_N, entropy_N = chosen(logits_NV, ids_N, temperature)
    zeros_BT = torch.zeros(mask_BT.shape, dtype=logprobs_N.dtype, device=mask_BT.device)
    return zeros_BT.masked_scatter(mask_BT, logprobs_N), zeros_BT.masked_scatter(mask_BT, entropy_N)


def chosen(logits_NV: Tensor, ids_N: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """(logprobs_N of the ids, entropy_N), in nats, of softmax(logits / temperature)."""
    found: tuple[Tensor, Tensor] = _Chosen.apply(logits_NV, ids_N, temperature)  # type: ignore[no-untyped-call]  # PyTorch
    return found


def all_logits(model: LanguageModel, part: Padded) -> Tensor:
    """logits_BTV of every token of the vocabulary at the columns that predict the completion."""
    steps = part.response_mask_BT.shape[1]
    return model.logits(part.ids_BS, part.attend_mask_BS, positions(part.attend_mask_BS), steps + 1)[:, :-1]


def separable(model: LanguageModel) -> bool:
    """Whether a model's logits are its language head on its body's last states and nothing else; tried out once.

    They are not where logits are scaled or capped afterwards, or a rule changes them (`heedful.language.guided`).
    """
    if "logits" in model.__dict__:
        return False
    if "_separable" not in model.__dict__:
        exact = LanguageModel(model.module, model.tokenizer, model.source)  # in float32, whatever it computes in
        model.__dict__["_separable"] = _tried(exact)
    return bool(model.__dict__["_separable"])


@torch.no_grad()
def _tried(model: LanguageModel) -> bool:
    head = model.module.get_output_embeddings()
    changed = any(getattr(model.module.config, name, None) not in (None, 1, 1.0) for name in CHANGED_AFTERWARDS)
    if model.encoder_decoder or head is None or changed:
        return False
    ids_1S = torch.arange(min(PROBE, model.vocabulary, model.context_tokens), device=model.device)[None]
    real_1S = torch.ones_like(ids_1S, dtype=torch.bool)
    logits_1SV = model.logits(ids_1S, real_1S, positions(real_1S), 2)
    found_1SV = head(states_of(model.body, ids_1S)[:, -2:])
    near = 1e-5 * max(1.0, float(logits_1SV.abs().max()))
    return found_1SV.shape == logits_1SV.shape and torch.allclose(found_1SV, logits_1SV, rtol=1e-4, atol=near)


def _packed_logits(model: LanguageModel, part: Padded) -> Tensor:
    """logits_NV that predict the N tokens of the completions, row after row."""
    ids_BS, mask_BT = part.ids_BS, part.response_mask_BT
    (rows, width), steps = ids_BS.shape, mask_BT.shape[1]
    columns_S = torch.arange(width, device=ids_BS.device)
    first_B1 = part.attend_mask_BS.int().argmax(1, keepdim=True)
    moved_BS = ids_BS.gather(1, (columns_S + first_B1) % width)
    room = min(width, model.context_tokens)  # beyond it all is padding, without position
    before_BT = columns_S[width - steps :] - 1 - first_B1 + room * torch.arange(rows, device=ids_BS.device)[:, None]
    with model.computing():
        states_XD = states_of(model.body, moved_BS[:, :room], part.attend_mask_BS.sum(1)).flatten(0, 1)
        logits_NV: Tensor = model.module.get_output_embeddings()(states_XD[before_BT[mask_BT]])
    return logits_NV


class _Chosen(torch.autograd.Function):
    """(logits_NV, ids_N, temperature) -> (log-probability of each id, entropy), gradients as in the module's head."""

    @staticmethod
    def forward(ctx: Any, logits_NV: Tensor, ids_N: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        scaled_NV = _scaled(logits_NV, temperature)
        total_N = scaled_NV.logsumexp(-1)
        logprobs_N = scaled_NV.gather(-1, ids_N[:, None])[:, 0] - total_N
        entropy_N = total_N - _expected(scaled_NV, total_N)
        ctx.save_for_backward(logits_NV, ids_N, total_N, entropy_N)
        ctx.temperature = temperature
        return logprobs_N, entropy_N

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any, by_logprob_N: Tensor | None, by_entropy_N: Tensor | None
    ) -> tuple[Tensor | None, None, None]:
        if by_logprob_N is None and by_entropy_N is None:
            return None, None, None
        logits_NV, ids_N, total_N, entropy_N = ctx.saved_tensors
        all_NV = _scaled(logits_NV, ctx.temperature) - total_N[:, None]
        found_NV = all_NV.exp()
        if by_entropy_N is None:
            assert by_logprob_N is not None
            found_NV *= -by_logprob_N[:, None]
        else:
            weight_NV = all_NV.add_(entropy_N[:, None]).mul_(-by_entropy_N[:, None])
            found_NV *= weight_NV if by_logprob_N is None else weight_NV.sub_(by_logprob_N[:, None])
        if by_logprob_N is not None:
            found_NV.scatter_add_(-1, ids_N[:, None], by_logprob_N[:, None])
        return (found_NV / ctx.temperature).to(logits_NV.dtype), None, None


def _scaled(logits_NV: Tensor, temperature: float) -> Tensor:
    scaled_NV = logits_NV.to(torch.promote_types(logits_NV.dtype, torch.float32))
    return scaled_NV if temperature == 1 else scaled_NV / temperature


def _expected(scaled_NV: Tensor, total_N: Tensor) -> Tensor:
    """The mean of `scaled` under its softmax."""
    return (scaled_NV - total_N[:, None]).exp_().mul_(scaled_NV).sum(-1)
