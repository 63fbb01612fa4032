"""The store: the one bridge between people and machines. Records go in, records come out.

    with Store.open("project.db") as store:
        store.add_everything(prompts=prompts, completions=completions, questions=questions)
        store.submit(judgement)
        store.judgements(campaign="round-1")

Every method is one transaction: it is done wholly or not at all, and what it has acknowledged survives a crash.
Adding twice is adding once. Readers answer in the order of arrival. A store may be used from several threads and
opened by several processes at once; after a fork, open it anew.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Engine, Row, Table, select

from heedful.errors import Problem
from heedful.feedback import answers, database, intake, rows, tables
from heedful.feedback.questions import withdrawn
from heedful.records import Annotator, Completion, Judgement, Model, Prompt, Question

Names = str | Sequence[str]
"""One name, or several."""

Purpose = Literal["train", "evaluate"]


class Store:
    """Prompts, completions, questions, annotators, judgements and models. Make it with `Store.open`."""

    def __init__(self, engine: Engine, location: str) -> None:
        self.location = location
        """The path or URL, without a password; for messages."""
        self._engine = engine
        self._finalizer = weakref.finalize(self, engine.dispose)

    @classmethod
    def open(cls, location: str | Path, create: bool = True) -> Store:
        """Open the database at `location` and bring it to the newest schema.

        Args:
            location: the path of a .db file (SQLite), or a URL: `postgresql://user@host/name`.
            create: make the database when it does not exist; its folder must exist.

        Raises:
            Problem: the folder is missing or read-only, the file is no database or another program's, the schema
                is newer than this code, or the server cannot be reached; in each case nothing was changed.
        """
        return cls(*database.open_engine(location, create=create))

    def close(self) -> None:
        """Let go of the database. Using the store again opens it again."""
        self._engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection to read from, for this room's other modules; on SQLite it sees one state throughout."""
        return database.transaction(self._engine, self.location, writes=False)

    def writing(self) -> AbstractContextManager[Connection]:
        """One write transaction, for this room's other modules."""
        return database.transaction(self._engine, self.location, writes=True)

    # In

    def add_prompts(self, prompts: Iterable[Prompt]) -> int:
        """Store prompts that are new (by id); returns how many.

        Raises:
            Problem: another text is stored under the same id.
        """
        return self.add_everything(prompts=prompts)["prompts"]

    def add_completions(self, completions: Iterable[Completion]) -> int:
        """Store completions that are new (by id); returns how many.

        Raises:
            Problem: the prompt is unknown, or another text is stored under the same id.
        """
        return self.add_everything(completions=completions)["completions"]

    def add_annotators(self, annotators: Iterable[Annotator]) -> int:
        """Store annotators that are new (by id); returns how many. Known ones keep their name and metadata."""
        return self.add_everything(annotators=annotators)["annotators"]

    def add_questions(self, questions: Iterable[Question]) -> int:
        """Store questions that are new (by id); returns how many. Known ones keep their campaign and overlap.

        Raises:
            Problem: an unknown kind, prompt or completion, or a field that is out of its range.
        """
        return self.add_everything(questions=questions)["questions"]

    def add_everything(
        self,
        *,
        prompts: Iterable[Prompt] = (),
        completions: Iterable[Completion] = (),
        annotators: Iterable[Annotator] = (),
        questions: Iterable[Question] = (),
        judgements: Iterable[Judgement] = (),
    ) -> dict[str, int]:
        """Store all that is new, in one transaction: all of it, or after a `Problem` none of it.

        Returns:
            How many were new, by the names of the arguments.

        Raises:
            Problem: as the single methods do.
        """
        with self.writing() as connection:
            return {
                "prompts": intake.add_prompts(connection, list(prompts)),
                "completions": intake.add_completions(connection, list(completions)),
                "annotators": intake.add_annotators(connection, list(annotators)),
                "questions": intake.add_questions(connection, list(questions)),
                "judgements": answers.submit(connection, list(judgements)),
            }

    def submit(self, judgement: Judgement) -> bool:
        """Store an answer; False when this very answer is stored already.

        An answer is taken even when its lease has expired: nobody's work is thrown away.

        Raises:
            Problem: it is not a valid answer to its question, or its id carries another answer.
        """
        return self.submit_many([judgement]) == 1

    def submit_many(self, judgements: Iterable[Judgement]) -> int:
        """Store answers in one transaction; returns how many are new.

        Raises:
            Problem: one of them is not valid; none is stored.
        """
        return self.add_everything(judgements=judgements)["judgements"]

    # Out

    def prompts(self, ids: Iterable[str] | None = None) -> list[Prompt]:
        """All prompts, or those with the `ids`, in their order.

        Raises:
            Problem: an id is unknown.
        """
        with self.reading() as connection:
            return [rows.prompt_of(row) for row in _select(connection, tables.prompts, ids)]

    def completions(
        self,
        ids: Iterable[str] | None = None,
        policy: Names | None = None,
        prompt_ids: Iterable[str] | None = None,
    ) -> list[Completion]:
        """All completions, or those with the `ids` (in their order), of a policy, of some prompts.

        Raises:
            Problem: an id is unknown.
        """
        table = tables.completions
        wanted = None if prompt_ids is None else set(prompt_ids)
        filters = _filters((table.c.policy, policy))
        if wanted is not None and len(wanted) <= intake.CHUNK:
            filters.append(table.c.prompt_id.in_(sorted(wanted)))
        with self.reading() as connection:
            found = _select(connection, table, ids, *filters)
        return [rows.completion_of(row) for row in found if wanted is None or row.prompt_id in wanted]

    def annotators(self, retracted: bool = False) -> list[Annotator]:
        """All annotators who stand, or with `retracted` those who were retracted."""
        column = tables.annotators.c.retracted
        with self.reading() as connection:
            found = _select(connection, tables.annotators, None, column.is_not(None) if retracted else column.is_(None))
        return [rows.annotator_of(row) for row in found]

    def questions(
        self,
        campaign: Names | None = None,
        purpose: Purpose | None = None,
        kind: Names | None = None,
        ids: Iterable[str] | None = None,
    ) -> list[Question]:
        """All questions, or those of a campaign, purpose and kind, or with the `ids` (in their order).

        Raises:
            Problem: an id is unknown.
        """
        filters = _question_filters(campaign, purpose, kind)
        with self.reading() as connection:
            found = _select(connection, tables.questions, ids, *filters)
            shown = intake.completion_ids_of(connection, (row.id for row in found))
        return [rows.question_of(row, shown[row.id]) for row in found]

    def judgements(
        self,
        campaign: Names | None = None,
        purpose: Purpose | None = None,
        annotator_id: Names | None = None,
        current: bool = True,
        kind: Names | None = None,
        ids: Iterable[str] | None = None,
    ) -> list[Judgement]:
        """The judgements of a campaign, purpose, kind and annotator, or with the `ids` (in their order).

        Args:
            campaign: of the question, one name or several.
            purpose: of the question.
            annotator_id: one or several.
            current: only what holds: not superseded, withdrawn or set aside, and not from a retracted annotator.
                Otherwise every event there ever was.
            kind: of the question.
            ids: of the judgements.

        Raises:
            Problem: an id is unknown, or (with `current`) no longer holds.
        """
        table = tables.judgements
        filters = _filters((table.c.annotator_id, annotator_id))
        of_questions = _question_filters(campaign, purpose, kind)
        if of_questions:
            filters.append(table.c.question_id.in_(select(tables.questions.c.id).where(*of_questions)))
        if current:
            filters += answers.holding()
        with self.reading() as connection:
            found = [rows.judgement_of(row) for row in _select(connection, table, ids, *filters)]
        return [judgement for judgement in found if not (current and withdrawn(judgement.answer))]

    # Models

    def add_model(self, model: Model) -> bool:
        """Store a model; False when this very model is stored already.

        Raises:
            Problem: its parent or snapshot is unknown, another model has its id, or its snapshot holds a judgement
                of an `evaluate` question, on which nothing may be trained.
        """
        with self.writing() as connection:
            return intake.add_model(connection, model)

    def models(self, kind: Literal["policy", "reward"] | None = None) -> list[Model]:
        """All models, or those of a kind, in the order in which they were made."""
        with self.reading() as connection:
            return [
                rows.model_of(row)
                for row in _select(connection, tables.models, None, *_filters((tables.models.c.kind, kind)))
            ]

    def model(self, model_id: str) -> Model:
        """One model.

        Raises:
            Problem: there is no such model.
        """
        with self.reading() as connection:
            return rows.model_of(_select(connection, tables.models, [model_id])[0])


def _filters(*pairs: tuple[Any, Names | None]) -> list[ColumnElement[bool]]:
    return [
        column == value if isinstance(value, str) else column.in_(list(value))
        for column, value in pairs
        if value is not None
    ]


def _question_filters(campaign: Names | None, purpose: str | None, kind: Names | None) -> list[ColumnElement[bool]]:
    table = tables.questions
    return _filters((table.c.campaign, campaign), (table.c.purpose, purpose), (table.c.kind, kind))


def _select(
    connection: Connection, table: Table, ids: Iterable[str] | None, *filters: ColumnElement[bool]
) -> Sequence[Row[Any]]:
    """Rows in the order of arrival, or of `ids`, each of which must be there."""
    if ids is None:
        return connection.execute(select(table).where(*filters).order_by(table.c.number)).all()
    wanted = list(ids)
    found: dict[str, Row[Any]] = {} if filters else intake.rows_by(connection, table.c.id, wanted)
    for chunk in intake.chunks(list(dict.fromkeys(wanted))) if filters else ():
        found |= {row.id: row for row in connection.execute(select(table).where(table.c.id.in_(chunk), *filters))}
    missing = [name for name in wanted if name not in found]
    if missing:
        raise Problem(f'there is no {table.name.removesuffix("s")} "{missing[0]}" here', where="the store")
    return [found[name] for name in wanted]
