"""What the losses of `heedful offline` need around them: tokens and rewards in, a model's view of them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from heedful.language.engines.local import LocalSampler
from heedful.language.ilql_heads import ILQLHeads, predictions
from heedful.language.imitation import Example, completion_logprobs
from heedful.language.pretrained import LanguageModel
from heedful.language.sampling import Sampling
from heedful.language.tokens import Padded, pad
from heedful.learning.kl import at_last_token
from heedful.learning.offline.ilql import ILQL, Outlook
from heedful.learning.offline.irl import IRL
from heedful.learning.offline.reward_weighted import weighted_imitation
from heedful.rollouts import Metrics, Stats
from heedful.runs import Run
from heedful.seeds import seed_of
from heedful.stages.imitating import Imitation, descend


@dataclass(frozen=True)
class Scored:
    """An example and what it earned; the reward comes with the last token."""

    example: Example
    reward: float

    @property
    def length(self) -> int:
        """Tokens to forward."""
        return self.example.length


@dataclass(frozen=True)
class Attempt:
    """An example, and whether the model that learns wrote it itself."""

    example: Example
    own: bool = False

    @property
    def length(self) -> int:
        """Tokens to forward."""
        return self.example.length


# Implicit language Q-learning


def fit_ilql(
    model: LanguageModel,
    heads: ILQLHeads,
    items: Sequence[Scored],
    settings: ILQL,
    pace: Imitation,
    run: Run,
    *,
    seed: int,
) -> Stats:
    """Train model and heads in place on logged examples; resumable. Nothing is sampled and nothing is scored."""
    return descend(
        {"model": model, "heads": heads},
        items,
        partial(ilql_loss, model, heads, settings),
        pace,
        run,
        seed=seed,
        label="ILQL",
        after=lambda step: settings.sync(step, heads.lagged_q, heads.q),
    )


def ilql_loss(
    model: LanguageModel, heads: ILQLHeads, settings: ILQL, batch: Sequence[Scored]
) -> tuple[Tensor, Tensor, Metrics]:
    """The loss of some examples, in one forward pass; the reward lies on the last token."""
    padded = _padded(model, [item.example for item in batch])
    logits_BTV, hidden_BTD = predictions(model, padded)
    q_EBTV, lagged_EBTV, values_BT = heads(hidden_BTD)
    tokens_BT = padded.ids_BS[:, -padded.steps :]
    index_EBT1 = tokens_BT[None, ..., None].expand(len(q_EBTV), -1, -1, 1)
    outlook = Outlook(logits_BTV, q_EBTV, lagged_EBTV.gather(-1, index_EBT1)[..., 0], values_BT)
    rewards_B = torch.tensor([item.reward for item in batch], device=model.device)
    mask_BT = padded.response_mask_BT
    return settings.loss(outlook, tokens_BT, at_last_token(rewards_B, mask_BT), mask_BT)


# Inverse reinforcement learning


def fit_irl(
    model: LanguageModel,
    examples: Sequence[Example],
    settings: IRL,
    pace: Imitation,
    run: Run,
    *,
    seed: int,
    sampling: Sampling,
) -> Stats:
    """Imitate with the second term of `settings.mode`; resumable. Where the mode needs own completions, each step
    samples one for each of its demonstrations, from the weights of then."""
    sampler = LocalSampler(model, pace.batch)

    def join(step: int, human: list[Attempt]) -> list[Attempt]:
        prompts = [item.example.prompt for item in human]
        seeds = [seed_of(seed, "own", step, row) for row in range(len(prompts))]
        samples = sampler.sample(prompts, sampling, seeds)
        own = [Example(prompt, list(s.token_ids)) for prompt, s in zip(prompts, samples, strict=True)]
        return [*human, *(Attempt(example, own=True) for example in own)]

    return descend(
        {"model": model},
        [Attempt(example) for example in examples],
        partial(irl_loss, model, settings),
        pace,
        run,
        seed=seed,
        label=f"IRL, {settings.mode}",
        join=join if settings.samples else None,
    )


def irl_loss(model: LanguageModel, settings: IRL, batch: Sequence[Attempt]) -> tuple[Tensor, Tensor, Metrics]:
    """The loss of some examples in one forward pass; without a second term, the same one as imitation makes."""
    examples = [item.example for item in batch]
    own_B = torch.tensor([item.own for item in batch], device=model.device)
    if not settings.looks_ahead:
        logprobs_BT, mask_BT = completion_logprobs(model, examples)
        return settings.loss(logprobs_BT, torch.zeros_like(logprobs_BT), mask_BT, own_B)
    padded = _padded(model, examples)
    return settings.loss(*soft_values(model, padded), padded.response_mask_BT, own_B)


def soft_values(model: LanguageModel, padded: Padded) -> tuple[Tensor, Tensor]:
    """(logprobs_BT, values_BT): the logits read as soft Q values, so that v = log sum exp Q and log pi = Q - v."""
    logits_BTV, _ = predictions(model, padded)
    values_BT = logits_BTV.logsumexp(-1)
    chosen_BT = logits_BTV.gather(-1, padded.ids_BS[:, -padded.steps :, None])[..., 0]
    return chosen_BT - values_BT, values_BT


# Reward-weighted imitation


def weighted_loss(model: LanguageModel, batch: Sequence[Scored]) -> tuple[Tensor, Tensor, Metrics]:
    """Imitation of examples whose `reward` is their weight."""
    logprobs_BT, mask_BT = completion_logprobs(model, [item.example for item in batch])
    weights_B = torch.tensor([item.reward for item in batch], device=model.device)
    return weighted_imitation(logprobs_BT, mask_BT, weights_B)


def _padded(model: LanguageModel, examples: Sequence[Example]) -> Padded:
    return pad([example.prompt for example in examples], [example.completion for example in examples], model.device)
