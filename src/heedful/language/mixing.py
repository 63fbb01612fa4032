"""Completions that somebody began and the policy ends: the `Collect` of MIXER.

The sampler is wrapped, the rest is `Acting`: an answer's first tokens are put before the prompt's end, what is
sampled after them is the policy's own, and both together are the completion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from heedful.errors import Problem
from heedful.language.acting import Acting
from heedful.language.imitation import Example
from heedful.language.policy import LanguagePolicy
from heedful.language.sampling import Sample, Sampler, Sampling
from heedful.rollouts import Rollouts


@dataclass(frozen=True)
class Begun:
    """A sampler whose completions begin with the first tokens of a known answer."""

    sampler: Sampler
    answers: Mapping[tuple[int, ...], Sequence[int]]
    """Prompt in token ids -> its answer, the stop token included."""
    given: int
    """How many tokens of the answer are given; one that is no longer is given whole."""

    def sample(self, prompts: Sequence[Sequence[int]], settings: Sampling, seeds: Sequence[int]) -> list[Sample]:
        """See `heedful.language.sampling.Sampler`; given tokens have log-probability 0.

        Raises:
            Problem: a prompt has no answer.
        """
        begun = [self._first(prompt, settings.max_new_tokens) for prompt in prompts]
        whole = [self._is_whole(prompt, first, settings) for prompt, first in zip(prompts, begun, strict=True)]
        rows = [row for row, done in enumerate(whole) if not done]
        rest = replace(settings, max_new_tokens=max(1, settings.max_new_tokens - self.given))
        ids = [[*prompts[row], *begun[row]] for row in rows]
        written = self.sampler.sample(ids, rest, [seeds[row] for row in rows]) if rows else []
        ended = [Sample(first, (0.0,) * len(first), "stop") for first in begun]
        for row, own in zip(rows, written, strict=True):
            logprobs = ended[row].logprobs + own.logprobs
            ended[row] = Sample(begun[row] + own.token_ids, logprobs, own.finish)
        return ended

    def _first(self, prompt: Sequence[int], limit: int) -> tuple[int, ...]:
        if tuple(prompt) not in self.answers:
            raise Problem("a prompt has no answer to begin with", mend="mix on prompts that have demonstrations only")
        return tuple(self.answers[tuple(prompt)][: min(self.given, limit)])

    def _is_whole(self, prompt: Sequence[int], first: tuple[int, ...], settings: Sampling) -> bool:
        return len(first) == min(len(self.answers[tuple(prompt)]), settings.max_new_tokens)


class Mixing:
    """Rollouts that begin as demonstrations; a `Collect`.

    Args:
        acting: prompts, sampler and the rest; its prompts must be those of `examples`.
        examples: prompt and answer in token ids.
        given: step -> how many tokens of the answer are given.
    """

    def __init__(self, acting: Acting, examples: Sequence[Example], given: Callable[[int], int]) -> None:
        self.acting, self.given = acting, given
        self.answers = {tuple(example.prompt): example.completion for example in examples}

    def __call__(self, policy: LanguagePolicy, step: int) -> Rollouts:
        """See `heedful.rollouts.Collect`; `given_tokens_B` is in the extras, given tokens have no sampler gap."""
        count = self.given(step)
        collect = replace(self.acting, sampler=Begun(self.acting.sampler, self.answers, count))
        rollouts = collect(policy, step)
        given_BT = rollouts.mask_BT & (rollouts.mask_BT.cumsum(1) <= count)
        sampled_BT = rollouts.sampler_logprobs_BT
        return rollouts.with_(
            sampler_logprobs_BT=None if sampled_BT is None else torch.where(given_BT, rollouts.logprobs_BT, sampled_BT),
            extras={**rollouts.extras, "given_tokens_B": given_BT.sum(1)},
        )
