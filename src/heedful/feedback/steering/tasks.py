"""What passes over the desk: a task, or why there is none, and what came of an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from heedful.feedback.campaigns import Assignment
from heedful.feedback.steering.drafts import Draft
from heedful.feedback.steering.guidelines import Guidelines
from heedful.feedback.steering.standing import Standing
from heedful.records import Judgement, Question

CHAT = "chat"
"""In the metadata of the question of a live conversation's turn: the conversation."""

Use = Literal["work", "gold", "training", "exam"]

Reason = Literal[
    "nothing_left",
    "paused",
    "failed",
    "campaign_paused",
    "campaign_closed",
    "deadline",
    "budget",
    "guidelines",
    "not_invited",
    "no_exam",
]


@dataclass(frozen=True, slots=True)
class Task:
    """A question to answer."""

    assignment: Assignment
    use: Use
    """Never told to people for `gold`, which looks like `work`."""
    guidelines_to_read: Guidelines | None
    """Published since this question was given out; to be read before it is answered."""
    draft: Draft | None
    remaining: int
    """Questions that this person could still answer here, this one included; counted to a hundred or so."""


@dataclass(frozen=True, slots=True)
class NoTask:
    """Why there is nothing to do."""

    reason: Reason
    message: str
    """In words, for the annotator."""
    campaign: str = ""
    guidelines: Guidelines | None = None
    """With the reason `guidelines`: what to read (and mark as read) before there is more work."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an answer."""

    new: bool
    """False when this very answer was stored already."""
    feedback: str | None
    """Of a training item: the explanation, in Markdown (may be empty). None otherwise."""
    standing: Standing
    """Where the annotator stands after it."""
    right: bool | None = None
    """Of a training item: whether the answer was right. None otherwise."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One of a person's own answers."""

    judgement: Judgement
    question: Question
    editable: bool
    """Whether it can be edited or undone: the campaign is not closed, and the item was neither training nor exam."""
