"""The people who answer: skill, side bias, pace, gold items, drift, what they cost, and where they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from markupsafe import Markup

from heedful.evaluation.blocks import Cell, Column, Table
from heedful.evaluation.intervals import Interval
from heedful.feedback.earnings import Earning
from heedful.feedback.quality.annotators import AnnotatorProfile
from heedful.feedback.steering.standing import Standing
from heedful.web import addresses
from heedful.web.figures.panel import Panel, share_of
from heedful.web.plots import spark
from heedful.web.sheets import Sheet

TITLE = "Annotators"

EMPTY = "Nobody has answered a question yet. Invite people under People; whoever logs in finds their work under Judge."

SURELY_UNEVEN = 0.01
"""A side bias this improbable by chance is pointed out."""

TOO_MANY_FAST = 0.2

SHOWN = 12
"""People on the dashboard: the paused and those who deserve a look first, then those with most answers."""


@dataclass(frozen=True, slots=True)
class Someone:
    """An annotator with all that is known of them."""

    profile: AnnotatorProfile
    standings: Mapping[str, Standing]
    """By campaign, where something is noted."""
    earnings: Sequence[Earning]

    @property
    def name(self) -> str:
        """For people."""
        return self.profile.name or self.profile.annotator_id

    @property
    def state(self) -> str:
        """The most pressing of their standings: `paused`, `failed`, `exam`, `training`, or `working`."""
        noted = {standing.state for standing in self.standings.values()}
        return next((state for state in ("paused", "failed", "exam", "training") if state in noted), "working")


def everybody(
    profiles: Sequence[AnnotatorProfile],
    standings: Mapping[str, Mapping[str, Standing]],
    earnings: Sequence[Earning],
) -> list[Someone]:
    """Profiles joined with standings (campaign -> annotator -> standing) and earnings."""
    return [
        Someone(
            one,
            {name: people[one.annotator_id] for name, people in standings.items() if one.annotator_id in people},
            [earning for earning in earnings if earning.annotator_id == one.annotator_id],
        )
        for one in profiles
    ]


def panel(people: Sequence[Someone], currencies: Mapping[str, str]) -> Panel:
    """A table with a small plot for every number that has an interval."""
    if not people:
        return Panel("annotators", TITLE, empty=EMPTY, link=("/people", "To the people"))
    usual = usual_drift(people)
    first = sorted(people, key=lambda one: (one.state not in ("paused", "failed"), not concerns(one, usual)))[:SHOWN]
    link = ("/dashboard/annotators", f"All {len(people):,} people") if len(people) > len(first) else None
    return Panel("annotators", TITLE, _says(people, usual), sheets=[sheet(first, currencies)], link=link)


def sheet(people: Sequence[Someone], currencies: Mapping[str, str]) -> Sheet:
    """One row a person."""
    rows: list[list[Cell]] = []
    for one in people:
        profile = one.profile
        rows.append(
            [
                one.name,
                one.state,
                profile.answers,
                profile.skips,
                skill_of(profile),
                profile.agreement,
                left_of(profile),
                profile.median_s,
                profile.too_fast_share,
                share_of(profile.gold_right, profile.gold_seen),
                drift_of(profile),
                cost_of(one.earnings, currencies),
                sum(earning.hours for earning in one.earnings) or None,
            ]
        )
    pictures = {
        4: [spark(skill_of(one.profile), 0.3, 1.0, reference=0.5, title=f"Skill of {one.name}") for one in people],
        6: [spark(left_of(one.profile), 0.0, 1.0, reference=0.5, title=f"Side bias of {one.name}") for one in people],
        9: [_gold_spark(one) for one in people],
    }
    links = {r: addresses.annotator(one.profile.annotator_id) for r, one in enumerate(people)}
    return Sheet("annotators", Table(COLUMNS, rows, "Annotators, 95 % intervals"), links, pictures)


COLUMNS: Sequence[Column | str] = (
    "annotator",
    "state",
    Column("answers", digits=0),
    Column("skips", digits=0),
    Column("skill", percent=True, explanation="how often they see what is true; half, the line, is chance"),
    Column("agreement", percent=True, explanation="share of others' answers that equal theirs"),
    Column("left side", percent=True, explanation="share of choices for the side shown first; half is no bias"),
    Column("median s", digits=1, explanation="seconds an answer"),
    Column("too fast", percent=True, explanation="answers that came sooner than the texts can be skimmed"),
    Column("gold", percent=True, explanation="gold items right"),
    Column("drift", percent=True, signed=True, explanation="agreement in the later half less that in the earlier"),
    Column("cost", explanation="of their judgements, where something costs"),
    Column("hours", digits=1),
)


def skill_of(profile: AnnotatorProfile) -> Interval | None:
    """Skill between its bounds."""
    return _between(profile.skill, profile.skill_interval)


def left_of(profile: AnnotatorProfile) -> Interval | None:
    """Share of choices for the side shown first, between its bounds."""
    return _between(profile.left_share, profile.left_interval)


def drift_of(profile: AnnotatorProfile) -> Interval | None:
    """Change of agreement, between its bounds."""
    return _between(profile.drift, profile.drift_interval)


def cost_of(earnings: Sequence[Earning], currencies: Mapping[str, str]) -> str | None:
    """What somebody's work cost, by currency; None where nothing cost anything."""
    sums: dict[str, float] = {}
    for earning in earnings:
        currency = currencies.get(earning.campaign, "")
        sums[currency] = sums.get(currency, 0.0) + earning.cost
    return " + ".join(f"{amount:,.2f} {currency}".strip() for currency, amount in sums.items() if amount) or None


def concerns(one: Someone, usual_drift: float = 0.0) -> list[str]:
    """What deserves a look, in words; each beyond what chance explains.

    Args:
        one: an annotator.
        usual_drift: the median of everybody's drift, since questions may get harder for all.
    """
    profile, found = one.profile, []
    skill, left, drift = skill_of(profile), left_of(profile), drift_of(profile)
    gold = share_of(profile.gold_right, profile.gold_seen)
    if skill and skill.high < 0.5:
        found.append("answers the opposite of what others do")
    elif skill and skill.low <= 0.5 and skill.high < 0.75:
        found.append("cannot be told from guessing")
    if left and profile.left_p is not None and profile.left_p < SURELY_UNEVEN:
        found.append(f"leans to the side shown {'first' if left.value > 0.5 else 'second'}")
    if profile.too_fast_share is not None and profile.too_fast_share > TOO_MANY_FAST:
        found.append(f"{profile.too_fast_share:.0%} of the answers came faster than the texts can be skimmed")
    if gold and gold.high < 0.6:
        found.append("misses gold items")
    if drift and drift.high < min(usual_drift, 0.0):
        found.append("got worse over time")
    return found


def usual_drift(people: Sequence[Someone]) -> float:
    """The median of everybody's drift; 0 without any."""
    return median([one.profile.drift for one in people if one.profile.drift is not None] or [0.0])


def _says(people: Sequence[Someone], usual: float) -> str:
    looked = [one for one in people if concerns(one, usual)]
    paused = sum(one.state == "paused" for one in people)
    says = f"{len(people):,} people. "
    if looked:
        names = ", ".join(f"{one.name} ({concerns(one, usual)[0]})" for one in looked[:3])
        more = f", and {len(looked) - 3} more" if len(looked) > 3 else ""
        says += f"Worth a look: {names}{more}. "
    return says + (f"{paused} paused." if paused else "")


def _gold_spark(one: Someone) -> Markup:
    right = share_of(one.profile.gold_right, one.profile.gold_seen)
    return spark(right, 0.0, 1.0, title=f"Gold items of {one.name}")


def _between(value: float | None, bounds: tuple[float, float] | None) -> Interval | None:
    return None if value is None or bounds is None else Interval(value, *bounds)
