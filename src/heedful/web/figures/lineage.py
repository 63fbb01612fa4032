"""The lineage as a picture: who wrote what people judged, what a reward model learned from, whom it shaped."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from heedful.feedback.store import Store
from heedful.feedback.tracing import Frozen, ancestry, descent, frozen, writers
from heedful.records import Model
from heedful.web import addresses
from heedful.web.graph import Box, Graph, draw

CAMPAIGN, MODEL, FUNCTION = "c:", "m:", "f:"
"""Before the keys of boxes, so that a campaign and a model may have one name."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """Everything that was made, and from what."""

    models: Sequence[Model]
    snapshots: Mapping[str, Frozen]
    wrote: Mapping[str, Collection[str]]
    """Campaign -> the versions that wrote what it shows."""

    def campaigns_behind(self, model_id: str) -> set[str]:
        """The campaigns whose judgements a model rests on, through all that it was made from."""
        return {
            name
            for one in self.snapshots_behind(model_id)
            if one in self.snapshots
            for name in self.snapshots[one].campaigns
        }

    def snapshots_behind(self, model_id: str) -> set[str]:
        """The hashes of the snapshots that a model rests on."""
        return {model.snapshot for model in ancestry(self.models, model_id) if model.snapshot}


def lineage_of(store: Store) -> Lineage:
    """The lineage of a project."""
    return Lineage(store.models(), {one.hash: one for one in frozen(store)}, writers(store))


def graph_of(lineage: Lineage, url: Callable[[str], str]) -> Graph:
    """Boxes for campaigns, reward models, reward functions and policies; arrows in the direction of making.

    Args:
        lineage: what was made from what.
        url: the address of a path of ours.
    """
    used = {
        name for model in lineage.models if model.snapshot in lineage.snapshots for name in _campaigns(lineage, model)
    }
    rewards = {model.id: model for model in lineage.models if model.kind == "reward"}
    boxes = [_campaign_box(lineage, name, url) for name in sorted(used)]
    arrows: list[tuple[str, str]] = []
    known = {model.id for model in lineage.models}
    for name in sorted(used):
        arrows += [(MODEL + policy, CAMPAIGN + name) for policy in lineage.wrote.get(name, ()) if policy in known]
    for model in lineage.models:
        boxes.append(_model_box(lineage, model, url))
        behind = rewards.get(model.reward or "")
        if behind is None or behind.snapshot != model.snapshot:
            arrows += [(CAMPAIGN + name, MODEL + model.id) for name in sorted(_campaigns(lineage, model))]
        if behind is not None:
            arrows.append((MODEL + behind.id, MODEL + model.id))
        elif model.reward:
            boxes.append(
                Box(
                    FUNCTION + model.reward,
                    "function",
                    model.reward,
                    "a function",
                    says=f"The reward function {model.reward}",
                )
            )
            arrows.append((FUNCTION + model.reward, MODEL + model.id))
        if model.parent and model.kind == "policy":
            arrows.append((MODEL + model.parent, MODEL + model.id))
    unique = {box.key: box for box in boxes}
    return Graph(list(unique.values()), [(a, b) for a, b in dict.fromkeys(arrows) if a != b])


def drawings(graph: Graph, key: str, title: str, marked: Collection[str] | None = None) -> tuple[Markup, Markup]:
    """The picture for screens and for phones."""
    wide = draw(graph, f"{key}-wide", title, marked=marked)
    return wide, draw(graph, f"{key}-small", title, marked=marked, upright=True)


def around_model(lineage: Lineage, model_id: str) -> set[str]:
    """Keys of the boxes that a model was made from, and of those that were made from it."""
    up = {model.id for model in ancestry(lineage.models, model_id)}
    down: set[str] = {model_id}
    for model in lineage.models:
        if {model.parent, model.reward} & down:
            down.add(model.id)
    campaigns = lineage.campaigns_behind(model_id)
    return {MODEL + name for name in up | down} | {CAMPAIGN + name for name in campaigns}


def after_snapshots(lineage: Lineage, hashes: Collection[str], campaign: str) -> set[str]:
    """Keys of a judgement's campaign and of every model that the snapshots with the judgement shaped."""
    return {CAMPAIGN + campaign} | {MODEL + model.id for model in descent(lineage.models, hashes)}


def _campaigns(lineage: Lineage, model: Model) -> Collection[str]:
    snapshot = lineage.snapshots.get(model.snapshot or "")
    return snapshot.campaigns if snapshot else ()


def _campaign_box(lineage: Lineage, name: str, url: Callable[[str], str]) -> Box:
    count = max((one.campaigns.get(name, 0) for one in lineage.snapshots.values()), default=0)
    says = f"Campaign {name}: {count:,} judgements were learned from"
    return Box(CAMPAIGN + name, "campaign", name, f"{count:,} judgements", url(addresses.campaign(name)), says)


def _model_box(lineage: Lineage, model: Model, url: Callable[[str], str]) -> Box:
    snapshot = lineage.snapshots.get(model.snapshot or "")
    noun = "reward model" if model.kind == "reward" else "policy"
    says = f"{noun.capitalize()} {model.id}, {model.status}"
    if snapshot:
        says += f", from {snapshot.judgements:,} judgements of {snapshot.annotators:,} people"
    note = noun if model.kind == "reward" or model.status == "promoted" else model.status
    return Box(
        MODEL + model.id,
        model.kind,
        model.id,
        note,
        url(addresses.model(model.id)),
        says,
        faded=model.status == "rejected",
    )
