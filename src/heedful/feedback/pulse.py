"""Whether anything has happened in the store: one cheap query, so that pages can follow it live."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, ScalarSelect, Table, func, select

from heedful.feedback.account_tables import audit
from heedful.feedback.steering_tables import campaigns, comments, gold, guidelines, standings
from heedful.feedback.store import Store
from heedful.feedback.tables import annotators, assignments, judgements, models, questions


@dataclass(frozen=True, slots=True)
class Pulse:
    """Numbers that move when the store changes; two equal ones say that nothing has."""

    work: tuple[str, ...]
    """What people's work moves: judgements first, then what is held, and remarks."""
    acts: tuple[str, ...]
    """What owners and training runs move: questions, models, campaigns, standings."""

    @property
    def version(self) -> str:
        """The whole as one word."""
        return "-".join((*self.work, *self.acts))


def pulse(store: Store) -> Pulse:
    """The state of the store as far as pages show it. Every part is an index lookup or a scan of a small table."""
    work = [_newest(judgements), _newest(assignments), _newest(comments)]
    acts = [
        _newest(questions),
        _newest(models),
        _newest(audit),
        _newest(guidelines),
        _count(gold),
        _count(models, models.c.status == "promoted"),
        _count(models, models.c.status == "rejected"),
        _count(annotators, annotators.c.retracted.is_not(None)),
        _count(campaigns),
        _count(campaigns, campaigns.c.state == "open"),
        select(func.max(standings.c.changed)).scalar_subquery(),
    ]
    with store.reading() as connection:
        found = [str(value or 0) for value in connection.execute(select(*work, *acts)).one()]
    return Pulse(tuple(found[: len(work)]), tuple(found[len(work) :]))


def _newest(table: Table) -> ScalarSelect[int]:
    return select(func.max(table.c.number)).scalar_subquery()


def _count(table: Table, *where: ColumnElement[bool]) -> ScalarSelect[int]:
    return select(func.count()).select_from(table).where(*where).scalar_subquery()
