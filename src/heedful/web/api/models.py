"""Models and snapshots: what was trained, on which judgements, and what rests on whom."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from heedful.errors import Problem
from heedful.feedback import lineage, listing, tracing
from heedful.web.api import shapes
from heedful.web.api.fields import After, IdInPath, Limit
from heedful.web.api.replies import answers, missing
from heedful.web.api.scopes import Read, TheStore

router = APIRouter(tags=["models"])


class Share(BaseModel):
    """How much of what a model rests on comes from one annotator."""

    model_config = ConfigDict(from_attributes=True)

    annotator_id: str
    name: str
    judgements: int
    retracted: bool


class Lineage(BaseModel):
    """A model with everything that it rests on and everything that rests on it."""

    model: shapes.Model
    ancestors: list[shapes.Model] = Field(description="What it was made from: parents and reward models.")
    descendants: list[shapes.Model] = Field(description="What was made from it, or trained against it.")
    snapshots: list[str] = Field(description="Hashes of the snapshots behind it.")
    shares: list[Share] = Field(description="Who gave the judgements behind it, the greatest share first.")
    stands: bool = Field(description="Whether nobody behind it was retracted since.")


class Snapshot(BaseModel):
    """The judgements that a training run saw, frozen."""

    model_config = ConfigDict(from_attributes=True)

    hash: str
    judgements: int


class SnapshotMembers(BaseModel):
    """A snapshot with the ids of its judgements, in their fixed order."""

    hash: str
    judgement_ids: list[str]


@router.get("/models", **answers())
def list_models(store: TheStore, person: Read) -> list[shapes.Model]:
    """Every model, in the order in which they were made."""
    return [shapes.Model.model_validate(model) for model in store.models()]


@router.get("/models/{id}", **answers(404))
def get_model(store: TheStore, person: Read, id: IdInPath) -> Lineage:  # noqa: A002 - its name in the URL
    """A model and its lineage: judgements -> snapshots -> reward models -> policies."""
    models = store.models()
    found = next((model for model in models if model.id == id), None)
    if found is None:
        raise missing("model", id)
    ancestors = tracing.ancestry(models, id)
    hashes = list(dict.fromkeys(model.snapshot for model in ancestors if model.snapshot))
    descendants = [model for model in models if model.id != id and found in tracing.ancestry(models, model.id)]
    shares = [Share.model_validate(share) for share in tracing.shares(store, hashes)]
    return Lineage(
        model=shapes.Model.model_validate(found),
        ancestors=[shapes.Model.model_validate(model) for model in ancestors if model.id != id],
        descendants=[shapes.Model.model_validate(model) for model in descendants],
        snapshots=hashes,
        shares=shares,
        stands=not any(share.retracted for share in shares),
    )


@router.get("/snapshots", **answers())
def list_snapshots(store: TheStore, person: Read, after: After = 0, limit: Limit = 100) -> shapes.Page[Snapshot]:
    """Snapshots in the order in which they were first taken."""
    page = listing.snapshots(store, after=after, limit=limit)
    return shapes.Page(items=[Snapshot.model_validate(found) for found in page.items], after=page.after)


@router.get("/snapshots/{id}", **answers(404))
def get_snapshot(store: TheStore, person: Read, id: IdInPath) -> SnapshotMembers:  # noqa: A002
    """The judgements of a snapshot."""
    try:
        found = lineage.snapshot_of(store, id)
    except Problem:
        raise missing("snapshot", id) from None
    return SnapshotMembers(hash=found.hash, judgement_ids=list(found.judgement_ids))
