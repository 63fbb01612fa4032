"""Judges: whoever says which of two completions is better, and how people's place in that is taken by a model.

    def judge(prompts, a, b):  # texts go in, for each pair the probability that a is better comes out
        return [0.5 for _ in prompts]

A judge prefers what it sees first, or last; `both_orders` asks twice and takes the mean, which removes it.
Papers: Bai et al. 2022b, "Constitutional AI: Harmlessness from AI Feedback"; Lee et al. 2023, "RLAIF: Scaling
Reinforcement Learning from Human Feedback with AI Feedback", section 2.1 (both orders, mean of the probabilities).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from heedful.errors import Problem
from heedful.language.chat import encode_prompt
from heedful.language.imitation import Example
from heedful.language.preferring import key_of, known_logprobs
from heedful.language.pretrained import LanguageModel
from heedful.records import Message, Prompt
from heedful.rollouts import Reward, Rollouts

Judge = Callable[[Sequence[Prompt], Sequence[str], Sequence[str]], Sequence[float]]
"""(prompts, first completions, second completions) -> for each, the probability that the first is better."""

QUESTION = """Here is a request and two answers to it.

Request: {prompt}

Answer 1: {a}

Answer 2: {b}

Which answer is better, 1 or 2? The better one is Answer"""
"""What a language model is asked; `{prompt}`, `{a}` and `{b}` are filled in."""


def one_by_one(function: Callable[[Prompt, str, str], float]) -> Judge:
    """A judge of a function that sees a single pair: (prompt, a, b) -> probability that a is better."""

    def judge(prompts: Sequence[Prompt], a: Sequence[str], b: Sequence[str]) -> list[float]:
        return [function(prompt, first, second) for prompt, first, second in zip(prompts, a, b, strict=True)]

    return judge


def both_orders(judge: Judge) -> Judge:
    """The same judge, asked in both orders: (P(a | a first) + 1 - P(b | b first)) / 2.

    What it gains by standing first it loses by standing second, so P(a, b) + P(b, a) = 1 exactly.
    """

    def fair(prompts: Sequence[Prompt], a: Sequence[str], b: Sequence[str]) -> list[float]:
        said = checked(judge, [*prompts, *prompts], [*a, *b], [*b, *a])
        return [(said[i] + 1 - said[i + len(a)]) / 2 for i in range(len(a))]

    return fair


def position_bias(judge: Judge, prompts: Sequence[Prompt], a: Sequence[str], b: Sequence[str]) -> float:
    """How much the first place is worth: mean P(the one shown first is better) over both orders, less 1/2."""
    said = checked(judge, [*prompts, *prompts], [*a, *b], [*b, *a])
    return sum(said) / len(said) - 0.5


def checked(judge: Judge, prompts: Sequence[Prompt], a: Sequence[str], b: Sequence[str]) -> list[float]:
    """What a judge says, if it is one probability for each pair.

    Raises:
        Problem: too many or too few numbers, or one outside 0..1.
    """
    said = [float(value) for value in judge(prompts, a, b)]
    if len(said) != len(a):
        raise Problem(f"it gave {len(said)} answers for {len(a)} pairs", where="judge", mend="give one for each pair")
    for place, value in enumerate(said):
        if not 0 <= value <= 1:
            raise Problem(
                f"it gave {value} for pair {place}", where="judge", mend="give the probability that the first is better"
            )
    return said


@dataclass(frozen=True)
class ModelJudge:
    """A language model as judge: how probable it finds "1" and "2" after the question; a `Judge`.

    P(a better) = P("1") / (P("1") + P("2")), both as whole continuations. Ask it by way of `both_orders`.
    """

    model: LanguageModel
    question: str = QUESTION
    """With `{prompt}`, `{a}` and `{b}`."""
    options: tuple[str, str] = (" 1", " 2")
    """How the model would name the first and the second."""
    chat: bool = False
    """Put the question as a user's turn of a conversation, for models that were trained on those."""

    def __post_init__(self) -> None:
        missing = [name for name in ("{prompt}", "{a}", "{b}") if name not in self.question]
        if missing:
            raise Problem(f"the question lacks {missing[0]}", where="judge", mend="fill in {prompt}, {a} and {b}")

    def __call__(self, prompts: Sequence[Prompt], a: Sequence[str], b: Sequence[str]) -> list[float]:
        """For each pair the probability that the first completion is better.

        Raises:
            Problem: a question is longer than the model's context.
        """
        options = [self.model.encode(text, start=False) for text in self.options]
        asked = [self._ids(prompt, first, second) for prompt, first, second in zip(prompts, a, b, strict=True)]
        room = self.model.context_tokens - max(map(len, options))
        for ids in asked:
            if len(ids) > room:
                raise Problem(
                    f"the question has {len(ids)} tokens, the judge's context is {self.model.context_tokens}",
                    where="judge",
                    mend="shorten the question, or use a judge with a longer context",
                )
        known = known_logprobs(self.model, [Example(ids, option) for ids in asked for option in options])
        first, second = ([known[key_of(Example(ids, option))] for ids in asked] for option in options)
        return [1 / (1 + math.exp(min(700.0, no - yes))) for yes, no in zip(first, second, strict=True)]

    def _ids(self, prompt: Prompt, a: str, b: str) -> list[int]:
        # Not str.format: completions may hold braces.
        parts = {"{prompt}": prompt.as_text(), "{a}": a, "{b}": b}
        text = self.question
        filled = ""
        while text:
            at, name = min(((text.find(name), name) for name in parts if name in text), default=(len(text), ""))
            filled += text[:at] + parts.get(name, "")
            text = text[at + len(name) :]
        return encode_prompt(self.model, Prompt.of([Message("user", filled)] if self.chat else filled))


def judged(judge: Judge) -> Reward:
    """A reward for online learning: each completion's mean chance to beat the other completions of its prompt.

    Attaches `scores_B`; every pair of a prompt's completions is asked about once.
    """

    def reward(rollouts: Rollouts) -> Rollouts:
        group = rollouts.group_B.tolist()
        pairs = [(i, j) for i in range(len(group)) for j in range(i + 1, len(group)) if group[i] == group[j]]
        texts, prompts = rollouts.completions, rollouts.prompts
        said = checked(
            judge, [prompts[i] for i, _ in pairs], [texts[i] for i, _ in pairs], [texts[j] for _, j in pairs]
        )
        wins, games = [0.0] * len(group), [0] * len(group)
        for (i, j), chance in zip(pairs, said, strict=True):
            wins[i], wins[j] = wins[i] + chance, wins[j] + 1 - chance
            games[i], games[j] = games[i] + 1, games[j] + 1
        if not all(games):
            raise Problem("a prompt has one completion only", where="judge", mend="ask for two or more of each prompt")
        scores = [won / played for won, played in zip(wins, games, strict=True)]
        return rollouts.with_(scores_B=torch.tensor(scores, device=rollouts.mask_BT.device))

    return reward
