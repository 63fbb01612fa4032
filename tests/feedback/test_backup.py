from __future__ import annotations

import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from heedful.errors import Problem
from heedful.feedback.accounts import accounts
from heedful.feedback.backup import backup, checked, is_file
from heedful.feedback.store import Store
from heedful.records import Judgement, Question

Fill = Callable[..., list[Question]]
Says = Callable[..., Judgement]


@pytest.fixture
def file(store: Store) -> Store:
    if not is_file(store):
        pytest.skip("a server's copy is tested in test_dump")
    return store


def test_a_copy_is_a_whole_store(file: Store, fill: Fill, says: Says, tmp_path: Path) -> None:
    fill(3)
    says("ann", "q0", choice="a")
    accounts.create(file, "olga", "Olga", None, "owner")
    made = backup(file, tmp_path / "copy.db")
    assert (made.rows["questions"], made.rows["judgements"], made.rows["accounts"]) == (3, 1, 1)
    assert made.bytes == (tmp_path / "copy.db").stat().st_size
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    with Store.open(tmp_path / "copy.db", create=False) as copy:
        assert copy.judgements() == file.judgements()
        assert copy.questions() == file.questions()
        assert [account.login for account in accounts.all_accounts(copy)] == ["olga"]
        copy.submit(Judgement("later", "q1", "ann", {"choice": "b"}))


def test_people_go_on_judging_while_it_is_made(file: Store, fill: Fill, tmp_path: Path) -> None:
    fill(300)
    stop = threading.Event()
    sent = 0

    def judge() -> None:
        nonlocal sent
        while not stop.is_set() and sent < 300:
            file.submit(Judgement(f"j{sent}", f"q{sent}", "ann", {"choice": "a"}))
            sent += 1

    thread = threading.Thread(target=judge)
    thread.start()
    made = backup(file, tmp_path / "copy.db")
    stop.set()
    thread.join()
    assert made.rows["judgements"] <= sent
    assert checked(tmp_path / "copy.db").rows["judgements"] == made.rows["judgements"]


def test_nothing_is_overwritten_and_nothing_half_is_left(file: Store, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("mine")
    with pytest.raises(Problem, match="such a file already"):
        backup(file, tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "mine"
    with pytest.raises(Problem, match="no such folder"):
        backup(file, tmp_path / "nowhere" / "copy.db")


def test_progress_is_told(file: Store, fill: Fill, tmp_path: Path) -> None:
    fill(50)
    told: list[tuple[int, int]] = []
    backup(file, tmp_path / "copy.db", lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] > 0


def test_a_damaged_copy_is_found(file: Store, fill: Fill, tmp_path: Path) -> None:
    fill(200)
    made = backup(file, tmp_path / "copy.db")
    content = bytearray(made.path.read_bytes())
    for page in range(20, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    made.path.write_bytes(content)
    with pytest.raises(Problem, match="damaged"):
        checked(made.path)


def test_rows_that_refer_to_nothing_are_found(file: Store, fill: Fill, tmp_path: Path) -> None:
    fill(1)
    made = backup(file, tmp_path / "copy.db")
    with closing(sqlite3.connect(made.path)) as connection, connection:
        connection.execute("DELETE FROM prompts")
    with pytest.raises(Problem, match="refer to others"):
        checked(made.path)
