"""How the next token is chosen: temperature, truncation, stop rules, and one uniform number per token.

Sampling inverts the cumulative distribution at a uniform number that belongs to the completion (not to the
batch), so a completion does not depend on its batch mates, and a step costs one random number a row instead
of one per vocabulary entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from heedful.errors import Problem


@dataclass(frozen=True)
class Sampling:
    """With what settings completions are sampled."""

    temperature: float = 1.0
    """Divides the logits; 0 takes the most probable token (greedy)."""
    top_p: float = 1.0
    """Sample only from the smallest set of tokens with at least this probability (1: all tokens)."""
    top_k: int = 0
    """Sample only from this many most probable tokens (0: all tokens)."""
    max_new_tokens: int = 64
    """A completion ends here at the latest."""
    stop: tuple[str, ...] = ()
    """A completion also ends when one of these texts appears; the text itself is cut off."""

    def __post_init__(self) -> None:
        if self.temperature < 0:
            raise Problem(f"temperature {self.temperature} is negative", mend="use 0 (greedy) or a positive number")
        if not 0 < self.top_p <= 1:
            raise Problem(f"top_p {self.top_p} is not in (0, 1]", mend="use 1 to sample from all tokens")
        if self.top_k < 0:
            raise Problem(f"top_k {self.top_k} is negative", mend="use 0 to sample from all tokens")
        if self.max_new_tokens < 1:
            raise Problem(f"max_new_tokens {self.max_new_tokens} is not positive", mend="allow at least one token")

    @property
    def on_policy(self) -> bool:
        """Whether the sampler draws from the distribution that the trainer evaluates (no truncation)."""
        return self.top_p == 1.0 and self.top_k == 0 and self.temperature > 0

    def record(self) -> dict[str, Any]:
        """The settings as JSON-able values, for the store."""
        return {**asdict(self), "stop": list(self.stop)}


@dataclass(frozen=True, slots=True)
class Sample:
    """One sampled completion in tokens."""

    token_ids: tuple[int, ...]
    """The stop token included, when there was one."""
    logprobs: tuple[float, ...]
    """Nats, one per token: log-softmax of logits / temperature over the whole vocabulary (before truncation)."""
    finish: Literal["stop", "length"]


class Sampler(Protocol):
    """What every engine offers."""

    def sample(self, prompts: Sequence[Sequence[int]], settings: Sampling, seeds: Sequence[int]) -> list[Sample]:
        """One completion per prompt (token ids), each with its own random stream, in the order of the prompts."""
        ...


def choose(logits_BV: Tensor, uniforms_B: Tensor, settings: Sampling) -> tuple[Tensor, Tensor]:
    """Draw one token per row by inverting the cumulative distribution.

    Args:
        logits_BV: raw logits, any float type; computed on in float32.
        uniforms_B: numbers in [0, 1), one per row.
        settings: temperature, top_p, top_k.

    Returns:
        (tokens_B int64, logprobs_B float32): log-probabilities are those of softmax(logits / temperature) over
        the whole vocabulary, the distribution that training evaluates, whatever the truncation.
    """
    logits_BV = logits_BV.float()
    if settings.temperature == 0:
        tokens_B = logits_BV.argmax(-1)
        return tokens_B, torch.zeros_like(uniforms_B, dtype=torch.float32)
    if settings.temperature != 1.0:
        logits_BV = logits_BV / settings.temperature
    logprobs_BV = torch.log_softmax(logits_BV, -1)
    weights_BV = logprobs_BV.exp()
    if settings.top_k or settings.top_p < 1:
        weights_BV = truncate(weights_BV, settings.top_k, settings.top_p)
    cumulative_BV = weights_BV.cumsum(-1)
    total_B1 = cumulative_BV[:, -1:]
    # Below the total, or a number that rounds up to 1 would fall off the end or onto a token without weight.
    below_B1 = torch.minimum(
        uniforms_B.to(cumulative_BV)[:, None] * total_B1, total_B1.nextafter(torch.zeros_like(total_B1))
    )
    tokens_B1 = torch.searchsorted(cumulative_BV, below_B1, right=True)
    tokens_B1 = tokens_B1.clamp_(max=weights_BV.shape[-1] - 1)  # of NaN logits any token will do: its number tells
    return tokens_B1[:, 0], logprobs_BV.gather(-1, tokens_B1)[:, 0]


def truncate(weights_BV: Tensor, top_k: int, top_p: float) -> Tensor:
    """Set to zero all but the `top_k` largest weights and the smallest set whose share is at least `top_p`.

    The nucleus of Holtzman et al. 2019 (arXiv:1904.09751); the most probable token always stays.
    """
    ordered_BV, order_BV = weights_BV.sort(dim=-1, descending=True, stable=True)
    share_before_BV = (ordered_BV.cumsum(-1) - ordered_BV) / ordered_BV.sum(-1, keepdim=True)
    keep_BV = share_before_BV < top_p
    if top_k:
        keep_BV[:, top_k:] = False
    keep_BV[:, 0] = True
    return torch.zeros_like(weights_BV).scatter(-1, order_BV, torch.where(keep_BV, ordered_BV, 0.0))
