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
        ended = [self._given(prompt, first) for prompt, first in zip(prompts, begun, strict=True)]
        for row, own in zip(rows, written, strict=True):
            logprobs = ended[row].logprobs + own.logprobs
            ended[row] = Sample(begun[row] + own.token_ids, logprobs, own.finish)
        return ended

    def _first(self, prompt: Sequence[int], limit: int) -> tuple[int, ...]:
        if tuple(prompt) not in self.answers:
            raise Problem("a prompt has no answer to begin with", mend="mix on prompts that have demonstrations only")
        return tuple(self.answers[tuple(prompt)][: min(self.given, limit)])

    def _given(self, prompt: Sequence[int], first: tuple[int, ...]) -> Sample:
        """A completion of given tokens alone; it ends by itself where the answer has no more."""
        whole = len(first) == len(self.answers[tuple(prompt)])
        return Sample(first, (0.0,) * len(first), "stop" if whole else "length")

    def _is_whole(self, prompt: Sequence[int], first: tuple[int, ...], settings: Sampling) -> bool:
        return len(first) == min(len(self.answers[tuple(prompt)]), settings.max_new_tokens)


class Mixing:
    """Rollouts that begin as demonstrations; a `Collect`.

    Given tokens are nobody's choice: the KL leash pays for the policy's own ones alone (`bare_logprobs_BT`), and the
    sampler has no log-probabilities of them, so the trainer's must be there (`Acting.provisional` is off).

    Args:
        acting: prompts, sampler and the rest; its prompts must be among those of `examples`.
        examples: prompt and answer in token ids; a prompt's several answers take turns.
        given: step -> how many tokens of the answer are given.
    """

    def __init__(self, acting: Acting, examples: Sequence[Example], given: Callable[[int], int]) -> None:
        if acting.provisional:
            raise ValueError("given tokens have no log-probabilities of the sampler's to stand for the trainer's")
        self.acting, self.given = acting, given
        self.answers: dict[tuple[int, ...], list[list[int]]] = {}
        for example in examples:
            self.answers.setdefault(tuple(example.prompt), []).append(example.completion)

    def __call__(self, policy: LanguagePolicy, step: int) -> Rollouts:
        """See `heedful.rollouts.Collect`; `given_tokens_B` is in the extras, given tokens have no sampler gap."""
        count = self.given(step)
        answers = {prompt: known[step % len(known)] for prompt, known in self.answers.items()}
        collect = replace(self.acting, sampler=Begun(self.acting.sampler, answers, count))
        rollouts = collect(policy, step)
        given_BT = rollouts.mask_BT & (rollouts.mask_BT.cumsum(1) <= count)
        extras = {**rollouts.extras, "given_tokens_B": given_BT.sum(1)}
        if rollouts.ref_logprobs_BT is not None:
            extras["bare_logprobs_BT"] = torch.where(given_BT, rollouts.ref_logprobs_BT, rollouts.logprobs_BT)
        sampled_BT = rollouts.sampler_logprobs_BT
        if sampled_BT is not None:
            sampled_BT = torch.where(given_BT, rollouts.logprobs_BT, sampled_BT)
        return rollouts.with_(sampler_logprobs_BT=sampled_BT, extras=extras)
