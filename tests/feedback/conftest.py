"""Stores to test on: SQLite always, PostgreSQL as well when HEEDFUL_TEST_POSTGRES holds the URL of a database.

That database is emptied before each test; give it one of its own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from heedful.feedback.store import Store
from heedful.records import Annotator, Completion, Judgement, Prompt, Question

POSTGRES = os.environ.get("HEEDFUL_TEST_POSTGRES", "")

PEOPLE = ("ann", "bob", "cem")


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "empty.db"
    Store.open(path).close()
    return path


@pytest.fixture(params=["sqlite", *(["postgresql"] if POSTGRES else [])])
def location(request: pytest.FixtureRequest, tmp_path: Path, empty_database: Path) -> str:
    if request.param == "sqlite":
        shutil.copy(empty_database, tmp_path / "store.db")
        return str(tmp_path / "store.db")
    emptied: Callable[[], str] = request.getfixturevalue("emptied_postgres")
    return emptied()


@pytest.fixture
def store(location: str) -> Iterator[Store]:
    with Store.open(location) as opened:
        yield opened


@pytest.fixture
def fill(store: Store) -> Callable[..., list[Question]]:
    """Add the annotators ann, bob and cem, and questions q0, q1, ... each about a prompt of its own.

    The completions of q0 read "q0 text 0", "q0 text 1", ...
    """

    def add(
        count: int = 1,
        *,
        kind: str = "comparison",
        completions: int = 2,
        name: str = "q",
        **fields: object,
    ) -> list[Question]:
        prompts = [Prompt(f"{name}{i}-prompt", text=f"{name}{i} prompt") for i in range(count)]
        texts = [
            Completion(f"{name}{i}-{k}", prompts[i].id, f"{name}{i} text {k}", "v0")
            for i in range(count)
            for k in range(completions)
        ]
        questions = [
            Question(
                f"{name}{i}",
                kind,
                prompts[i].id,
                tuple(f"{name}{i}-{k}" for k in range(completions)),
                **fields,  # type: ignore[arg-type]  # the caller names fields of Question
            )
            for i in range(count)
        ]
        people = [Annotator(person) for person in PEOPLE]
        store.add_everything(prompts=prompts, completions=texts, annotators=people, questions=questions)
        return questions

    return add


@pytest.fixture
def says(store: Store) -> Callable[..., Judgement]:
    """Submit an answer: `says("ann", "q0", choice="a")`; its id is `ann-q0`, or what `as_id` says."""

    def submit(
        person: str, question: str, *, as_id: str = "", supersedes: str | None = None, **answer: object
    ) -> Judgement:
        judgement = Judgement(as_id or f"{person}-{question}", question, person, answer, supersedes=supersedes)
        store.submit(judgement)
        return judgement

    return submit
