"""Learning to write what somebody wrote: next-token cross-entropy on completions, never on prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from heedful.errors import Problem
from heedful.language.chat import encode_completion, encode_prompt
from heedful.language.policy import response_logprobs
from heedful.language.pretrained import LanguageModel
from heedful.language.tokens import pad
from heedful.records import Demonstration
from heedful.rollouts import Metrics, Rollouts


@dataclass(frozen=True)
class Example:
    """A prompt and what follows it, in token ids; the loss is on `completion` alone."""

    prompt: list[int]
    completion: list[int]

    @property
    def length(self) -> int:
        """Tokens to forward."""
        return len(self.prompt) + len(self.completion)


def examples_of_demonstrations(model: LanguageModel, demonstrations: Sequence[Demonstration]) -> list[Example]:
    """Demonstrations in token ids, the stop token at the end; completions are cut where the context ends.

    Raises:
        Problem: a prompt leaves no room for an answer, or an answer is empty.
    """
    examples = []
    for number, demonstration in enumerate(demonstrations):
        where = f"demonstration {number}"
        prompt = encode_prompt(model, demonstration.prompt)
        if not demonstration.text.strip():
            raise Problem("the answer is empty", where=where, mend="leave the row out, or write what is to be imitated")
        completion = encode_completion(model, demonstration.text)
        room = model.context_tokens - len(prompt)
        if room < 2:
            raise Problem(
                f"the prompt has {len(prompt)} tokens, the model's context is {model.context_tokens}",
                where=where,
                mend="shorten the prompt, or use a model with a longer context",
            )
        examples.append(Example(prompt, completion[:room]))
    return examples


def examples_of_texts(model: LanguageModel, texts: Sequence[str], block_tokens: int) -> list[Example]:
    """Plain texts, each begun with the start token, ended with the stop token, and cut into blocks."""
    examples = []
    for text in texts:
        ids = encode_completion(model, text)
        first = model.start_id
        for at in range(0, len(ids), block_tokens - 1):
            examples.append(Example([first if at == 0 else ids[at - 1]], ids[at : at + block_tokens - 1]))
    return examples


def imitation_loss(model: LanguageModel, batch: Sequence[Example]) -> tuple[Tensor, Tensor, Metrics]:
    """(sum over completion tokens of -log pi, number of those tokens, {})."""
    logprobs_BT, mask_BT = completion_logprobs(model, batch)
    return -logprobs_BT.sum(), mask_BT.sum(), {}


@torch.no_grad()
def nats_per_token(
    model: LanguageModel, examples: Sequence[Example], *, chunk: int = 32
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """(total nats, tokens) of each example."""
    nats, tokens = np.zeros(len(examples)), np.zeros(len(examples))
    for index in by_length(examples, chunk):
        logprobs_BT, mask_BT = completion_logprobs(model, [examples[i] for i in index])
        nats[index] = -logprobs_BT.double().sum(1).cpu().numpy()
        tokens[index] = mask_BT.sum(1).cpu().numpy()
    return nats, tokens


class Measured(Protocol):
    """Anything with a length in tokens."""

    @property
    def length(self) -> int:
        """Tokens to forward."""
        ...


def by_length(items: Sequence[Measured], size: int) -> list[list[int]]:
    """Indices in parts of `size`, like lengths together, so that little padding is computed."""
    order = sorted(range(len(items)), key=lambda index: items[index].length)
    return [order[at : at + size] for at in range(0, len(order), size)]


def completion_logprobs(
    model: LanguageModel, batch: Sequence[Example], temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """(logprobs_BT in nats, mask_BT) of the completions' tokens; 0 where masked."""
    padded = pad([example.prompt for example in batch], [example.completion for example in batch], model.device)
    mask_BT = padded.response_mask_BT
    rollouts = Rollouts(padded.inputs, mask_BT, torch.arange(len(batch)), torch.zeros(mask_BT.shape))
    return response_logprobs(model, rollouts, temperature)[0], mask_BT
