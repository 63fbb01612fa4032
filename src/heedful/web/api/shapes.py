"""What goes over the wire: the records of the house as JSON, with every field described."""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from heedful.web.api.fields import Count, Id, Json, LongText, Seconds, Word

T = TypeVar("T")

Purpose = Literal["train", "evaluate"]


class Fault(BaseModel):
    """What is wrong, where, and how to mend it."""

    what: str = Field(description="One sentence that says what is wrong.", examples=['there is no campaign "pilot"'])
    where: str = Field(description="The record or field, as far as it is known.", examples=["body.campaign"])
    mend: str = Field(description="How to put it right.", examples=["check the name"])
    fields: list[dict[str, str]] = Field(
        default=[], description="With status 422: every field that is not of the right form (`where`, `what`)."
    )


class Failure(BaseModel):
    """The answer to every request that did not work."""

    error: Fault


class Page(BaseModel, Generic[T]):
    """A stretch of a list in order of arrival."""

    items: list[T]
    after: int | None = Field(description="Send it as `after` to get the next page; null: this was the last.")


class Message(BaseModel):
    """One turn of a conversation."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    role: Literal["system", "user", "assistant"]
    content: LongText


class NewPrompt(BaseModel):
    """What a model is asked: a text or a conversation, one of the two."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"text": "How long does an egg take?"}]})

    id: Id | None = Field(default=None, description="Your own id; by default one that follows from the content.")
    text: LongText = ""
    messages: Annotated[list[Message], Field(max_length=1000)] = []
    metadata: Json = {}


class Prompt(BaseModel):
    """What a model is asked."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    text: str = Field(description="Empty where the prompt is a conversation.")
    messages: list[dict[str, str]] = Field(description="The turns of a conversation: `role` and `content`.")
    metadata: dict[str, Any]


class NewCompletion(BaseModel):
    """What a model or a person wrote after a prompt."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"prompt_id": "prompt-1", "text": "Seven minutes.", "policy": "v0"}]},
    )

    id: Id | None = Field(default=None, description="Your own id; by default one that follows from the content.")
    prompt_id: Id
    text: LongText
    policy: Word = Field(default="", description="The version that wrote it; empty: none of this project's policies.")
    token_ids: Annotated[list[Count], Field(max_length=1_000_000)] = []
    logprobs: Annotated[
        list[Annotated[float, Field(le=0, allow_inf_nan=False)]],
        Field(max_length=1_000_000, description="Nats, one per token id, under the sampling distribution."),
    ] = []
    sampling: Json = Field(default={}, description="Temperature, top_p, seed ... with which it was sampled.")
    finish: Literal["stop", "length", ""] = ""
    metadata: Json = {}


class Completion(BaseModel):
    """What a model or a person wrote after a prompt."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    prompt_id: str
    text: str
    policy: str
    token_ids: list[int]
    logprobs: list[float]
    sampling: dict[str, Any]
    finish: str
    metadata: dict[str, Any]


class NewQuestion(BaseModel):
    """Something people are asked about a prompt and its completions."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "kind": "comparison",
                    "prompt_id": "prompt-1",
                    "completion_ids": ["completion-1", "completion-2"],
                    "campaign": "round-1",
                    "overlap": 3,
                }
            ]
        },
    )

    id: Id | None = Field(default=None, description="Your own id; by default one that follows from the content.")
    kind: Word = Field(description="See `kinds` for what there is and what an answer looks like.")
    prompt_id: Id
    completion_ids: Annotated[list[Id], Field(max_length=100)] = []
    campaign: Id = "default"
    purpose: Purpose = Field(default="train", description="Answers to an `evaluate` question never train a model.")
    overlap: int = Field(default=1, ge=1, le=1000, description="How many annotators are wanted.")
    propensity: float | None = Field(
        default=None, gt=0, le=1, description="The probability with which it was chosen from its pool."
    )
    selection: Word = ""
    metadata: Json = {}


class Question(BaseModel):
    """Something people are asked about a prompt and its completions."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    kind: str
    prompt_id: str
    completion_ids: list[str]
    campaign: str
    purpose: Purpose
    overlap: int
    propensity: float | None
    selection: str
    metadata: dict[str, Any]


Uuid = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
        description="A UUID that you make, once for each: sending the same one again stores nothing twice.",
    ),
]


class Answer(BaseModel):
    """An answer on its way in."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "id": "0b9c6f0e-7a54-4a5c-9f0a-2f3b6d8f4d11",
                    "question_id": "question-1",
                    "annotator_id": "person-1",
                    "answer": {"choice": "a", "strength": 2, "reason": "It answers the question."},
                    "shown": [1, 0],
                    "duration_s": 12.5,
                }
            ]
        },
    )

    id: Uuid
    question_id: Id
    annotator_id: Id
    answer: Json = Field(description="As the question's kind defines it.")
    shown: Annotated[list[Annotated[int, Field(ge=0, le=1000)]], Field(max_length=100)] = Field(
        default=[], description="The display order: [1, 0] says that the second completion was shown first."
    )
    duration_s: Seconds | None = Field(default=None, description="How long it took, in seconds.")
    supersedes: Id | None = Field(default=None, description="The id of your earlier answer that this one replaces.")


class Judgement(BaseModel):
    """One annotator's answer to one question: an event that is never changed, only superseded."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    question_id: str
    annotator_id: str
    answer: dict[str, Any]
    shown: list[int]
    created: str = Field(description="UTC, ISO 8601.")
    duration_s: float | None
    supersedes: str | None


class Model(BaseModel):
    """A trained artefact and where it comes from."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    kind: Literal["policy", "reward"]
    path: str = Field(description="Relative to the project's folder.")
    parent: str | None
    reward: str | None = Field(description="For a policy: the reward model (or function) that it was trained against.")
    snapshot: str | None = Field(description="The hash of the snapshot that it was trained on.")
    run: str
    config: dict[str, Any]
    status: Literal["candidate", "promoted", "rejected"]
    metadata: dict[str, Any]
