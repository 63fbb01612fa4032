"""The form of a campaign's rules: every setting with a plain sentence of help, read from a form and written into one.

The form shows shares as per cent and the lease in minutes; the store keeps shares and seconds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from heedful.errors import Problem
from heedful.feedback.questions import KINDS
from heedful.feedback.selection import POLICIES
from heedful.feedback.steering.settings import CampaignSettings

Shape = Literal["whole", "percent", "minutes", "money", "text", "tick", "moment", "policy", "people", "prices"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One setting in the form."""

    name: str
    """Of the field of `CampaignSettings`."""
    label: str
    help: str
    shape: Shape
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Settings that belong together."""

    title: str
    rules: Sequence[Rule]
    folded: bool = False
    """Shown only when asked for: most campaigns do without."""


FORM: Sequence[Group] = (
    Group(
        "How many answers",
        (
            Rule("overlap", "Answers for each question", "How many different people answer it.", "whole", 1, 1000),
            Rule(
                "maximum_overlap",
                "At most",
                "0 asks exactly that many. A higher number asks further people where the answers leave doubt.",
                "whole",
                0,
                1000,
            ),
            Rule(
                "sure",
                "Sure enough at",
                "How sure the leading answer has to be for nobody else to be asked.",
                "percent",
                50,
                99.9,
            ),
        ),
    ),
    Group(
        "Who and when",
        (
            Rule("who", "Who may answer", "Without a tick everybody may.", "people"),
            Rule("deadline", "Deadline (UTC)", "From then on no question is given out. Empty: none.", "moment"),
            Rule(
                "reveal",
                "Show others' answers afterwards",
                "People see what others answered once they have answered: it teaches, and makes people alike.",
                "tick",
            ),
            Rule(
                "lease_s",
                "Minutes a question is kept",
                "Whoever gets a question has it to themselves for so long.",
                "minutes",
                1,
                43_200,
            ),
        ),
    ),
    Group(
        "Known answers",
        (
            Rule(
                "gold_share",
                "Share of gold items",
                "How much of the work is questions whose answer is known; nobody sees which.",
                "percent",
                0,
                100,
            ),
            Rule(
                "gold_pass",
                "Gold items to get right",
                "Below it an annotator is paused by itself; you can reinstate them.",
                "percent",
                0,
                100,
            ),
            Rule("gold_window", "Of the last", "How many gold items are looked at for this.", "whole", 1, 1000),
            Rule(
                "qualification",
                "Training and exam first",
                "People answer the training items, which explain themselves, then the exam, and only then work.",
                "tick",
            ),
            Rule(
                "exam_pass", "Exam items to get right", "Who gets fewer right does not get to work.", "percent", 0, 100
            ),
        ),
        folded=True,
    ),
    Group(
        "Money",
        (
            Rule(
                "prices",
                "Price of an answer",
                "What one answer of each kind costs; it is written down in the ledger. Empty: nothing.",
                "prices",
            ),
            Rule("currency", "Currency", "As people write it: EUR, USD.", "text"),
            Rule("budget", "Budget", "Nothing is given out that would cost more in all. 0: no limit.", "money", 0),
        ),
        folded=True,
    ),
    Group(
        "Choosing questions",
        (
            Rule(
                "selection",
                "Selection policy",
                "How questions are chosen from a pool. Random is hard to beat: the dashboard draws both.",
                "policy",
            ),
            Rule(
                "random_share",
                "Chosen at random anyway",
                "So many are chosen at random whatever the policy: an unbiased sample, by which the policy is judged.",
                "percent",
                0,
                100,
            ),
        ),
        folded=True,
    ),
)
"""The whole form, from top to bottom."""

PRICED = (*KINDS, "training", "exam")
"""What can have a price of its own."""

POLICY_WORDS: Mapping[str, str] = {
    "random": "random: every question alike",
    "margin": "margin: where it is least sure which is better",
    "disagreement": "disagreement: where several models contradict each other",
    "d_optimal": "D-optimal: what tells most about what people care for",
    "thompson": "Thompson: spread over all that any model doubts",
}


def written(settings: CampaignSettings) -> dict[str, Any]:
    """Settings as the fields of the form show them: name -> text, truth value, ids or prices."""
    fields: dict[str, Any] = {}
    for rule in (rule for group in FORM for rule in group.rules):
        value = getattr(settings, rule.name)
        match rule.shape:
            case "percent":
                fields[rule.name] = f"{100 * value:.6g}"
            case "minutes":
                fields[rule.name] = f"{value / 60:.6g}"
            case "money":
                fields[rule.name] = f"{value:.10g}"
            case "moment":
                fields[rule.name] = value[:16]
            case "prices":
                fields[rule.name] = {name: f"{price:.10g}" for name, price in value.items() if price}
            case "people":
                fields[rule.name] = list(value)
            case "tick":
                fields[rule.name] = bool(value)
            case _:
                fields[rule.name] = str(value)
    return fields


def sent(form: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The fields of the form as a browser sent them, in the shape of `written`."""
    fields: dict[str, Any] = {}
    for rule in (rule for group in FORM for rule in group.rules):
        given = list(form.get(rule.name, ()))
        match rule.shape:
            case "tick":
                fields[rule.name] = bool(given)
            case "people":
                fields[rule.name] = given
            case "prices":
                prices = {name: (list(form.get(f"price:{name}", ())) or [""])[0].strip() for name in PRICED}
                fields[rule.name] = {name: price for name, price in prices.items() if price}
            case _:
                fields[rule.name] = given[0].strip() if given else ""
    return fields


def settings_of(fields: Mapping[str, Any], before: CampaignSettings) -> CampaignSettings:
    """The settings that the fields of a form say; an empty field leaves what was `before`.

    Raises:
        Problem: a field is no number; it is named as the store names it.
    """
    values: dict[str, Any] = {}
    for rule in (rule for group in FORM for rule in group.rules):
        value = fields[rule.name]
        match rule.shape:
            case "tick":
                values[rule.name] = value
            case "people":
                values[rule.name] = tuple(value)
            case "prices":
                values[rule.name] = {name: _number(price, "prices") for name, price in value.items()}
            case "moment":
                values[rule.name] = f"{value}:00+00:00" if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d", value) else value
            case "text" | "policy":
                values[rule.name] = value or getattr(before, rule.name)
            case _ if not value:
                values[rule.name] = getattr(before, rule.name)
            case "whole":
                values[rule.name] = int(_within(value, rule, whole=True))
            case "percent":
                values[rule.name] = _within(value, rule) / 100
            case "minutes":
                values[rule.name] = 60 * _within(value, rule)
            case "money":
                values[rule.name] = _within(value, rule)
    return replace(before, **values)


def field_of(problem: Problem) -> str:
    """The name of the field that a problem is about; empty when it names none."""
    found = re.search(r'field "([a-z_]+)"', problem.where)
    return found.group(1) if found else ""


def slug(title: str) -> str:
    """A short name made of a title: small letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60]


def policies() -> list[tuple[str, str]]:
    """(name, words) of the selection policies that there are."""
    return [(name, POLICY_WORDS.get(name, name)) for name in POLICIES]


def _within(text: str, rule: Rule, *, whole: bool = False) -> float:
    """The number that a field holds, in the units of the form, when it is in the rule's range."""
    number = _number(text, rule.name)
    low, high = rule.least, rule.most
    fits = (low is None or number >= low) and (high is None or number <= high)
    if not fits or (whole and not number.is_integer()):
        noun = "a whole number" if whole else "a number"
        span = f" from {low:,.10g} to {high:,.10g}" if low is not None and high is not None else " that is not negative"
        raise _wrong(text, rule.name, noun + span)
    return number


def _number(text: str, name: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise _wrong(text, name, "a number") from None


def _wrong(text: str, name: str, wanted: str) -> Problem:
    return Problem(f"{text!r} does not do", where=f'settings, field "{name}"', mend=f"use {wanted}")
