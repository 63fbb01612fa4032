"""The nouns of the house, plain and frozen: what passes between people, the store and the models.

Prompt -> Completion -> Question -> Judgement -> Comparison (or another training view) -> Score.
No torch and no database here; every room speaks in these words.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Metadata = Mapping[str, Any]
"""JSON-able values by column name."""

Choice = Literal["a", "b", "tie", "bad", "skip"]
"""`tie`: both are as good. `bad`: neither is acceptable. `skip`: the annotator cannot say."""

CHOICES: tuple[Choice, ...] = ("a", "b", "tie", "bad", "skip")


def content_id(prefix: str, *content: Any) -> str:
    """A stable id made from content: the same content always has the same id, on any machine."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return f"{prefix}-{hashlib.sha256(text.encode()).hexdigest()[:20]}"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str
    """`system`, `user` or `assistant`."""
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked: plain text, or the turns of a conversation (one of the two is empty)."""

    id: str
    text: str = ""
    messages: tuple[Message, ...] = ()
    metadata: Metadata = field(default_factory=dict)

    @classmethod
    def of(cls, content: str | Sequence[Message], metadata: Metadata | None = None) -> Prompt:
        """A prompt whose id follows from its content (metadata does not count)."""
        if isinstance(content, str):
            return cls(content_id("prompt", content), text=content, metadata=metadata or {})
        turns = tuple(content)
        return cls(content_id("prompt", [(m.role, m.content) for m in turns]), messages=turns, metadata=metadata or {})

    def as_text(self) -> str:
        """The prompt for the eye: its text, or its turns one below the other."""
        return self.text or "\n\n".join(f"{m.role}: {m.content}" for m in self.messages)


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model (or a person) wrote after a prompt, with all that off-policy correction needs."""

    id: str
    prompt_id: str
    text: str
    policy: str = ""
    """The version that wrote it (`v0`, `v1`, ...); empty when it was not one of this project's policies."""
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    """Nats, one per token id, under the sampling distribution (temperature applied)."""
    sampling: Metadata = field(default_factory=dict)
    """Temperature, top_p, top_k, seed ... with which it was sampled."""
    finish: Literal["stop", "length", ""] = ""
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Clip:
    """A stretch of an agent's behaviour in an environment, shown to people as a short film."""

    id: str
    environment: str
    path: str
    policy: str = ""
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Annotator:
    """Someone who judges."""

    id: str
    name: str = ""
    kind: Literal["person", "simulated", "imported", "model"] = "person"
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """Something people are asked about a prompt and zero or more completions."""

    id: str
    kind: str
    """A name in `heedful.feedback.questions.KINDS`: comparison, ranking, rating, label, demonstration ..."""
    prompt_id: str
    completion_ids: tuple[str, ...] = ()
    campaign: str = "default"
    """Questions asked together: `import`, `round-1`, ..."""
    purpose: Literal["train", "evaluate"] = "train"
    """Judgements of an `evaluate` question never reach a reward model."""
    overlap: int = 1
    """How many annotators are wanted."""
    propensity: float | None = None
    """The probability with which the selection chose it from its pool."""
    selection: str = ""
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judgement:
    """One annotator's answer to one question: an event that is never changed, only superseded."""

    id: str
    """A UUID made by the client; sending the same one twice stores it once."""
    question_id: str
    annotator_id: str
    answer: Metadata
    """As the question's kind defines it; for a comparison `{"choice": "a", "strength": 2, "reason": "..."}`."""
    shown: tuple[int, ...] = ()
    """The display order: `(1, 0)` says that the second completion was shown first."""
    created: str = ""
    """UTC, ISO 8601."""
    duration_s: float | None = None
    supersedes: str | None = None


@dataclass(frozen=True, slots=True)
class Demonstration:
    """Training view: a person's (or trusted) answer to imitate."""

    prompt: Prompt
    text: str
    annotator_ids: tuple[str, ...] = ()
    judgement_ids: tuple[str, ...] = ()
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Training view: two completions of a prompt and how often people prefer the first.

    The votes of one question are pooled: `target` is their mean (a=1, tie=bad=1/2, b=0, skip left out) and
    `weight` their number, which gives the same Bradley-Terry loss as every vote by itself.
    """

    prompt: Prompt
    a: str
    b: str
    target: float
    weight: float = 1.0
    margin: float = 0.0
    """How far apart the scores should be, never negative; asked of whichever side people prefer."""
    annotator_ids: tuple[str, ...] = ()
    judgement_ids: tuple[str, ...] = ()
    question_id: str = ""
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pick:
    """Training view: several completions of a prompt, and how often people picked each of them as the best."""

    prompt: Prompt
    texts: tuple[str, ...]
    shares: tuple[float, ...]
    """Of the votes, one a text; they sum to 1. A vote that sees several as equally the best gives each a part."""
    weight: float = 1.0
    """How many votes there are."""
    judgement_ids: tuple[str, ...] = ()
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Labelled:
    """Training view: one completion with one number on a named scale (thumbs, flag, rating, both-bad)."""

    prompt: Prompt
    text: str
    name: str
    """`thumb`, `bad`, `flag:<name>` or `rating:<aspect>`."""
    value: float
    annotator_ids: tuple[str, ...] = ()
    judgement_ids: tuple[str, ...] = ()
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Training view: several completions of a prompt in one annotator's order."""

    prompt: Prompt
    texts: tuple[str, ...]
    ranks: tuple[int, ...]
    """One a text: how many are better, plus 1; equal ones are ties."""
    annotator_ids: tuple[str, ...] = ()
    judgement_ids: tuple[str, ...] = ()
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Score:
    """A number for a completion. A true (`gold`) and a learned (`proxy`) score are never the same field."""

    completion_id: str
    scorer: str
    gold: float | None = None
    proxy: float | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The judgements a model was trained on, frozen: their ids in order and a hash over their content."""

    hash: str
    judgement_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """A trained artefact and where it comes from, so that it can be traced to the judgements behind it."""

    id: str
    kind: Literal["policy", "reward"]
    path: str
    """Relative to the project folder."""
    parent: str | None = None
    reward: str | None = None
    """For a policy: the reward model (or function) that it was optimised against."""
    snapshot: str | None = None
    """Hash of the snapshot it was trained on."""
    run: str = ""
    config: Metadata = field(default_factory=dict)
    status: Literal["candidate", "promoted", "rejected"] = "promoted"
    metadata: Metadata = field(default_factory=dict)

    @property
    def made_from(self) -> tuple[str, ...]:
        """What it was made from or against, by name: its parent, its reward, and the scorers beside that one.

        A reward may be a function, which is no model.
        """
        beside = self.metadata.get("rewards_beside", ())
        return tuple(name for name in (self.parent, self.reward, *beside) if name)
