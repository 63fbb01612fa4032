"""Judges: whoever says which of two completions is better, and how people's place in that is taken by a model.

    def judge(prompts, a, b):  # texts go in, for each pair the probability that a is better comes out
        return [0.5 for _ in prompts]

A judge prefers what it sees first, or last; `both_orders` asks twice and takes the mean, which removes it.
Papers: Bai et al. 2022b, "Constitutional AI: Harmlessness from AI Feedback"; Lee et al. 2023, "RLAIF: Scaling
Reinforcement Learning from Human Feedback with AI Feedback", section 2.1 (both orders, mean of the probabilities).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from heedful.errors import Problem
from heedful.language.chat import encode_prompt
from heedful.language.imitation import Example, by_length
from heedful.language.preferring import key_of, known_logprobs
from heedful.language.pretrained import LanguageModel
from heedful.language.tokens import pad, positions
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

QUESTION_IN_CHAT = """Here is a request and two answers to it.

Request: {prompt}

Answer 1: {a}

Answer 2: {b}

Which answer is better? Say 1 or 2, and nothing else."""
"""The same for models that answer a user."""

ROWS = 32
"""Questions per forward pass."""


def filled(template: str, **parts: str) -> str:
    """The template with `{name}` replaced by each part; other braces, and those in the parts, stay what they are."""
    places = "|".join(re.escape(f"{{{name}}}") for name in parts)
    return re.sub(places, lambda found: parts[found[0][1:-1]], template)


def one_by_one(function: Callable[[Prompt, str, str], float]) -> Judge:
    """A judge of a function that sees a single pair: (prompt, a, b) -> probability that a is better."""

    def judge(prompts: Sequence[Prompt], a: Sequence[str], b: Sequence[str]) -> list[float]:
        return [function(prompt, first, second) for prompt, first, second in zip(prompts, a, b, strict=True)]

    return judge


def in_both_orders(
    judge: Judge, prompts: Sequence[Prompt], a: Sequence[str], b: Sequence[str]
) -> list[tuple[float, float]]:
    """For each pair (P(a is better) when a is shown first, P(b is better) when b is shown first).

    Raises:
        Problem: the judge gives something other than one probability for each pair.
    """
    said = checked(judge, [*prompts, *prompts], [*a, *b], [*b, *a])
    return list(zip(said[: len(a)], said[len(a) :], strict=True))


def both_orders(judge: Judge) -> Judge:
    """The same judge, asked in both orders: (P(a | a first) + 1 - P(b | b first)) / 2.

    What it gains by standing first it loses by standing second, so P(a, b) + P(b, a) = 1 exactly.
    """

    def fair(prompts: Sequence[Prompt], a: Sequence[str], b: Sequence[str]) -> list[float]:
        return [averaged(*said) for said in in_both_orders(judge, prompts, a, b)]

    return fair


def averaged(a_first: float, b_first: float) -> float:
    """P(a is better), from P(a is better) when a is shown first and P(b is better) when b is."""
    return (a_first + 1 - b_first) / 2


def position_bias(judge: Judge, prompts: Sequence[Prompt], a: Sequence[str], b: Sequence[str]) -> float:
    """How much the first place is worth: mean P(the one shown first is better) over both orders, less 1/2."""
    return sum(sum(said) for said in in_both_orders(judge, prompts, a, b)) / (2 * len(a)) - 0.5


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
        first, second = self._options()
        if first == second or not (first and second):
            raise Problem(
                f"the judge's tokenizer cannot tell the options {self.options[0]!r} and {self.options[1]!r} apart",
                where=self.model.source or "judge",
                mend="name the first and the second with words that it knows",
            )

    def __call__(self, prompts: Sequence[Prompt], a: Sequence[str], b: Sequence[str]) -> list[float]:
        """For each pair the probability that the first completion is better.

        Raises:
            Problem: a question is longer than the model's context.
        """
        asked = [self._ids(prompt, first, second) for prompt, first, second in zip(prompts, a, b, strict=True)]
        for prompt, ids in zip(prompts, asked, strict=True):
            if len(ids) > self.room:
                raise Problem(
                    f"the question has {len(ids)} tokens, the judge's context is {self.model.context_tokens}",
                    where=f"prompt {prompt.id}",
                    mend="shorten the question, or use a judge with a longer context",
                )
        return [1 / (1 + math.exp(min(700.0, -gap))) for gap in self._gaps(asked)]

    @property
    def room(self) -> int:
        """How many tokens a question may have."""
        return self.model.context_tokens - max(map(len, self._options()))

    def tokens(self, prompt: Prompt, a: str, b: str) -> int:
        """Length of the question about a pair, in the order that makes it longer."""
        return max(len(self._ids(prompt, a, b)), len(self._ids(prompt, b, a)))

    def _options(self) -> tuple[list[int], list[int]]:
        first, second = (self.model.encode(text, start=False) for text in self.options)
        return first, second

    def _gaps(self, asked: Sequence[list[int]]) -> list[float]:
        """log P(first option) - log P(second option) after each question.

        What both options begin with counts for both and is put behind the question. Where a token each is left, one
        forward pass tells both.
        """
        first, second = self._options()
        shared = 0
        while not self.model.encoder_decoder and shared < min(len(first), len(second)) - 1:
            if first[shared] != second[shared]:
                break
            shared += 1
        asked = [[*ids, *first[:shared]] for ids in asked]
        first, second = first[shared:], second[shared:]
        if len(first) == len(second) == 1:
            return self._gaps_of_tokens(asked, first[0], second[0])
        known = known_logprobs(self.model, [Example(ids, option) for ids in asked for option in (first, second)])
        return [known[key_of(Example(ids, first))] - known[key_of(Example(ids, second))] for ids in asked]

    @torch.no_grad()
    def _gaps_of_tokens(self, asked: Sequence[list[int]], first: int, second: int) -> list[float]:
        gaps = [0.0] * len(asked)
        for index in by_length([Example(ids, [first]) for ids in asked], ROWS):
            padded = pad([asked[i] for i in index], [[first]] * len(index), self.model.device)
            attend_mask_BS = padded.attend_mask_BS
            logits_BV = self.model.logits(padded.ids_BS, attend_mask_BS, positions(attend_mask_BS), 2)[:, 0].double()
            for i, gap in zip(index, (logits_BV[:, first] - logits_BV[:, second]).tolist(), strict=True):
                gaps[i] = gap
        return gaps

    def _ids(self, prompt: Prompt, a: str, b: str) -> list[int]:
        text = filled(self.question, prompt=prompt.as_text(), a=a, b=b)
        return encode_prompt(self.model, Prompt.of([Message("user", text)] if self.chat else text))


def asking(
    model: LanguageModel, question: str = "", options: Sequence[str] = (), *, chat: bool | None = None
) -> ModelJudge:
    """A model as judge, in words that fit its kind where none are given.

    Args:
        model: who judges.
        question: with `{prompt}`, `{a}` and `{b}`; empty: `QUESTION`, or `QUESTION_IN_CHAT`.
        options: how the model would name the first and the second; empty: 1 and 2.
        chat: ask as a user's turn of a conversation; None: if the model has a template for conversations.

    Raises:
        Problem: the question lacks a place to fill in, or the options are not two that the tokenizer tells apart.
    """
    in_chat = bool(getattr(model.tokenizer, "chat_template", None)) if chat is None else chat
    if options and len(options) != 2:
        raise Problem(f"{len(options)} options were named", where="judge", mend="name two: the first and the second")
    first, second = options or (("1", "2") if in_chat else (" 1", " 2"))
    return ModelJudge(model, question or (QUESTION_IN_CHAT if in_chat else QUESTION), (first, second), chat=in_chat)


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
