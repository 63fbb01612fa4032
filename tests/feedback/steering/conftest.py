"""What the tests of steering share: giving out work and answering it, at a clock that stands still."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest

from heedful.feedback.account_tables import outbox
from heedful.feedback.steering import desk
from heedful.feedback.steering.settings import CampaignSettings, save_campaign
from heedful.feedback.store import Store
from heedful.records import Judgement

NOON = 1_000_000.0


@pytest.fixture
def give(store: Store) -> Callable[..., desk.Task]:
    """`give("ann")` is the next task of ann in the campaign `default`; it fails when there is none."""

    def next_one(person: str, campaign: str | None = "default", now: float = NOON, seed: int = 0) -> desk.Task:
        task = desk.next_task(store, person, campaign, seed, now)
        assert isinstance(task, desk.Task), task
        return task

    return next_one


@pytest.fixture
def refuse(store: Store) -> Callable[..., str]:
    """`refuse("ann")` is the reason why there is no task for ann; it fails when there is one."""

    def reason(person: str, campaign: str | None = "default", now: float = NOON) -> str:
        found = desk.next_task(store, person, campaign, 0, now)
        assert isinstance(found, desk.NoTask), found
        return found.reason

    return reason


@pytest.fixture
def hand(store: Store) -> Callable[..., desk.Outcome]:
    """`hand("ann", "q0", choice="a")` hands an answer in; its id is `ann-q0`, or what `as_id` says."""

    def submit(
        person: str,
        question: str,
        *,
        as_id: str = "",
        supersedes: str | None = None,
        seconds: float | None = None,
        now: float = NOON,
        **answer: object,
    ) -> desk.Outcome:
        name = as_id or f"{person}-{question}"
        judgement = Judgement(name, question, person, answer, duration_s=seconds, supersedes=supersedes)
        return desk.submit(store, judgement, now)

    return submit


@pytest.fixture
def work(give: Callable[..., desk.Task], hand: Callable[..., desk.Outcome]) -> Callable[..., str]:
    """`work("ann", choice="a")` takes the next task and answers it; returns the question."""
    numbers = itertools.count()

    def one(person: str, campaign: str | None = "default", now: float = NOON, **answer: object) -> str:
        task = give(person, campaign, now)
        question = task.assignment.question.id
        said = answer or {"choice": "a"}
        hand(
            person,
            question,
            as_id=f"{person}-{question}-{next(numbers)}",
            now=now,
            supersedes=task.assignment.supersedes,
            **said,
        )
        return question

    return one


@pytest.fixture
def rule(store: Store) -> Callable[..., None]:
    """`rule(budget=1.0)` saves the campaign `default` with these settings; no gold in the stream unless it says so."""

    def save(campaign: str = "default", **settings: object) -> None:
        plain = CampaignSettings(gold_share=0.0)
        save_campaign(store, campaign, campaign, replace(plain, **settings))  # type: ignore[arg-type]  # by name

    return save


@pytest.fixture
def told(store: Store) -> Callable[..., list[dict[str, object]]]:
    """`told("batch.full")` lists the payloads of the events of one name, the oldest first."""

    def events(name: str) -> list[dict[str, object]]:
        with store.reading() as connection:
            query = outbox.select().where(outbox.c.event == name).order_by(outbox.c.number)
            return [row.payload for row in connection.execute(query)]

    return events
