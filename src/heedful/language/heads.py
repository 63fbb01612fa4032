"""A number from a language model: the head of reward models and critics, on a trunk of its own or the policy's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from heedful.errors import Problem
from heedful.files import write_atomically, write_json
from heedful.language import encoder_decoder
from heedful.language.llama_rows import states_of
from heedful.language.lora import plain
from heedful.language.precision import Precision, widened
from heedful.language.pretrained import LanguageModel, load, save
from heedful.language.trained_weights import complete_state, trained_state

HEAD = "head.safetensors"


class ScalarModel(nn.Module):
    """A trunk and a linear head: one number at every token.

    The output is `gain * (head(hidden) + ...) + bias`; `normalise` sets gain and bias so that scores of
    reference samples have mean 0 and variance 1, which changes no ranking. The head starts from
    N(0, 1/sqrt(d+1)) with bias 0 (Ziegler et al. 2019), or from zero for a critic.

    Args:
        model: the language model whose trunk is copied; its tokenizer is kept with it.
        seed: of the head's first weights.
        zero: begin with a head of zeros.
    """

    gain: Tensor
    bias: Tensor

    def __init__(self, model: LanguageModel, *, seed: int = 0, zero: bool = False) -> None:
        super().__init__()
        self.language_model = [model]  # in a list: its own head is not a part of this module
        self.trunk: Any = model.trunk()
        hidden = int(model.module.get_input_embeddings().weight.shape[1])
        self.head = nn.Linear(hidden, 1)
        weights = torch.randn(1, hidden, generator=torch.Generator().manual_seed(seed)) / (hidden + 1) ** 0.5
        with torch.no_grad():
            self.head.weight.copy_(torch.zeros_like(weights) if zero else weights)
            self.head.bias.zero_()
        self.register_buffer("gain", torch.ones(()))
        self.register_buffer("bias", torch.zeros(()))
        self.to(model.device)
        self.eval()

    @property
    def tokenizer(self) -> Any:
        """The tokenizer whose ids the trunk reads."""
        return self.language_model[0].tokenizer

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.head.weight.device

    def forward(self, ids_BS: Tensor, attend_mask_BS: Tensor, steps: int = 0) -> Tensor:
        """values_BS at every token (meaningless at padding). A row's real tokens must stand together.

        Args:
            ids_BS: prompt and completion.
            attend_mask_BS: True at their real tokens.
            steps: how many of the last columns are the completion. Only an encoder-decoder needs to know; it values
                nothing before the prompt's last token.
        """
        return _everywhere(self, self.trunk, ids_BS, attend_mask_BS, steps) * self.gain + self.bias

    def score(self, ids_BS: Tensor, attend_mask_BS: Tensor, steps: int = 0) -> Tensor:
        """score_B: the number at the last real token of each row; arguments as in `forward`."""
        values_BS: Tensor = self(ids_BS, attend_mask_BS, steps)
        columns_S = torch.arange(values_BS.shape[1], device=values_BS.device)
        last_B = torch.where(attend_mask_BS, columns_S, -1).max(-1).values
        return values_BS.gather(1, last_B[:, None])[:, 0]

    @torch.no_grad()
    def normalise(self, scores_B: Tensor) -> None:
        """Make the distribution that `scores_B` was drawn from have mean 0 and variance 1.

        Raises:
            Problem: all scores are the same, so there is nothing to scale.
        """
        deviation = scores_B.double().std(correction=0)
        if not torch.isfinite(deviation) or deviation < 1e-8:
            raise Problem(
                "the reward model gives every reference sample the same score",
                mend="train it on more judgements, or on more varied completions",
            )
        mean = scores_B.double().mean()
        self.gain.copy_(self.gain / deviation)
        self.bias.copy_((self.bias - mean) / deviation)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """All weights by name; of a partly frozen model the trained ones, and a fingerprint of the others."""
        return trained_state(self, super().state_dict(*args, **kwargs))

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Take weights over."""
        return super().load_state_dict(complete_state(self, state_dict), *args, **kwargs)


class ValueHead(nn.Module):
    """A critic without a trunk: a linear head of zeros that reads the policy's own trunk as it is now.

    Its loss stops at the head: the trunk is read without gradients, so that learning to value never moves the policy.
    It costs one more pass forward and the memory of the head; it can see what the policy's last layer shows, no more.

    Args:
        model: the policy; its body is read and is no part of this module.
    """

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.language_model = [model]
        self.head = nn.Linear(int(model.module.get_input_embeddings().weight.shape[1]), 1)
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)
        self.to(model.device)

    def forward(self, ids_BS: Tensor, attend_mask_BS: Tensor, steps: int = 0) -> Tensor:
        """values_BS at every token; see `ScalarModel.forward`."""
        return _everywhere(self, self.language_model[0].body, ids_BS, attend_mask_BS, steps, frozen=True)


Critic = ScalarModel | ValueHead
"""What values the states of a policy."""


def _everywhere(
    model: Critic, trunk: Any, ids_BS: Tensor, attend_mask_BS: Tensor, steps: int, *, frozen: bool = False
) -> Tensor:
    """The head's number at every token, meaningless at padding.

    Rows are moved to the left before they are forwarded, so that all padding is on the right, where causal attention
    never looks: no mask is needed, which attention is about twice as fast without.
    """
    language_model = model.language_model[0]
    gradients = torch.is_grad_enabled() and not frozen
    if language_model.encoder_decoder:
        if not steps:
            raise Problem(
                "an encoder-decoder can only score a completion apart from its prompt",
                mend="use a reward model or critic on a causal language model here",
            )
        with torch.set_grad_enabled(gradients), language_model.computing():
            decoded_BSD = encoder_decoder.hidden_states(trunk, ids_BS, attend_mask_BS, steps)
        decoded_BS: Tensor = model.head(widened(decoded_BSD))[..., 0]
        return decoded_BS
    columns_S = torch.arange(ids_BS.shape[1], device=ids_BS.device)
    first_B1 = attend_mask_BS.int().argmax(1, keepdim=True)
    moved_BS = ids_BS.gather(1, (columns_S + first_B1) % len(columns_S))
    room = min(len(columns_S), language_model.context_tokens)  # beyond it all is padding, without position
    with torch.set_grad_enabled(gradients), language_model.computing():
        hidden_BSD = states_of(trunk, moved_BS[:, :room], attend_mask_BS.sum(1))
    values_BS: Tensor = F.pad(model.head(widened(hidden_BSD))[..., 0], (0, len(columns_S) - room))
    return values_BS.gather(1, (columns_S - first_B1) % len(columns_S))


def save_scalar(model: ScalarModel, folder: Path, card: Mapping[str, Any]) -> None:
    """Write trunk (as a language model folder, adapters merged), head and card; whole or not at all."""

    def fill(path: Path) -> None:
        language_model = model.language_model[0]
        twin = language_model.frozen_copy()
        twin.body.load_state_dict(plain(model.trunk).state_dict())
        save(twin, path, card)
        head = {"weight": model.head.weight, "bias_head": model.head.bias, "gain": model.gain, "bias": model.bias}
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in head.items()}, path / HEAD)
        write_json(path / "head.json", {"kind": "scalar", "read_at": "last real token"})

    write_atomically(folder, fill)


def load_scalar(folder: Path, *, device: torch.device | str = "cpu", precision: Precision = "float32") -> ScalarModel:
    """Read what `save_scalar` wrote.

    Raises:
        Problem: there is no head beside the model.
    """
    if not (folder / HEAD).is_file():
        raise Problem("there is no reward model here", where=str(folder), mend="train one with `heedful reward`")
    json.loads((folder / "head.json").read_text(encoding="utf-8"))
    model = ScalarModel(load(folder, device=device, precision=precision))
    state = load_file(folder / HEAD, device=str(device))
    with torch.no_grad():
        model.head.weight.copy_(state["weight"])
        model.head.bias.copy_(state["bias_head"])
        model.gain.copy_(state["gain"])
        model.bias.copy_(state["bias"])
    return model
