"""Moments as text and as numbers: UTC throughout, ISO 8601 where people read them."""

from __future__ import annotations

from datetime import UTC, datetime


def stamp(now: float | None = None) -> str:
    """A moment (seconds since 1970, UTC; by default this one) as text, ISO 8601, to the millisecond."""
    found = datetime.now(UTC) if now is None else datetime.fromtimestamp(now, UTC)
    return found.isoformat(timespec="milliseconds")


def moment_of(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 moment, UTC where it names no zone; raises ValueError for anything else."""
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def is_moment(text: str) -> bool:
    """Whether `moment_of` understands a text."""
    try:
        moment_of(text)
    except (ValueError, OverflowError):
        return False
    return True
