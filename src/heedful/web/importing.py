"""Files in and out: a file is looked at first and stored when its owner says so; exports are looked at likewise."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

from fastapi import APIRouter, BackgroundTasks, File, Form, HTTPException, Request, UploadFile
from fastapi.responses import FileResponse, Response

from heedful.errors import Problem
from heedful.feedback.accounts import audit
from heedful.feedback.exchange import Dataset, export_file, import_file, read
from heedful.feedback.formats import FORMATS
from heedful.feedback.rehearsal import unseen
from heedful.feedback.store import Purpose
from heedful.web import site
from heedful.web.access import Owner, redirect, render
from heedful.web.site import Site
from heedful.web.uploads import Uploads, named

router = APIRouter()

Text = Annotated[str, Form()]

SAMPLE_ROWS = 3
"""Questions or prompts shown of a file."""

EXPORTS: Mapping[str, str] = {
    "preference": "prompt, chosen, rejected: what most trainers read. Ties and who voted are left out.",
    "conversational": "the same, with prompts and answers as lists of turns.",
    "unpaired": "prompt, completion, label: thumbs, and both answers of a pair that was judged bad.",
    "prompt-completion": "prompt and completion: demonstrations and corrections, to imitate.",
    "heedful": "every question of every kind with every answer, reason and time; it can be imported again.",
}
"""Formats and what they are for; the first four are read by Hugging Face `datasets` as they are."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a file would bring."""

    name: str
    """By which the kept file is asked for."""
    file: str
    dataset: Dataset
    counts: Mapping[str, int]
    """By kind of record, what the file holds."""
    new: Mapping[str, int]
    """What of it the store has not."""
    kinds: Mapping[str, int]
    samples: Sequence[tuple[str, str, Sequence[str]]]
    """(kind, prompt, completions)"""


@router.get("/import")
def page(request: Request, person: Owner) -> Response:
    """Upload, paste, export."""
    return _page(request)


@router.post("/import")
def look(
    request: Request,
    person: Owner,
    file: Annotated[UploadFile | None, File()] = None,
    text: Text = "",
    format: Text = "auto",  # noqa: A002 - the field's name
    campaign: Text = "",
    skip_bad: Text = "",
) -> Response:
    """Read a file and show what it would bring; nothing is stored."""
    uploads = _uploads(site.of(request))
    name = ""
    try:
        name = uploads.keep(file, text, person.account.id)
        found = _look(site.of(request), name, person.account.id, format, campaign, skip_bad)
    except Problem as problem:
        uploads.forget(name)
        return _page(request, problem=problem, sent={"format": format, "campaign": campaign, "skip_bad": skip_bad})
    return render(
        request, "import_look.html", person=person, look=found, format=format, campaign=campaign, skip_bad=skip_bad
    )


@router.post("/import/confirm")
def confirm(
    request: Request,
    person: Owner,
    name: Text,
    format: Text = "auto",  # noqa: A002 - the field's name
    campaign: Text = "",
    skip_bad: Text = "",
) -> Response:
    """Store what was looked at."""
    here = site.of(request)
    try:
        path = _uploads(here).path(name, person.account.id)
        report = named(
            path,
            lambda: import_file(here.store, path, format=format, campaign=campaign or None, skip_bad=skip_bad == "yes"),
        )
    except Problem as problem:
        return _page(request, problem=problem)
    _uploads(here).forget(name)
    audit.record(here.store, person.account.id, "file.import", "", {"format": report.format, **report.added})
    return render(request, "imported.html", person=person, report=report, file=Path(report.file).name)


@router.get("/export")
def before_export(request: Request, person: Owner, format: str = "", purpose: str = "train") -> Response:  # noqa: A002
    """What a format would hold and what it cannot say, with the first rows; without a format, which there are."""
    if not format:
        return redirect(request, "/import#h-export")
    found = _export(request, format, purpose)
    with found.path.open(encoding="utf-8") as file:
        rows = [
            json.dumps(json.loads(line), indent=2, ensure_ascii=False) for line, _ in zip(file, range(2), strict=False)
        ]
    found.drop()
    return render(
        request,
        "export.html",
        person=person,
        format=format,
        purpose=purpose,
        says=EXPORTS.get(format, ""),
        report=found.report,
        rows=rows,
    )


@router.get("/export/download")
def export(
    request: Request,
    person: Owner,
    later: BackgroundTasks,
    format: str = "",  # noqa: A002 - the field's name
    purpose: str = "train",
    packed: bool = False,
) -> Response:
    """The file."""
    found = _export(request, format, purpose, packed=packed)
    later.add_task(found.drop)
    audit.record(site.of(request).store, person.account.id, "file.export", "", {"format": format, "purpose": purpose})
    media = "application/gzip" if packed else "application/x-ndjson"
    return FileResponse(found.path, media_type=media, filename=found.path.name, background=later)


@dataclass(frozen=True, slots=True)
class _Written:
    """An exported file in a folder of its own."""

    folder: tempfile.TemporaryDirectory[str]
    path: Path
    report: object

    def drop(self) -> None:
        """Remove it."""
        self.folder.cleanup()


def _export(request: Request, name: str, purpose: str, *, packed: bool = False) -> _Written:
    if name not in EXPORTS or purpose not in ("train", "evaluate"):
        raise HTTPException(404, f"there is no such export; formats: {', '.join(EXPORTS)}")
    folder = tempfile.TemporaryDirectory(prefix="heedful-export-")
    path = Path(folder.name) / f"{name}-{purpose}.jsonl{'.gz' if packed else ''}"
    try:
        report = export_file(site.of(request).store, path, format=name, purpose=cast(Purpose, purpose))
    except BaseException:
        folder.cleanup()
        raise
    return _Written(folder, path, report)


def _look(here: Site, name: str, owner: str, format_: str, campaign: str, skip_bad: str) -> Look:
    path = _uploads(here).path(name, owner)
    dataset = named(path, lambda: read(path, format=format_, campaign=campaign or None, skip_bad=skip_bad == "yes"))
    records = {
        "prompts": dataset.prompts,
        "completions": dataset.completions,
        "annotators": dataset.annotators,
        "questions": dataset.questions,
        "judgements": dataset.judgements,
    }
    return Look(
        name=name,
        file=path.name,
        dataset=dataset,
        counts={noun: len(some) for noun, some in records.items()},
        new=unseen(here.store, dataset),
        kinds=Counter(question.kind for question in dataset.questions),
        samples=_samples(dataset),
    )


def _samples(dataset: Dataset) -> list[tuple[str, str, Sequence[str]]]:
    prompts = {prompt.id: prompt.as_text() for prompt in dataset.prompts}
    texts = {completion.id: completion.text for completion in dataset.completions}
    asked: list[tuple[str, str, Sequence[str]]] = [
        (question.kind, prompts[question.prompt_id], [texts[name] for name in question.completion_ids])
        for question in dataset.questions[:SAMPLE_ROWS]
    ]
    return asked or [("prompt", text, ()) for text in list(prompts.values())[:SAMPLE_ROWS]]


def _uploads(here: Site) -> Uploads:
    found = here.shared.setdefault("uploads", Uploads())
    assert isinstance(found, Uploads)
    return found


def _page(request: Request, problem: Problem | None = None, sent: Mapping[str, str] | None = None) -> Response:
    return render(
        request,
        "import.html",
        status_code=400 if problem else 200,
        formats=[shape.name for shape in FORMATS],
        exports=EXPORTS,
        problem=problem,
        sent={"format": "auto", "campaign": "", "skip_bad": "", **(sent or {})},
    )
