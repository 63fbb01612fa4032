"""Campaigns: settings, state, guidelines, gold items, progress and cost."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from heedful.feedback import campaigns as places
from heedful.feedback.steering import gold, guidelines, ledger, settings
from heedful.web.api.fields import Id, IdInPath, Json, LongText, Remark, Word
from heedful.web.api.replies import answers, missing
from heedful.web.api.scopes import Judge, Read, TheStore, Write, may

router = APIRouter(tags=["campaigns"])

Share = Annotated[float, Field(ge=0, le=1)]
Money = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Use = Literal["training", "exam", "gold"]


class Settings(BaseModel):
    """The rules of a campaign."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    overlap: int = Field(default=1, ge=1, le=1000, description="Judgements wanted for each question.")
    maximum_overlap: int = Field(
        default=0, ge=0, le=1000, description="Ask up to so many while the aggregate is not `sure`; 0: `overlap`."
    )
    sure: float = Field(default=0.9, ge=0.5, le=1, description="Probability at which a question is settled.")
    selection: Word = Field(default="random", description="How questions are chosen from a pool.")
    random_share: Share = Field(default=0.2, description="Share that is chosen at random whatever the selection.")
    deadline: Word = Field(default="", description="ISO 8601, UTC; empty: none.")
    qualification: bool = Field(default=False, description="Training and an exam come before work.")
    exam_pass: Share = Field(default=0.7, description="Share of exam items to be right.")
    gold_share: Share = Field(default=0.1, description="Share of the stream that is gold items.")
    gold_pass: Share = Field(default=0.6, description="Below this share of right gold items an annotator is paused.")
    gold_window: int = Field(default=10, ge=1, le=1000, description="Over so many of the last gold items.")
    prices: Annotated[dict[Word, Money], Field(max_length=100)] = Field(
        default={}, description="Kind of question -> price of a judgement."
    )
    currency: Word = "EUR"
    budget: Money = Field(default=0, description="Nothing is given out that would cost more in all; 0: no limit.")
    lease_s: float = Field(default=1800, ge=1, le=1e7, description="For how long a question waits for its holder.")
    who: Annotated[list[Id], Field(max_length=10_000)] = Field(
        default=[], description="Ids of the annotators who may work here; empty: everybody."
    )
    reveal: bool = Field(default=False, description="Annotators see the answers of others after giving their own.")


class Guidelines(BaseModel):
    """One version of a campaign's guidelines."""

    model_config = ConfigDict(from_attributes=True)

    version: int
    text: str = Field(description="Markdown.")
    created: str = Field(description="UTC, ISO 8601.")


class Campaign(BaseModel):
    """A campaign as it stands."""

    name: str
    title: str
    state: Literal["open", "paused", "closed"]
    settings: Settings
    created: str
    guidelines: int | None = Field(description="The newest version's number.")
    questions: int


class NewCampaign(BaseModel):
    """A campaign's title and settings; what is left out goes to its default."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"title": "First round", "settings": {"overlap": 3, "gold_share": 0.1}}]},
    )

    title: Word = ""
    settings: Settings = Settings()


class State(BaseModel):
    """Whether a campaign gives out work."""

    model_config = ConfigDict(extra="forbid")

    state: Literal["open", "paused", "closed"]


class NewGuidelines(BaseModel):
    """The text of a further version."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"text": "Prefer what is true."}]})

    text: LongText


class Reading(BaseModel):
    """A version of the guidelines that was read."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=1, le=1_000_000)


class Progress(BaseModel):
    """How far a campaign has come."""

    model_config = ConfigDict(from_attributes=True)

    questions: int
    wanted: int = Field(description="Answers: the sum of the overlaps.")
    given: int = Field(description="Answers that hold; skips do not count.")
    annotators: int = Field(description="People with at least one answer that holds.")


class LedgerLine(BaseModel):
    """What a campaign's judgements of one kind cost."""

    model_config = ConfigDict(from_attributes=True)

    campaign: str
    kind: str
    count: int
    cost: float = Field(description="In the campaign's currency.")
    hours: float


class Gold(BaseModel):
    """A question whose right answer is known."""

    question: str
    use: Use
    answer: dict[str, Any]
    explanation: str


class NewGold(BaseModel):
    """The right answer of a question."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"use": "gold", "answer": {"choice": "a"}, "explanation": "B is made up."}]},
    )

    use: Use
    answer: Json
    explanation: Remark = ""


@router.get("/campaigns", **answers())
def list_campaigns(store: TheStore, person: Read) -> list[Campaign]:
    """Every campaign that has questions or settings, by name."""
    return [_campaign(found) for found in settings.campaigns_of(store)]


@router.put("/campaigns/{id:path}/state", **answers())
def put_state(store: TheStore, person: Write, id: IdInPath, sent: State) -> Campaign:  # noqa: A002
    """Open, pause or close a campaign. Answers to questions that are held already are still taken."""
    settings.set_state(store, id, sent.state, by=person.account.id)
    return _campaign(settings.campaign(store, id))


@router.get("/campaigns/{id:path}/guidelines", **answers())
def list_guidelines(store: TheStore, person: Judge, id: IdInPath) -> list[Guidelines]:  # noqa: A002
    """The versions of a campaign's guidelines, the newest first; annotators get the newest alone."""
    found = guidelines.history(store, id)
    return [Guidelines.model_validate(version) for version in (found if may(person, "read") else found[:1])]


@router.post("/campaigns/{id:path}/guidelines", status_code=201, **answers())
def publish_guidelines(store: TheStore, person: Write, id: IdInPath, sent: NewGuidelines) -> Guidelines:  # noqa: A002
    """Publish a further version; everybody is asked to read it before they get more work."""
    return Guidelines.model_validate(guidelines.publish(store, id, sent.text, by=person.account.id))


@router.post("/campaigns/{id:path}/guidelines/read", status_code=204, **answers())
def read_guidelines(store: TheStore, person: Judge, id: IdInPath, sent: Reading) -> None:  # noqa: A002
    """Note that you have read a version of the guidelines."""
    guidelines.mark_read(store, id, person.annotator_id, sent.version)


@router.get("/campaigns/{id:path}/progress", **answers())
def get_progress(store: TheStore, person: Read, id: IdInPath) -> Progress:  # noqa: A002
    """How many answers a campaign wants and has."""
    return Progress.model_validate(places.progress(store, id))


@router.get("/campaigns/{id:path}/ledger", **answers())
def get_ledger(store: TheStore, person: Read, id: IdInPath) -> list[LedgerLine]:  # noqa: A002
    """What a campaign's judgements cost and how long they took, by kind."""
    return [LedgerLine.model_validate(line) for line in ledger.totals(store, id)]


@router.get("/campaigns/{id:path}/gold", tags=["gold"], **answers())
def list_gold(
    store: TheStore,
    person: Read,
    id: IdInPath,  # noqa: A002
    use: Annotated[Use | None, Query(description="Only those with this use.")] = None,
) -> list[Gold]:
    """A campaign's questions whose right answers are known."""
    return [_gold(found) for found in gold.gold_of(store, id, use)]


@router.put("/gold/{id:path}", tags=["gold"], **answers(404))
def put_gold(store: TheStore, person: Write, id: IdInPath, sent: NewGold) -> Gold:  # noqa: A002
    """Make a question a gold item; from then on nothing is trained on its answers."""
    return _gold(gold.set_gold(store, id, sent.use, sent.answer, sent.explanation, by=person.account.id))


@router.delete("/gold/{id:path}", status_code=204, tags=["gold"], **answers())
def delete_gold(store: TheStore, person: Write, id: IdInPath) -> None:  # noqa: A002
    """Make a gold item an ordinary question again; it stays an `evaluate` question."""
    gold.unset_gold(store, id, by=person.account.id)


@router.get("/campaigns/{id:path}", **answers(404))
def get_campaign(store: TheStore, person: Read, id: IdInPath) -> Campaign:  # noqa: A002 - its name in the URL
    """One campaign, with default settings where nobody has given it any."""
    found = settings.campaign(store, id)
    if not found.created and not found.questions:
        raise missing("campaign", id)
    return _campaign(found)


@router.put("/campaigns/{id:path}", **answers())
def put_campaign(store: TheStore, person: Write, id: IdInPath, sent: NewCampaign) -> Campaign:  # noqa: A002
    """Give a campaign its title and settings, making it where there is none of this name."""
    rules = settings.CampaignSettings(**{**dict(sent.settings), "who": tuple(sent.settings.who)})
    return _campaign(settings.save_campaign(store, id, sent.title or id, rules, by=person.account.id))


def _campaign(found: settings.Campaign) -> Campaign:
    return Campaign(
        name=found.name,
        title=found.title,
        state=found.state,
        settings=Settings.model_construct(**{**asdict(found.settings), "who": list(found.settings.who)}),
        created=found.created,
        guidelines=found.guidelines.version if found.guidelines else None,
        questions=found.questions,
    )


def _gold(found: gold.Gold) -> Gold:
    return Gold(question=found.question.id, use=found.use, answer=dict(found.answer), explanation=found.explanation)
