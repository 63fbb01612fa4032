"""Whether somebody gets work in a campaign at all: invited, in time, in good standing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, Connection, Select, and_, bindparam, select

from heedful.errors import Problem
from heedful.feedback import steering_tables, tables
from heedful.feedback.steering.rules import CampaignSettings, settings_from
from heedful.feedback.steering.standing import Standing, effective
from heedful.feedback.steering.tasks import NoTask, Reason

_people, _campaigns, _standings, _turns = (
    tables.annotators,
    steering_tables.campaigns,
    steering_tables.standings,
    steering_tables.turns,
)


@dataclass(frozen=True, slots=True)
class Situation:
    """An annotator before the desk of one campaign."""

    annotator_id: str
    campaign: str
    state: str
    """Of the campaign."""
    settings: CampaignSettings
    standing: Standing
    turn: int
    """Tasks given to them here before."""
    furthest: int
    """The highest number of a question given to them here."""

    def refusal(self, now: float) -> NoTask | None:
        """Why they get nothing at all here, not even a question that they hold; None when they may work."""
        rules = self.settings
        if rules.who and self.annotator_id not in rules.who:
            return self.no("not_invited", "You were not invited to this campaign.")
        if self.state == "closed":
            return self.no("campaign_closed", "This campaign is closed. Thank you for your work.")
        if self.state == "paused":
            return self.no("campaign_paused", "This campaign is paused. Look in again later.")
        if rules.over(now):
            return self.no("deadline", "This campaign's deadline has passed. Thank you for your work.")
        if self.standing.state == "paused":
            return self.no("paused", "Your work here was paused; the people in charge know of it.")
        if self.standing.state == "failed":
            return self.no("failed", "You did not pass the exam of this campaign.")
        return None

    def no(self, reason: Reason, message: str) -> NoTask:
        """That there is no task in this campaign."""
        return NoTask(reason, message, self.campaign)


_here: BindParameter[Any] = bindparam("campaign")
_SITUATION: Select[Any] = (
    select(
        _people.c.retracted,
        _campaigns.c.state.label("campaign_state"),
        _campaigns.c.settings,
        _standings.c.state,
        _standings.c.reason,
        _standings.c.changed,
        _turns.c.given,
        _turns.c.furthest,
    )
    .select_from(_people)
    .outerjoin(_campaigns, _campaigns.c.name == _here)
    .outerjoin(_standings, and_(_standings.c.annotator_id == _people.c.id, _standings.c.campaign == _here))
    .outerjoin(_turns, and_(_turns.c.annotator_id == _people.c.id, _turns.c.campaign == _here))
    .where(_people.c.id == bindparam("annotator"))
)


def situation(connection: Connection, annotator_id: str, campaign: str) -> Situation:
    """Where an annotator stands in a campaign, in one query.

    Raises:
        Problem: the annotator is unknown or was retracted.
    """
    row = connection.execute(_SITUATION, {"annotator": annotator_id, "campaign": campaign}).first()
    if row is None:
        raise Problem(f'there is no annotator "{annotator_id}"', mend="add the annotator to the store first")
    if row.retracted:
        raise Problem(f'the annotator "{annotator_id}" was retracted', mend="nothing is given to them any more")
    settings = settings_from(row.settings or {})
    noted: Any = row if row.state else None
    return Situation(
        annotator_id=annotator_id,
        campaign=campaign,
        state=row.campaign_state or "open",
        settings=settings,
        standing=effective(noted, settings),
        turn=row.given or 0,
        furthest=row.furthest or 0,
    )
