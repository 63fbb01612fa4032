"""What an import would add, found out without writing anything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Table

from heedful.feedback import answers
from heedful.feedback.exchange import Dataset
from heedful.feedback.intake import rows_by
from heedful.feedback.store import Store
from heedful.feedback.tables import annotators, completions, prompts, questions


def unseen(store: Store, dataset: Dataset) -> dict[str, int]:
    """How many of a dataset's records the store does not have, by kind of record, judgements by (question, person)."""
    with store.reading() as connection:
        newest = answers.newest(connection, [question.id for question in dataset.questions])
        return {
            "prompts": _new(connection, prompts, dataset.prompts),
            "completions": _new(connection, completions, dataset.completions),
            "annotators": _new(connection, annotators, dataset.annotators),
            "questions": _new(connection, questions, dataset.questions),
            "judgements": sum((one.question_id, one.annotator_id) not in newest for one in dataset.judgements),
        }


def _new(connection: Connection, table: Table, records: Iterable[Any]) -> int:
    ids = {record.id for record in records}
    return len(ids) - len(rows_by(connection, table.c.id, ids, table.c.id))
