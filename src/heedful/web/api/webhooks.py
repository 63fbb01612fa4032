"""Webhooks: addresses that are told of events, and what became of each delivery."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from heedful.errors import Problem
from heedful.feedback.accounts import audit, outbox, webhooks
from heedful.feedback.store import Store
from heedful.web.api.fields import STORABLE, Before, IdInPath, Limit, Word
from heedful.web.api.replies import answers, missing
from heedful.web.api.scopes import Admin, TheStore

router = APIRouter(prefix="/webhooks", tags=["webhooks"])


class NewWebhook(BaseModel):
    """An address that is to be told of events."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"url": "https://example.org/hook", "events": ["judgement.stored"]}]},
    )

    url: Annotated[str, Field(min_length=1, max_length=2000, pattern=STORABLE)]
    events: Annotated[list[Word], Field(min_length=1, max_length=50)]
    secret: Annotated[
        str, Field(max_length=200, pattern=STORABLE, description="The key of the signature; by default a random one.")
    ] = ""


class Webhook(BaseModel):
    """An address that is told of events."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    url: str
    events: list[str]
    created: float = Field(description="Seconds since 1970, UTC.")


class WebhookWithSecret(BaseModel):
    """A new webhook, with the key of its signature, which is told this once."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    url: str
    events: list[str]
    created: float = Field(description="Seconds since 1970, UTC.")
    secret: str


class Delivery(BaseModel):
    """One event on its way to one webhook."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    event_id: str = Field(description="The same at each repeat.")
    event: str
    payload: dict[str, Any]
    happened: float = Field(description="Seconds since 1970, UTC.")
    state: Literal["delivered", "due", "given_up"]
    attempts: int
    due: float | None = Field(description="When it is sent next; null when it was delivered or given up.")
    delivered: float | None
    error: str = Field(description="Why the last attempt failed.")


class Deliveries(BaseModel):
    """Deliveries, the newest first."""

    items: list[Delivery]
    before: int | None = Field(description="Send it as `before` to get older ones; null: this was the last page.")


class Sent(BaseModel):
    """An event that is on its way."""

    event_id: str


@router.get("", **answers())
def list_webhooks(store: TheStore, person: Admin) -> list[Webhook]:
    """The webhooks, oldest first."""
    return [Webhook.model_validate(hook) for hook in webhooks.webhooks_of(store)]


@router.get("/events", **answers())
def events(person: Admin) -> dict[str, str]:
    """The events that there are, with their meaning and the fields of their payloads."""
    return dict(outbox.EVENTS)


@router.post("", status_code=201, **answers())
def add_webhook(store: TheStore, person: Admin, sent: NewWebhook) -> WebhookWithSecret:
    """Tell an address of events from now on."""
    hook = webhooks.add(store, sent.url, sent.events, sent.secret)
    audit.record(store, person.account.id, "webhook.create", hook.id, {"events": list(hook.events)})
    return WebhookWithSecret.model_validate(hook)


@router.delete("/{id}", status_code=204, **answers(404))
def remove_webhook(store: TheStore, person: Admin, id: IdInPath) -> None:  # noqa: A002 - its name in the URL
    """Tell a webhook nothing more; what was due for it is given up."""
    _require(store, id)
    webhooks.remove(store, id)
    audit.record(store, person.account.id, "webhook.remove", id)


@router.post("/{id}/ping", status_code=202, **answers(404))
def ping(store: TheStore, person: Admin, id: IdInPath) -> Sent:  # noqa: A002
    """Send a webhook an event that says nothing, to try it."""
    _require(store, id)
    return Sent(event_id=webhooks.ping(store, id))


@router.get("/{id}/deliveries", **answers(404))
def deliveries(
    store: TheStore,
    person: Admin,
    id: IdInPath,  # noqa: A002
    before: Before = None,
    limit: Limit = 50,
) -> Deliveries:
    """What a webhook was sent or is to be sent, newest first."""
    _require(store, id)
    found = webhooks.deliveries_of(store, id, limit, before)
    items = [Delivery.model_validate(delivery) for delivery in found]
    return Deliveries(items=items, before=found[-1].number if len(found) == limit else None)


@router.post("/{id}/deliveries/{event}/retry", status_code=202, **answers(404))
def retry(store: TheStore, person: Admin, id: IdInPath, event: IdInPath) -> Sent:  # noqa: A002
    """Send an event once more, whatever became of it, with a fresh count of attempts."""
    _require(store, id)
    try:
        webhooks.retry(store, id, event)
    except Problem:
        raise missing("delivery", event) from None
    return Sent(event_id=event)


def _require(store: Store, name: str) -> None:
    if name not in {hook.id for hook in webhooks.webhooks_of(store)}:
        raise missing("webhook", name)
