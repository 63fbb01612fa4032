"""A language model that acts: log-probabilities, entropy and values of completions under its weights of now."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from heedful.language.forward import all_logits, token_logprobs
from heedful.language.heads import Critic
from heedful.language.pretrained import LanguageModel
from heedful.language.tokens import Padded, trimmed_parts
from heedful.rollouts import Evaluation, Rollouts

PART_COST = 5e6
"""What one more forward pass costs besides its products, in multiplications per layer: on a Llama of 260,000
parameters, one thread, as much as 100 tokens."""

PART_TOKENS = 300
"""What one more pass over all weights and gradients costs, in tokens, and beginnings that are then computed in both."""

PART_NUMBERS = 2**26
"""Most numbers that a forward pass may give (tokens times vocabulary), so that no more need to be in memory at once."""


class LanguagePolicy:
    """The policy of the text world (see `heedful.rollouts.Policy`).

    Args:
        model: writes.
        temperature: the sampler's; logits are divided by it here too, so that both sides mean the same
            distribution.
        critic: values each state, on a trunk of its own or the policy's; None for algorithms without one.
    """

    def __init__(self, model: LanguageModel, *, temperature: float = 1.0, critic: Critic | None = None) -> None:
        self.model, self.temperature, self.critic = model, temperature, critic

    def parameters(self) -> Iterable[torch.nn.Parameter]:
        """Weights of the model and, where there is one, the critic."""
        yield from self.model.parameters()
        if self.critic is not None:
            yield from self.critic.parameters()

    def evaluate(self, rollouts: Rollouts) -> Evaluation:
        """See `heedful.rollouts.Policy.evaluate`; masked positions are 0."""
        logprobs_BT, entropy_BT = response_logprobs(self.model, rollouts, self.temperature)
        values_BT = None
        if self.critic is not None:
            values_BT = response_values(self.critic, rollouts)
        bare = getattr(self.model, "bare", None)  # under a rule (`heedful.language.guided`): the model without it
        without = None if bare is None else lambda: response_logprobs(bare, rollouts, self.temperature)[0]
        return Evaluation(logprobs_BT, entropy_BT, values_BT, without)

    def distributions(self, rollouts: Rollouts) -> Tensor:
        """logprobs_BTV of every token of the vocabulary; see `heedful.rollouts.Distributions`.

        Attention goes by its plain formula, the only one that can be differentiated twice.
        """
        with sdpa_kernel(SDPBackend.MATH):
            return _in_parts(self.model, rollouts, lambda part: (self._all_logprobs(part),))[0]

    def _all_logprobs(self, part: Padded) -> Tensor:
        return torch.log_softmax(all_logits(self.model, part).float() / self.temperature, -1)

    def divergence(self, old_BTK: Tensor, new_BTK: Tensor) -> Tensor:
        """kl_BT of two such log-probabilities."""
        return (old_BTK.exp() * (old_BTK - new_BTK)).sum(-1)


def response_logprobs(model: LanguageModel, rollouts: Rollouts, temperature: float = 1.0) -> tuple[Tensor, Tensor]:
    """(logprobs_BT, entropy_BT) in nats of the sampled tokens under softmax(logits / temperature).

    Only what predicts a response token is computed; 0 where masked.
    """
    parts = _in_parts(model, rollouts, lambda part: token_logprobs(model, part, temperature))
    return parts[0], parts[1]


def response_values(critic: Critic, rollouts: Rollouts) -> Tensor:
    """values_BT of the state before each response token; 0 where masked."""

    def of_part(part: Padded) -> tuple[Tensor]:
        steps = part.response_mask_BT.shape[1]
        values_BS = critic(part.ids_BS, part.attend_mask_BS, steps)
        return (torch.where(part.response_mask_BT, values_BS[:, -steps - 1 : -1], 0.0),)

    return _in_parts(critic.language_model[0], rollouts, of_part)[0]


def _in_parts(
    model: LanguageModel, rollouts: Rollouts, of_part: Callable[[Padded], tuple[Tensor, ...]]
) -> list[Tensor]:
    """`of_part` over parts of like length, each without the padding it does not need; results in the old order."""
    whole = Padded(rollouts.inputs["ids_BS"], rollouts.inputs["attend_mask_BS"], rollouts.mask_BT)
    part_cost = PART_TOKENS + int(PART_COST * model.layers / model.size)
    parts = list(trimmed_parts(whole, part_cost, max(1024, PART_NUMBERS // model.vocabulary)))
    steps = rollouts.mask_BT.shape[1]
    found = [of_part(part) for _, part in parts]
    back_B = torch.cat([index for index, _ in parts]).argsort()
    return [
        torch.cat([F.pad(x_BT, (0, 0) * (x_BT.ndim - 2) + (0, steps - x_BT.shape[1])) for x_BT in same])[back_B]
        for same in zip(*found, strict=True)
    ]
