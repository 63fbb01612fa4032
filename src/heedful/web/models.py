"""Policies and reward models: what each was made from, whose judgements are behind it, and how good it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from heedful.evaluation.blocks import Cell, Column, Table
from heedful.feedback.tracing import shares
from heedful.records import Model
from heedful.web import addresses, site
from heedful.web.access import Reviewer, render
from heedful.web.figures.lineage import Lineage, around_model, drawings, graph_of
from heedful.web.figures.rewards import calibration_figure, interval_of
from heedful.web.figures.training import figures_of
from heedful.web.overview import Overview
from heedful.web.runs import Seen
from heedful.web.sheets import Sheet, csv_response, view_of

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Behind:
    """What a model rests on, counted."""

    judgements: int
    people: int
    retracted: int
    """Judgements of somebody who was retracted since."""


@router.get("/models")
def models(request: Request, person: Reviewer) -> Response:
    """The lineage as a picture, and every model in a table."""
    overview = Overview(site.of(request))
    lineage = overview.lineage()
    graph = graph_of(lineage, site.of(request).url)
    pictures = drawings(graph, "lineage", "What was made from what") if lineage.models else ()
    return render(
        request, "models.html", person=person, pictures=pictures, sheet=view_of(_sheet(overview, lineage)), view=view_of
    )


@router.get("/models.csv")
def models_csv(request: Request, person: Reviewer) -> Response:
    """The same table as a file."""
    overview = Overview(site.of(request))
    return csv_response("models", _sheet(overview, overview.lineage()).table)


@router.get("/models/{model_id:path}")
def model(request: Request, person: Reviewer, model_id: str) -> Response:
    """One model."""
    overview = Overview(site.of(request))
    lineage = overview.lineage()
    found = next((one for one in lineage.models if one.id == model_id), None)
    if found is None:
        raise HTTPException(404, f"there is no model {model_id!r}")
    hashes = lineage.snapshots_behind(model_id)
    people = shares(overview.store, hashes) if hashes else []
    run = next((one for one in overview.runs() if one.name == found.run), None)
    graph = graph_of(lineage, site.of(request).url)
    return render(
        request,
        "model.html",
        person=person,
        model=found,
        behind=Behind(
            sum(share.judgements for share in people),
            len(people),
            sum(share.judgements for share in people if share.retracted),
        ),
        people=people,
        campaigns=sorted(lineage.campaigns_behind(model_id)),
        snapshot=lineage.snapshots.get(found.snapshot or ""),
        facts=_facts(overview, found, run),
        pictures=drawings(
            graph, "lineage", f"What {model_id} was made from, and what from it", around_model(lineage, model_id)
        ),
        figures=[*(_calibration(run)), *(figures_of(run) if run else ())],
        run=run,
        view=view_of,
    )


def _calibration(run: Seen | None) -> Sequence[Any]:
    found = calibration_figure(run) if run is not None else None
    return [found] if found else []


def _facts(overview: Overview, model: Model, run: Seen | None) -> Sheet | None:
    """The model's own numbers: its row of the league, or its accuracy beside the baseline."""
    panel = overview.panel("league" if model.kind == "policy" else "rewards")
    for sheet in panel.sheets:
        rows = [row for row in sheet.table.rows if row[0] == model.id]
        if rows:
            return Sheet("facts", Table(sheet.table.columns, rows, sheet.table.caption))
    return None


def _sheet(overview: Overview, lineage: Lineage) -> Sheet:
    accuracies = {run.result.get("model"): run.result.get("accuracy") or {} for run in overview.runs()}
    league = overview.panel("league")
    ratings = {row[0]: row[1] for sheet in league.sheets for row in sheet.table.rows}
    rows: list[list[Cell]] = []
    for one in reversed(lineage.models):
        behind = [lineage.snapshots[name] for name in lineage.snapshots_behind(one.id) if name in lineage.snapshots]
        snapshot = lineage.snapshots.get(one.snapshot or "")
        rows.append(
            [
                one.id,
                "reward model" if one.kind == "reward" else "policy",
                one.status,
                one.parent,
                one.reward,
                snapshot.judgements if snapshot else None,
                interval_of(accuracies.get(one.id, {}).get("accuracy")) if one.kind == "reward" else None,
                ratings.get(one.id),
                max((each.retracted for each in behind), default=0) or None,
            ]
        )
    columns: list[Column | str] = [
        *("model", "what", "status", "from", "against"),
        Column("judgements", digits=0, explanation="in the snapshot that it was trained on"),
        Column("accuracy", percent=True, digits=3, explanation="of a reward model, on held-out comparisons"),
        Column("Elo", digits=0, explanation="of a policy, in the league"),
        Column("retracted", digits=0, explanation="judgements behind it whose annotator was retracted since"),
    ]
    links = {r: addresses.model(str(row[0])) for r, row in enumerate(rows)}
    return Sheet("models", Table(columns, rows, "Models, the newest first"), links)
