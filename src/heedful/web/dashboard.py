"""The dashboard: how the work goes, who does it, what came of it; it follows the store by itself.

The page is whole without JavaScript. With it, the page asks for `/dashboard/live` when the stream says that there is
news, and changes what differs.
"""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from heedful.evaluation.blocks import Cell, Table
from heedful.web import annotating, models, site
from heedful.web.access import Reviewer, render
from heedful.web.figures import training
from heedful.web.live import live_of, stream
from heedful.web.overview import PANELS, Overview, patience_of, version_of
from heedful.web.sheets import csv_response, view_of

router = APIRouter()


@router.get("/dashboard")
def dashboard(request: Request, person: Reviewer) -> Response:
    """The whole page."""
    return _shown(request, "dashboard.html")


@router.get("/dashboard/live")
def live(request: Request, person: Reviewer) -> Response:
    """The parts of the page that move, as they are now."""
    return _shown(request, "dashboard_live.html")


@router.get("/dashboard/stream")
async def news(request: Request, person: Reviewer) -> Response:
    """Server-sent events: a word whenever something has moved."""
    return stream(live_of(request, version_of))


@router.get("/dashboard/runs/{name}.csv")
def run_csv(request: Request, person: Reviewer, name: str) -> Response:
    """Every metric of every step of a run."""
    metrics = _run(request, name).run.metrics
    columns = list(dict.fromkeys(key for line in metrics for key in line))
    rows: list[list[Cell]] = [[line.get(column) for column in columns] for line in metrics]
    return csv_response(name, Table(columns, rows))


@router.get("/dashboard/runs/{name}")
def run(request: Request, person: Reviewer, name: str) -> Response:
    """One run: its curves, its settings, what came out."""
    found = _run(request, name)
    settings = {key: _plain(value) for key, value in found.run.settings.items()}
    return render(request, "run.html", person=person, found=found, settings=settings, sentences=_sentences(found))


@router.get("/dashboard/{name}.csv")
def csv(request: Request, person: Reviewer, name: str) -> Response:
    """A table of the dashboard as a file."""
    found = Overview(site.of(request)).sheet(name)
    if found is None:
        raise HTTPException(404, f"there is no table {name!r} here, or nothing in it yet")
    return csv_response(name, found.table)


router.include_router(annotating.router)
router.include_router(models.router)


def _shown(request: Request, template: str) -> Response:
    here = site.of(request)
    version = version_of(here)  # of what is shown at least: what moves meanwhile is told
    overview = Overview(here, patience_of(here))
    progress = overview.progress()
    panels = [overview.panel(key) for key in PANELS]
    return render(request, template, moved=version, progress=progress, panels=panels, view=view_of)


def _run(request: Request, name: str) -> training.RunView:
    for found in Overview(site.of(request)).runs():
        if found.name == name:
            return training.view(found)
    raise HTTPException(404, f"this project has no run {name!r}")


def _sentences(found: training.RunView) -> list[str]:
    said = found.run.result.get("sentences", ())
    return [str(sentence) for sentence in said] if isinstance(said, list) else []


def _plain(value: object) -> str:
    """A setting as it would be written in the settings file."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(_plain(inner) for inner in value) or "none"
    if value is None or value == "":
        return "none"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
