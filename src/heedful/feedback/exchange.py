"""Files in and out: every dataset shape of the field becomes records of the store, and records become datasets.

    read("pairs.jsonl")                                     # records and counts, no store
    import_file(store, "votes.jsonl.gz")                    # all of it or nothing, in one transaction
    export_file(store, "pairs.jsonl", format="preference")

Importing a file twice adds nothing: ids follow from content, and the annotator of a file that names nobody is named
after the file. The shapes stand in `heedful.feedback.formats` and in docs/exchange.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from heedful.errors import Problem
from heedful.feedback import answers
from heedful.feedback.formats import detected, exports, named, unknown
from heedful.feedback.formats.entries import Format
from heedful.feedback.formats.gathering import Gathering
from heedful.feedback.formats.reports import ExportReport, ImportReport
from heedful.feedback.formats.rows import Row, read_rows
from heedful.feedback.store import Purpose, Store
from heedful.records import Annotator, Completion, Judgement, Prompt, Question

SHOWN_SKIPS = 20
"""So many skipped rows are listed with their reasons; all are counted."""

PROGRESS_ROWS = 500
"""`on_progress` is told after so many rows, and at the end."""

OnProgress = Callable[[int], None]
"""Told how many rows have been read."""

__all__ = ["Dataset", "ExportReport", "ImportReport", "export_file", "export_lines", "import_file", "read"]


@dataclass(frozen=True, slots=True)
class Dataset:
    """A file as records, and what was found on the way."""

    file: str
    format: str
    """The shape that was detected or named."""
    rows: int
    """Rows that were read; those skipped are not among them."""
    duplicates: int
    """Rows among them that say exactly what an earlier row says; they are kept once."""
    skipped_rows: int
    skipped: tuple[Problem, ...]
    """Why rows were skipped: the first `SHOWN_SKIPS`, each with file, line, field and how to mend it."""
    notes: Mapping[str, int]
    """What deserves a look, and how often: `{"empty completions": 4}`."""
    prompts: tuple[Prompt, ...]
    completions: tuple[Completion, ...]
    annotators: tuple[Annotator, ...]
    questions: tuple[Question, ...]
    judgements: tuple[Judgement, ...]

    def demonstrations(self) -> tuple[int, int]:
        """How many answers to imitate there are: after a prompt, and plain texts (after the empty prompt)."""
        empty = Prompt.of("").id
        asked = {question.id: question.prompt_id == empty for question in self.questions if _demonstrates(question)}
        plain = [asked[judgement.question_id] for judgement in self.judgements if judgement.question_id in asked]
        return plain.count(False), plain.count(True)


def read(
    path: str | Path,
    *,
    format: str = "auto",  # noqa: A002 - the argument's name on the command line and in the docs
    skip_bad: bool = False,
    campaign: str | None = None,
    on_progress: OnProgress | None = None,
) -> Dataset:
    """Read a dataset file into records.

    Args:
        path: JSON or JSON Lines, either gzipped or not; told by content, not by name.
        format: the name of a shape, or "auto": the shape is detected from the rows.
        skip_bad: leave bad rows out, count and list them, instead of stopping at the first.
        campaign: of the questions; by default what the file says, else "import".
        on_progress: told now and then how many rows have been read.

    Raises:
        Problem: the file cannot be read; without `skip_bad` a bad row, named by file, line and field; with it no
            row is good.
    """
    path = Path(path)
    shape = None if format == "auto" else named(format)
    gathering = Gathering(_stem(path), campaign)
    skipped: list[Problem] = []
    skipped_rows = count = 0
    for count, row in enumerate(read_rows(path), start=1):
        try:
            if isinstance(row, Problem):
                raise row
            parse = _shape_of(row, shape) if format == "auto" else shape
            shape = shape or parse
            gathering.take(row, list(parse.parse(row)) if parse else [])
        except Problem as problem:
            if not skip_bad:
                raise
            skipped_rows += 1
            skipped += [problem] if skipped_rows <= SHOWN_SKIPS else []
        if on_progress and count % PROGRESS_ROWS == 0:
            on_progress(count)
    if on_progress and count % PROGRESS_ROWS:
        on_progress(count)
    if not gathering.rows or shape is None:
        why = skipped[0] if skipped else Problem("there is no row")
        raise Problem(f"no row is good; the first: {why.what}", where=why.where or str(path), mend=why.mend)
    return Dataset(
        file=str(path),
        format=shape.name,
        rows=gathering.rows,
        duplicates=gathering.duplicates,
        skipped_rows=skipped_rows,
        skipped=tuple(skipped),
        notes=dict(gathering.notes),
        prompts=tuple(gathering.prompts.values()),
        completions=tuple(gathering.completions.values()),
        annotators=tuple(gathering.annotators.values()),
        questions=gathering.questions(),
        judgements=tuple(gathering.judgements.values()),
    )


def import_file(
    store: Store,
    path: str | Path,
    *,
    format: str = "auto",  # noqa: A002 - the argument's name on the command line and in the docs
    skip_bad: bool = False,
    campaign: str | None = None,
    on_progress: OnProgress | None = None,
) -> ImportReport:
    """Read a dataset file and store what is new, in one transaction after everything was read.

    Args:
        store: where the records go.
        path, format, skip_bad, campaign, on_progress: as for `read`.

    Raises:
        Problem: as for `read`; or the store holds another answer of an annotator to the same question, or other
            content under an id of the file. Nothing was stored.
    """
    dataset = read(path, format=format, skip_bad=skip_bad, campaign=campaign, on_progress=on_progress)
    added = store.add_everything(
        prompts=dataset.prompts,
        completions=dataset.completions,
        annotators=dataset.annotators,
        questions=dataset.questions,
        judgements=_not_stored(store, dataset),
    )
    demonstrations, texts = dataset.demonstrations()
    return ImportReport(
        file=dataset.file,
        format=dataset.format,
        rows=dataset.rows,
        duplicates=dataset.duplicates,
        skipped_rows=dataset.skipped_rows,
        skipped=dataset.skipped,
        notes=dataset.notes,
        prompts=len(dataset.prompts),
        completions=len(dataset.completions),
        annotators=len(dataset.annotators),
        questions=len(dataset.questions),
        judgements=len(dataset.judgements),
        demonstrations=demonstrations,
        texts=texts,
        added=added,
    )


def export_file(
    store: Store,
    path: str | Path,
    *,
    format: str,  # noqa: A002 - the argument's name on the command line and in the docs
    purpose: Purpose = "train",
) -> ExportReport:
    """Write the store's judgements as a dataset in JSON Lines, whole or not at all.

    Args:
        store: whose judgements are written: those that hold, in the order in which their questions arrived.
        path: a name that ends in .gz is gzipped. An existing file is replaced.
        format: "preference" (prompt, chosen, rejected, and margin where there is one), "conversational" (the same
            as lists of turns), "unpaired" (prompt, completion, label), "prompt-completion", or "heedful", the
            only one that loses nothing.
        purpose: of the questions, so that what evaluates never slips into a training file. "heedful" writes both,
            each row with its purpose.

    Raises:
        Problem: an unknown format, a folder in the way, nothing to write, or prompts that the format cannot say.
    """
    path = Path(path)
    if path.is_dir():
        raise Problem("this is a folder, not a file", where=str(path), mend="name a file in it")
    export = exports.write(store, path, format, purpose)
    return ExportReport(str(path), format, export.rows, export.left_out, export.notes)


def export_lines(
    store: Store,
    *,
    format: str,  # noqa: A002 - the argument's name on the command line and in the docs
    purpose: Purpose = "train",
) -> Iterator[str]:
    """The rows of `export_file` as lines of JSON, one at a time, for whoever sends them on.

    Raises:
        Problem: as `export_file`; all but prompts that the format cannot say before the first line.
    """
    return exports.lines(store, format, purpose)


def _stem(path: Path) -> str:
    """The file's name without what tells its packing: packing a file does not make its annotator another."""
    return path.name.removesuffix(".gz").removesuffix(".jsonl").removesuffix(".json") or path.name


def _shape_of(row: Row, earlier: Format | None) -> Format:
    """The shape of a row in a file whose earlier rows had the shape `earlier`."""
    found = detected(row)
    if earlier is None:
        if found is None:
            raise unknown(row)
        return found
    if found is None:
        return earlier  # whose own message says what the row lacks
    if (found.family or found.name) != (earlier.family or earlier.name):
        raise row.problem(
            f"this row is of the shape {found.name}, the rows before it are of the shape {earlier.name}",
            mend="split the file by shape, or name one with format=",
        )
    return found


def _not_stored(store: Store, dataset: Dataset) -> list[Judgement]:
    """The judgements that the store does not hold, whatever their ids: an annotator answers a question once."""
    with store.reading() as connection:
        newest = answers.newest(connection, [question.id for question in dataset.questions])
    stored = {held.id: held for held in store.judgements(current=False, ids=list(newest.values()))}
    new = []
    for judgement in dataset.judgements:
        person = (judgement.question_id, judgement.annotator_id)
        if person not in newest:
            new.append(judgement)
        elif stored[newest[person]].answer != judgement.answer:
            raise Problem(
                f'the store holds another answer of annotator "{judgement.annotator_id}" to the question'
                f' "{judgement.question_id}"',
                where=dataset.file,
                mend="an answer is changed by a judgement that supersedes it, not by an import; remove the vote",
            )
    return new


def _demonstrates(question: Question) -> bool:
    return question.kind == "demonstration"
