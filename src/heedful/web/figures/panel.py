"""A part of the dashboard: a heading, what the numbers say, figures, tables, and what to do while there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from heedful.errors import Problem
from heedful.evaluation.intervals import Interval
from heedful.feedback.quality.shares import share
from heedful.web.plots import Figure
from heedful.web.sheets import Sheet

__all__ = ["Panel", "duration", "share_of", "spoken_problem"]


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of the dashboard."""

    key: str
    title: str
    says: str = ""
    """What the numbers say, in a sentence or two."""
    figures: Sequence[Figure] = ()
    """Beside each other where there is room."""
    sheets: Sequence[Sheet] = ()
    empty: str = ""
    """Why there is nothing to see yet, and what to do about it."""
    link: tuple[str, str] | None = None
    """(path, words) of the page where one does it, or that tells more."""


def share_of(right: int, seen: int) -> Interval | None:
    """A share with its Wilson interval; None where nothing was seen."""
    if seen <= 0:
        return None
    found = share(right, seen)
    return Interval(found.value, found.low, found.high)


def duration(seconds: float) -> str:
    """A time for the eye, two units at most: `40 s`, `12 min`, `2 h 10 min`, `3 days 4 h`."""
    if seconds < 60:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 600:
        return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"
    hours = round(seconds / 3600)
    if hours < 48:
        return f"{hours} h"
    days, rest = divmod(hours, 24)
    return f"{days} days {rest} h" if rest and days < 10 else f"{round(hours / 24)} days"


def spoken_problem(problem: Problem) -> str:
    """A problem as sentences for the place where its numbers would stand."""
    what = problem.what[:1].upper() + problem.what[1:]
    return f"{what}. To mend it: {problem.mend}." if problem.mend else f"{what}."
