"""Whole datasets out and in, in the formats of `heedful.feedback.exchange`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Literal

from fastapi import APIRouter, Form, Query, UploadFile
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from heedful.errors import Problem
from heedful.feedback import exchange
from heedful.feedback.formats import exports
from heedful.web.api import shapes
from heedful.web.api.fields import STORABLE
from heedful.web.api.replies import answers
from heedful.web.api.scopes import Read, TheStore, Write

router = APIRouter(tags=["exchange"])

MEMORY_BYTES = 8 * 2**20
"""A longer export waits on the disk while it is sent."""

PIECE_BYTES = 256 * 2**10

JSONL = "application/x-ndjson"


class Imported(BaseModel):
    """What a file held, and how much of it was new."""

    format: str = Field(description="The shape that was detected or named.")
    rows: int
    duplicates: int = Field(description="Rows that say exactly what an earlier row says.")
    skipped_rows: int
    skipped: list[shapes.Fault] = Field(description="Why rows were skipped: the first of them.")
    notes: dict[str, int] = Field(description="What deserves a look, and how often.")
    added: dict[str, int] = Field(description="By kind of record: how many the store did not have.")


Stem = Annotated[str, Form(max_length=200, pattern=STORABLE)]


@router.get("/exports/formats", **answers())
def formats(person: Read) -> list[str]:
    """The formats in which judgements are written."""
    return list(exports.NAMES)


@router.get(
    "/exports/{format}",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "One JSON object a line.",
            "content": {JSONL: {"schema": {"type": "string"}, "example": '{"prompt": "...", "chosen": "..."}\n'}},
        },
        **answers()["responses"],
    },
)
def export(
    store: TheStore,
    person: Read,
    format: Literal["preference", "conversational", "unpaired", "prompt-completion", "heedful"],  # noqa: A002
    purpose: Annotated[shapes.Purpose, Query(description="Of the questions; `heedful` writes both.")] = "train",
) -> StreamingResponse:
    """The judgements that hold as a dataset in JSON Lines; nothing is sent before all of it is known to be whole."""
    # The file outlives this function: it is closed, and gone, when the last piece was sent.
    file = tempfile.SpooledTemporaryFile(MEMORY_BYTES)  # noqa: SIM115
    try:
        for line in exchange.export_lines(store, format=format, purpose=purpose):
            file.write(line.encode())
    except Problem as problem:
        file.close()
        raise Problem(problem.what, where=format, mend=problem.mend) from None  # nobody needs to know our folders
    name = f"{format}-{purpose}.jsonl"
    return StreamingResponse(
        _pieces(file), media_type=JSONL, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


@router.post("/imports", status_code=201, **answers(409))
def import_(
    store: TheStore,
    person: Write,
    file: UploadFile,
    format: Annotated[Stem, Form(description="A shape's name, or `auto`: detected from the rows.")] = "auto",  # noqa: A002
    campaign: Annotated[Stem, Form(description="Of the questions; by default what the file says.")] = "",
    skip_bad: Annotated[bool, Form(description="Leave bad rows out instead of refusing the file.")] = False,
) -> Imported:
    """Store a dataset file (JSON or JSON Lines, gzipped or not): all of it or nothing; twice adds nothing."""
    named = Path(file.filename or "upload.jsonl").name.replace("\0", "")[-100:] or "upload.jsonl"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / named
        with path.open("wb") as out:
            while piece := file.file.read(PIECE_BYTES):
                out.write(piece)
        try:
            report = exchange.import_file(store, path, format=format, skip_bad=skip_bad, campaign=campaign or None)
        except Problem as problem:
            problem.where = problem.where.replace(str(path), named)  # nobody needs to know our folders
            raise
    return Imported(
        format=report.format,
        rows=report.rows,
        duplicates=report.duplicates,
        skipped_rows=report.skipped_rows,
        skipped=[
            shapes.Fault(what=each.what, where=each.where.replace(str(path), named), mend=each.mend)
            for each in report.skipped
        ],
        notes=dict(report.notes),
        added=dict(report.added),
    )


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while piece := file.read(PIECE_BYTES):
            yield piece
