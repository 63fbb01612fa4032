"""Campaigns and their settings: which questions are asked under which rules.

A campaign is a name on questions. A row of its own gives it a title, a state and settings; one without goes by the
defaults, with the overlap that its questions have.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Row, func, insert, select, update

from heedful.errors import Problem
from heedful.feedback import answers, places, rows, steering_tables, tables
from heedful.feedback.accounts import audit, outbox
from heedful.feedback.intake import chunks
from heedful.feedback.steering import guidelines
from heedful.feedback.steering.guidelines import Guidelines
from heedful.feedback.steering.moments import stamp
from heedful.feedback.steering.rules import CampaignSettings, check, settings_from
from heedful.feedback.store import Store

__all__ = ["Campaign", "CampaignSettings", "State", "campaign", "campaigns_of", "save_campaign", "set_state"]

State = Literal["open", "paused", "closed"]

_campaigns, _questions = steering_tables.campaigns, tables.questions


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign as it stands."""

    name: str
    title: str
    state: State
    settings: CampaignSettings
    created: str
    """UTC, ISO 8601; empty for one without settings of its own."""
    guidelines: Guidelines | None
    """The newest version."""
    questions: int
    """Gold items not counted."""


def campaigns_of(store: Store) -> list[Campaign]:
    """Every campaign that has questions or settings, by name."""
    with store.reading() as connection:
        kept = {row.name: row for row in connection.execute(select(_campaigns))}
        asked = _asked(connection)
        return [_campaign(connection, name, kept.get(name), asked.get(name)) for name in sorted({*kept, *asked})]


def campaign(store: Store, name: str) -> Campaign:
    """One campaign, with default settings when nobody has given it any."""
    with store.reading() as connection:
        return _one(connection, name)


def save_campaign(store: Store, name: str, title: str, settings: CampaignSettings, by: str = "") -> Campaign:
    """Give a campaign its title and settings, making it when there is none of this name.

    Args:
        store: where it goes.
        name: the word on its questions, 1 to 200 characters.
        title: for people.
        settings: the rules; a changed overlap holds for the questions there are, too.
        by: the account that does it, for the audit log.

    Raises:
        Problem: a setting is out of its range.
    """
    check(settings)
    rows.checked_id(name, "name of the campaign")
    rows.checked_text(title, "title of the campaign")
    body = rows.plain(asdict(settings), "settings of the campaign")
    with store.writing() as connection:
        answers.lock_name(connection, f"campaign {name}")
        before = _one(connection, name)
        recounted = _locked(connection, name) if _overlaps(before.settings) != _overlaps(settings) else []
        if before.created:
            connection.execute(update(_campaigns).where(_campaigns.c.name == name).values(title=title, settings=body))
        else:
            values = {"name": name, "title": title, "state": "open", "settings": body, "created": stamp()}
            connection.execute(insert(_campaigns).values(**values))
        if settings.overlap != before.settings.overlap:
            for chunk in chunks(recounted):
                new = update(_questions).where(_questions.c.id.in_(chunk)).values(overlap=settings.overlap)
                connection.execute(new)
        places.recount(connection, recounted)
        changed = _changed(before.settings, settings) if before.created else body
        audit.record(connection, by, "campaign.save", name, {"settings": changed})
        outbox.add(connection, "campaign.changed", {"campaign": name, "state": before.state})
        return _one(connection, name)


def set_state(store: Store, name: str, state: State, by: str = "") -> None:
    """Open, pause or close a campaign. Answers to questions that are held already are still taken.

    Raises:
        Problem: there is no such state.
    """
    if state not in get_args(State):
        raise Problem(f"{state!r} is no state of a campaign", mend=f"use one of {', '.join(get_args(State))}")
    with store.writing() as connection:
        answers.lock_name(connection, f"campaign {name}")
        before = _one(connection, name)
        if before.state == state:
            return
        if not before.created:
            body = rows.plain(asdict(before.settings), "settings")
            values = {"name": name, "title": before.title, "settings": body, "created": stamp()}
            connection.execute(insert(_campaigns).values(**values, state=state))
        else:
            connection.execute(update(_campaigns).where(_campaigns.c.name == name).values(state=state))
        audit.record(connection, by, f"campaign.{state}", name, {"before": before.state})
        outbox.add(connection, "campaign.changed", {"campaign": name, "state": state})


def _asked(connection: Connection) -> dict[str, Row[Any]]:
    """Campaign -> number and highest overlap of its questions, gold items not counted."""
    known = select(steering_tables.gold.c.question_id)
    query = (
        select(_questions.c.campaign, func.count().label("questions"), func.max(_questions.c.overlap).label("overlap"))
        .where(_questions.c.id.not_in(known))
        .group_by(_questions.c.campaign)
    )
    return {row.campaign: row for row in connection.execute(query)}


def _one(connection: Connection, name: str) -> Campaign:
    row = connection.execute(select(_campaigns).where(_campaigns.c.name == name)).first()
    known = select(steering_tables.gold.c.question_id)
    asked = connection.execute(
        select(func.count().label("questions"), func.max(_questions.c.overlap).label("overlap")).where(
            _questions.c.campaign == name, _questions.c.id.not_in(known)
        )
    ).one()
    return _campaign(connection, name, row, asked)


def _campaign(connection: Connection, name: str, row: Row[Any] | None, asked: Row[Any] | None) -> Campaign:
    read = guidelines.newest_of(connection, name)
    count = asked.questions if asked else 0
    if row is None:
        settings = CampaignSettings(overlap=(asked.overlap if asked else None) or 1)
        return Campaign(name, name, "open", settings, "", read, count)
    return Campaign(name, row.title, row.state, settings_from(row.settings), row.created, read, count)


def _overlaps(settings: CampaignSettings) -> tuple[int, int, float]:
    return settings.overlap, settings.maximum_overlap, settings.sure


def _locked(connection: Connection, name: str) -> list[str]:
    """The questions of a campaign, locked. Whoever changes its row as well locks them first: so do those who answer."""
    ids = list(connection.execute(select(_questions.c.id).where(_questions.c.campaign == name)).scalars())
    answers.lock_rows(connection, _questions, ids)
    return ids


def _changed(before: CampaignSettings, after: CampaignSettings) -> dict[str, Any]:
    old, new = asdict(before), asdict(after)
    return {name: rows.plain(new[name], name) for name in new if new[name] != old[name]}
