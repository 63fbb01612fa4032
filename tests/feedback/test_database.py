from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from heedful.errors import Problem
from heedful.feedback import database
from heedful.feedback.store import Store
from heedful.records import Prompt


def digest(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.is_file()}


def test_a_new_file_is_made_and_found_again(tmp_path: Path) -> None:
    with Store.open(tmp_path / "new.db") as store:
        store.add_prompts([Prompt.of("hello")])
    with Store.open(str(tmp_path / "new.db"), create=False) as store:
        assert store.prompts() == [Prompt.of("hello")]
    with Store.open(f"sqlite:///{tmp_path / 'new.db'}") as store:
        assert store.prompts() == [Prompt.of("hello")]


def test_sqlite_writes_ahead_synchronously_and_checks_references(tmp_path: Path) -> None:
    with Store.open(tmp_path / "new.db") as store, store.reading() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


def test_a_missing_folder_is_one_problem(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="no such folder"):
        Store.open(tmp_path / "nowhere" / "store.db")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="this is a folder"):
        Store.open(tmp_path)


def test_a_missing_file_is_not_made_when_it_is_to_exist(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="no such database"):
        Store.open(tmp_path / "store.db", create=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"prompt,chosen,rejected\n", b"SQLite", b"\0" * 5000])
def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pairs.csv"
    path.write_bytes(content)
    with pytest.raises(Problem, match="not an SQLite database"):
        Store.open(path)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"SQLite format 3\0" + b"rubbish" * 1000)
    before = digest(tmp_path)
    with pytest.raises(Problem, match="cannot be read"):
        Store.open(path)
    assert digest(tmp_path) == before


def test_a_database_of_another_program_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE prompts (words TEXT)")
        connection.commit()
    before = digest(tmp_path)
    with pytest.raises(Problem, match="belongs to another program"):
        Store.open(path)
    assert digest(tmp_path) == before


def test_a_newer_schema_is_left_as_it_is(tmp_path: Path, empty_database: Path) -> None:
    path = tmp_path / "store.db"
    shutil.copy(empty_database, path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE heedful_schema SET version_num = '9999'")
        connection.commit()
    before = digest(tmp_path)
    with pytest.raises(Problem, match=r"(?s)schema 9999.*newer.*upgrade heedful"):
        Store.open(path)
    assert digest(tmp_path) == before


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "store.db").touch()
    with Store.open(tmp_path / "store.db") as store:
        assert store.prompts() == []


OPEN_AS_NOBODY = """
import os, sys
sys.path[:0] = {path!r}
from heedful.errors import Problem
from heedful.feedback.store import Store
if os.geteuid() == 0:  # root may write anywhere
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    Store.open(sys.argv[1])
except Problem as problem:
    print(problem.what)
"""


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that other users can enter; pytest's own folders are closed to them."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("exists", [True, False])
def test_a_read_only_folder_is_one_problem(open_to_all: Path, empty_database: Path, exists: bool) -> None:
    folder = open_to_all / "locked"
    folder.mkdir()
    if exists:
        shutil.copy(empty_database, folder / "store.db")
    folder.chmod(0o555)
    before = digest(folder)
    try:
        program = OPEN_AS_NOBODY.format(path=sys.path)
        command = [sys.executable, "-c", program, str(folder / "store.db")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        folder.chmod(0o755)
    assert done.stdout == "no permission to write to the database\n", done.stderr
    assert digest(folder) == before


@pytest.mark.parametrize(
    ("location", "said"),
    [
        (":memory:", "needs a file"),
        ("", "needs a file"),
        ("sqlite://", "does not know databases of the kind sqlite"),
        ("mysql://root@localhost/x", "does not know databases of the kind mysql"),
        ("postgresql://user@host:port/x", "not a database URL"),
    ],
)
def test_a_location_that_cannot_be_used_is_one_problem(location: str, said: str) -> None:
    with pytest.raises(Problem, match=said):
        Store.open(location)


@pytest.mark.parametrize("host", ["127.0.0.1:1", "no-such-host.invalid"])
def test_a_server_that_does_not_answer_is_one_problem_without_the_password(host: str) -> None:
    with pytest.raises(Problem, match="cannot be reached") as caught:
        Store.open(f"postgresql://someone:secret@{host}/nothing")
    assert "secret" not in str(caught.value)


def test_postgresql_is_tried() -> None:
    if not os.environ.get("HEEDFUL_TEST_POSTGRES"):
        pytest.skip("set HEEDFUL_TEST_POSTGRES to the URL of an empty database to run the store's tests on it too")
    from sqlalchemy.engine import make_url

    assert make_url(os.environ["HEEDFUL_TEST_POSTGRES"]).get_backend_name() == "postgresql"


def test_a_transaction_that_raises_leaves_nothing(store: Store) -> None:
    def write_and_fail() -> None:
        with store.writing() as connection:
            connection.exec_driver_sql("INSERT INTO snapshots (hash) VALUES ('x')")
            assert connection.exec_driver_sql("SELECT hash FROM snapshots").scalar() == "x"
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    with store.reading() as connection:
        assert connection.exec_driver_sql("SELECT hash FROM snapshots").all() == []


def test_a_locked_database_is_one_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store.open(tmp_path / "store.db").close()
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.01)
    with Store.open(tmp_path / "store.db") as store, closing(sqlite3.connect(tmp_path / "store.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Problem, match="another process kept the database busy"):
            store.add_prompts([Prompt.of("x")])
        other.rollback()
        assert store.add_prompts([Prompt.of("x")]) == 1


def test_a_full_disk_is_one_problem_and_nothing_is_stored(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.db") as store:
        with store.reading() as connection:  # the pool gives the same connection again
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(Problem, match="the disk is full"):
            store.add_prompts([Prompt.of(f"{i} " * 2000) for i in range(100)])
        assert store.prompts() == []


def test_other_errors_of_the_database_keep_their_name(store: Store) -> None:
    from sqlalchemy.exc import DBAPIError

    with pytest.raises(DBAPIError), store.reading() as connection:
        connection.exec_driver_sql("SELECT * FROM no_such_table")


def test_processes_that_open_a_new_database_at_once_make_it_once(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from heedful.feedback.store import Store\n"
        "from heedful.records import Prompt\n"
        "Store.open(sys.argv[1]).add_prompts([Prompt.of(sys.argv[2])])\n"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "store.db"), name], stderr=subprocess.PIPE)
        for name in "abcd"
    ]
    said = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0] * 4, said
    with Store.open(tmp_path / "store.db", create=False) as store:
        assert sorted(prompt.text for prompt in store.prompts()) == ["a", "b", "c", "d"]


def test_text_that_no_database_can_be_asked_for_is_a_problem(store: Store) -> None:
    with pytest.raises(Problem, match="surrogate"):
        store.judgements(annotator_id="\ud800")
    if "://" in store.location:
        with pytest.raises(Problem, match="NUL"):
            store.judgements(annotator_id="a\0b")
    else:
        assert store.judgements(annotator_id="a\0b") == [], "SQLite can be asked"
