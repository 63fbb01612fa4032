"""From a judgement to the policies that it shaped, and back: what the lineage of a project looks like as a whole."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import func, select

from heedful.feedback.intake import chunks
from heedful.feedback.store import Store
from heedful.feedback.tables import (
    annotators,
    completions,
    judgements,
    question_completions,
    questions,
    snapshot_judgements,
    snapshots,
)
from heedful.records import Model


@dataclass(frozen=True, slots=True)
class Frozen:
    """What a snapshot holds, counted."""

    hash: str
    judgements: int
    campaigns: Mapping[str, int]
    """Campaign -> judgements of its questions."""
    annotators: int
    retracted: int
    """Judgements among them of somebody who was retracted since."""


@dataclass(frozen=True, slots=True)
class Share:
    """How much of what a model rests on comes from one annotator."""

    annotator_id: str
    name: str
    judgements: int
    retracted: bool


def frozen(store: Store) -> list[Frozen]:
    """Every snapshot with its counts, in the order in which they were taken."""
    members, asked, people = snapshot_judgements, questions, annotators
    query = (
        select(
            members.c.snapshot,
            asked.c.campaign,
            judgements.c.annotator_id,
            people.c.retracted.is_not(None).label("gone"),
            func.count().label("count"),
        )
        .join(judgements, judgements.c.id == members.c.judgement_id)
        .join(asked, asked.c.id == judgements.c.question_id)
        .join(people, people.c.id == judgements.c.annotator_id)
        .group_by(members.c.snapshot, asked.c.campaign, judgements.c.annotator_id, people.c.retracted)
    )
    with store.reading() as connection:
        order = list(connection.execute(select(snapshots.c.hash).order_by(snapshots.c.number)).scalars())
        found = connection.execute(query).all()
    counted = []
    for name in order:
        mine = [row for row in found if row.snapshot == name]
        campaigns: dict[str, int] = {}
        for row in mine:
            campaigns[row.campaign] = campaigns.get(row.campaign, 0) + row[4]
        gone = sum(row[4] for row in mine if row.gone)
        people_in_it = len({row.annotator_id for row in mine})
        counted.append(Frozen(name, sum(campaigns.values()), campaigns, people_in_it, gone))
    return counted


def snapshots_with(store: Store, judgement_ids: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Judgement -> the hashes of the snapshots that hold it, oldest first; only those that are in one."""
    members = snapshot_judgements
    query = (
        select(members.c.judgement_id, members.c.snapshot)
        .join(snapshots, snapshots.c.hash == members.c.snapshot)
        .order_by(snapshots.c.number)
    )
    found: dict[str, tuple[str, ...]] = {}
    with store.reading() as connection:
        for chunk in chunks(list(judgement_ids)):
            for name, hash_ in connection.execute(query.where(members.c.judgement_id.in_(chunk))):
                found[name] = (*found.get(name, ()), hash_)
    return found


def shares(store: Store, hashes: Collection[str]) -> list[Share]:
    """Who gave the judgements of some snapshots, each judgement counted once; the greatest share first."""
    members, people = snapshot_judgements, annotators
    ids = select(members.c.judgement_id).where(members.c.snapshot.in_(list(hashes))).distinct()
    query = (
        select(people.c.id, people.c.name, people.c.retracted, func.count().label("count"))
        .join(judgements, judgements.c.annotator_id == people.c.id)
        .where(judgements.c.id.in_(ids))
        .group_by(people.c.id, people.c.name, people.c.retracted)
        .order_by(func.count().desc(), people.c.id)
    )
    with store.reading() as connection:
        return [Share(row.id, row.name, row[3], row.retracted is not None) for row in connection.execute(query)]


def ancestry(models: Collection[Model], model_id: str) -> list[Model]:
    """A model and everything that it was made from: parents and reward models, in the order in which they were made."""
    known = {model.id: model for model in models}
    found: set[str] = set()
    waiting = [model_id]
    while waiting:
        name = waiting.pop()
        if name in found or name not in known:  # a reward may be a function, which is no model
            continue
        found.add(name)
        waiting += known[name].made_from
    return [model for model in models if model.id in found]


def descent(models: Collection[Model], hashes: Collection[str]) -> list[Model]:
    """The models that were trained on one of the snapshots, or made from, or against, one that was."""
    found: list[Model] = []
    names: set[str] = set()
    for model in models:  # a model is recorded after those that it was made from
        if model.snapshot in hashes or names.intersection(model.made_from):
            found.append(model)
            names.add(model.id)
    return found


def writers(store: Store) -> dict[str, tuple[str, ...]]:
    """Campaign -> the policy versions whose completions its training questions show, by name."""
    query = (
        select(questions.c.campaign, completions.c.policy)
        .join(question_completions, question_completions.c.question_id == questions.c.id)
        .join(completions, completions.c.id == question_completions.c.completion_id)
        .where(questions.c.purpose == "train", completions.c.policy != "")
        .distinct()
        .order_by(questions.c.campaign, completions.c.policy)
    )
    found: dict[str, tuple[str, ...]] = {}
    with store.reading() as connection:
        for campaign, policy in connection.execute(query):
            found[campaign] = (*found.get(campaign, ()), policy)
    return found
