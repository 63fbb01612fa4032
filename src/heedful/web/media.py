"""Clips of agents: files of the project's folder that a completion names in its metadata, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse

from heedful.errors import Problem
from heedful.feedback import showing
from heedful.records import Completion
from heedful.web import site
from heedful.web.access import Reviewer, Signed

router = APIRouter()

TYPES: Mapping[str, str] = {".mp4": "video/mp4", ".webm": "video/webm", ".ogv": "video/ogg"}


@router.get("/media/clip")
def clip(request: Request, person: Signed, question: str, place: int) -> FileResponse:
    """The film at a place on the screen of a question that was given to whoever asks."""
    store = site.of(request).store
    try:
        found = showing.given(store, person.annotator_id, question)
    except Problem as problem:
        raise HTTPException(404, problem.what) from None
    if not 0 <= place < len(found.completions):
        raise HTTPException(404, "nothing is shown at this place")
    return _film(request, found.completions[place])


@router.get("/media/completion")
def film_of(request: Request, person: Reviewer, completion: str) -> FileResponse:
    """The film of any completion, for those who look things through."""
    try:
        return _film(request, site.of(request).store.completions([completion])[0])
    except Problem as problem:
        raise HTTPException(404, problem.what) from None


def _film(request: Request, completion: Completion) -> FileResponse:
    path = inside(site.of(request).folder, completion.metadata.get("clip"))
    if path is None:
        raise HTTPException(404, "there is no film here")
    return FileResponse(
        path,
        media_type=TYPES[path.suffix.lower()],
        headers={"Cache-Control": "private, max-age=3600", "Content-Security-Policy": "default-src 'none'; sandbox"},
    )


def inside(folder: Path | None, name: object) -> Path | None:
    """The film `name` of a folder; None when it is no film, is not there, or would lead out of the folder.

    Args:
        folder: the project's folder; None where there is only a store.
        name: a path relative to it, from metadata, which anybody may have written.
    """
    if folder is None or not isinstance(name, str) or "\0" in name or Path(name).is_absolute():
        return None
    root = folder.resolve()
    try:
        path = (root / name).resolve()
        found = path.is_relative_to(root) and path.suffix.lower() in TYPES and path.is_file()
    except OSError:
        return None
    return path if found else None
