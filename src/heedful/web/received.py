"""What a server's answers mean to a program: tasks, outcomes, batches, and the records of the house."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from heedful.records import Completion, Judgement, Message, Metadata, Prompt, Question


@dataclass(frozen=True, slots=True)
class Task:
    """A question to answer. An answer speaks of the completions in this order: `a` is the first."""

    question: str
    kind: str
    campaign: str
    prompt: Prompt
    """Without its id."""
    completions: tuple[str, ...]
    leased_until: float
    """Seconds since 1970, UTC."""
    supersedes: str | None
    draft: Metadata | None
    ask: Metadata
    """What the question adds to its kind: aspects, scale, flags on offer."""
    remaining: int
    guidelines: int | None
    """The version of the guidelines that is to be read first."""


@dataclass(frozen=True, slots=True)
class NoTask:
    """Why there is nothing to do."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an answer."""

    judgement: str
    new: bool
    standing: str
    feedback: str | None
    right: bool | None


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """How far a batch has come."""

    id: str
    campaign: str
    state: Literal["running", "usable", "full", "expired", "cancelled"]
    usable: bool
    """The minimum is there."""
    over: bool
    """Nothing more will come."""
    judgements: int
    minimum: int
    maximum: int
    expires: float | None
    questions: int
    waiting: int


def task(found: Mapping[str, Any]) -> Task:
    """The task of an offer."""
    turns = tuple(Message(**turn) for turn in found["prompt"].get("messages", ()))
    asked = Prompt("", found["prompt"].get("text", ""), turns)
    return Task(**{**_tuples(found, "completions"), "prompt": asked})


def prompt(found: Mapping[str, Any]) -> Prompt:
    """A prompt."""
    return Prompt(found["id"], found["text"], tuple(Message(**turn) for turn in found["messages"]), found["metadata"])


def completion(found: Mapping[str, Any]) -> Completion:
    """A completion."""
    return Completion(**_tuples(found, "token_ids", "logprobs"))


def question(found: Mapping[str, Any]) -> Question:
    """A question."""
    return Question(**_tuples(found, "completion_ids"))


def judgement(found: Mapping[str, Any]) -> Judgement:
    """A judgement."""
    return Judgement(**_tuples(found, "shown"))


def _tuples(found: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: tuple(value) if name in names else value for name, value in found.items()}
