"""On a real server, with its own programs; what needs one is skipped where there is none."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from heedful.errors import Problem
from heedful.feedback import dump as dumping
from heedful.feedback.accounts import accounts
from heedful.feedback.backup import backup
from heedful.feedback.dump import Programs, find, read
from heedful.feedback.store import Store
from heedful.records import Judgement, Prompt, Question

Fill = Callable[..., list[Question]]
Says = Callable[..., Judgement]
POSTGRES = os.environ.get("HEEDFUL_TEST_POSTGRES", "")
HOSTILE = "\\.\n\\.\nCOPY public.accounts (id) FROM stdin;\nx\t\\N\r\n\\\\."


@pytest.fixture
def location(request: pytest.FixtureRequest) -> str:
    if not POSTGRES:
        pytest.skip("set HEEDFUL_TEST_POSTGRES to the URL of an empty database")
    emptied: Callable[[], str] = request.getfixturevalue("emptied_postgres")
    return emptied()


@pytest.fixture
def filled(store: Store, fill: Fill, says: Says) -> Store:
    fill(3)
    says("ann", "q0", choice="a", reason=HOSTILE)
    store.add_prompts([Prompt("hostile", text=HOSTILE)])
    accounts.create(store, "olga", "Olga", None, "owner")
    return store


def server(statement: str) -> list[Any]:
    """Run a statement on the server's own database."""
    engine = create_engine(make_url(POSTGRES).set(database="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        found = connection.execute(text(statement))
        rows = [row[0] for row in found] if found.returns_rows else []
    engine.dispose()
    return rows


def scratch() -> list[Any]:
    return server("SELECT datname FROM pg_database WHERE datname LIKE 'heedful_check%'")


def interfere(monkeypatch: pytest.MonkeyPatch, act: Callable[[list[str]], object], name: str = "pg_dump") -> None:
    """Let something happen just before one of the programs runs; it may change the arguments."""
    run = Programs.run

    def ran(self: Programs, program: str, arguments: list[str], environment: Any) -> None:
        if program == name:
            act(arguments)
        run(self, program, arguments, environment)

    monkeypatch.setattr(Programs, "run", ran)


def test_a_copy_restored_by_the_command_of_the_page_is_a_whole_store(filled: Store, tmp_path: Path) -> None:
    made = backup(filled, tmp_path / "monday.dump")
    assert (made.rows["questions"], made.rows["judgements"], made.rows["accounts"]) == (3, 1, 1)
    assert made.check == "restored into a scratch database and counted there"
    assert made.bytes == made.path.stat().st_size
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert scratch() == []
    before = filled.judgements()
    filled.submit(Judgement("late", "q1", "ann", {"choice": "b"}))
    address = dumping._address(POSTGRES)
    restore = find(1, "").folder / "pg_restore"
    command = [str(restore), "--clean", "--if-exists", "--no-owner", "--exit-on-error", f"--dbname={address}"]
    done = subprocess.run([*command, str(made.path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with Store.open(POSTGRES, create=False) as again:
        assert again.judgements() == before
        assert [one.text for one in again.prompts(["hostile"])] == [HOSTILE]
        again.submit(Judgement("later", "q1", "ann", {"choice": "b"}))


def test_what_is_written_meanwhile_waits_for_nobody_and_is_not_in_it(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(POSTGRES) as another:
        interfere(monkeypatch, lambda _: another.submit(Judgement("meanwhile", "q1", "ann", {"choice": "b"})))
        assert backup(filled, tmp_path / "monday.dump").rows["judgements"] == 1
    assert len(filled.judgements()) == 2


def test_no_password_is_on_a_command_line(tmp_path: Path, location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    popen = subprocess.Popen

    def opened(command: list[str], **options: Any) -> Any:
        seen.append((command, options.get("env", {}).get("PGPASSWORD")))
        return popen(command, **options)

    monkeypatch.setattr(subprocess, "Popen", opened)
    with Store.open(make_url(location).set(password="se cret").render_as_string(hide_password=False)) as store:
        backup(store, tmp_path / "monday.dump")
    ran = [(command, password) for command, password in seen if "--version" not in command]
    assert [Path(command[0]).name for command, _ in ran] == ["pg_dump", "pg_restore"]
    assert [password for _, password in ran] == ["se cret", "se cret"]
    assert not any("cret" in word for command, _ in ran for word in command)


def test_who_may_make_no_database_gets_a_copy_that_was_read(filled: Store, tmp_path: Path, location: str) -> None:
    server("DROP ROLE IF EXISTS heedful_reader")
    server("CREATE ROLE heedful_reader LOGIN IN ROLE pg_read_all_data")
    with Store.open(make_url(location).set(username="heedful_reader").render_as_string(False)) as seen:
        made = backup(seen, tmp_path / "monday.dump")
    assert made.check == "read to its end and counted"
    assert made.rows == backup(filled, tmp_path / "restored.dump").rows
    assert (made.rows["prompts"], made.rows["judgements"]) == (4, 1)


def test_a_copy_that_this_server_cannot_restore_is_read_instead(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An extension that an administrator made, say: what was dumped is whole."""
    interfere(monkeypatch, lambda arguments: arguments.append("--no-such-option"), "pg_restore")
    made = backup(filled, tmp_path / "monday.dump")
    assert (made.check, made.rows["judgements"]) == ("read to its end and counted", 1)
    assert scratch() == []


@pytest.mark.parametrize("may_restore", [True, False])
def test_a_copy_without_some_rows_is_found(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, may_restore: bool
) -> None:
    interfere(monkeypatch, lambda arguments: arguments.append("--exclude-table-data=judgements"))
    if not may_restore:
        monkeypatch.setattr(dumping, "restored", lambda *_: None)
    with pytest.raises(Problem, match=r"damaged: the table public\.judgements has (0|no) rows, not 1"):
        backup(filled, tmp_path / "monday.dump")
    assert list(tmp_path.iterdir()) == []
    assert scratch() == []


def test_a_copy_that_breaks_off_is_found(filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_off(arguments: list[str]) -> None:
        path = Path(arguments[-1])
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])

    interfere(monkeypatch, break_off, "pg_restore")
    with pytest.raises(Problem, match="pg_restore failed: pg_restore: error"):
        backup(filled, tmp_path / "monday.dump")
    assert scratch() == []
    (tmp_path / "half").write_bytes(b"PGDMP")
    with pytest.raises(Problem, match="pg_restore failed"):
        read(find(1, ""), tmp_path / "half")


# The programs


def programs(folder: Path, version: str) -> Path:
    """A folder with programs that say only of which version they are."""
    folder.mkdir(parents=True)
    for name in ("pg_dump", "pg_restore"):
        (folder / name).write_text(f'#!/bin/sh\necho "{name} (PostgreSQL) {version}"\n')
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Say which versions lie beside the server, and which is on the PATH."""

    def install(*versions: str, on_path: str = "") -> None:
        for version in versions:
            programs(tmp_path / "server" / version / "bin", version)
        path = programs(tmp_path / "path", on_path) if on_path else tmp_path
        monkeypatch.setenv("PATH", f"{path}:/nowhere")
        monkeypatch.setattr(dumping, "PLACES", f"{tmp_path}/server/*/bin")

    return install


def test_programs_of_the_servers_version_are_taken_else_the_next(
    installed: Callable[..., None], tmp_path: Path
) -> None:
    installed("14.2", "16.1", "18beta1", on_path="15.18")
    found = {server: find(server, "") for server in (14, 15, 16, 17, 18)}
    assert {server: each.version for server, each in found.items()} == {14: 14, 15: 15, 16: 16, 17: 18, 18: 18}
    assert found[15].folder == tmp_path / "path"
    assert found[16].folder == tmp_path / "server" / "16.1" / "bin"


def test_programs_that_are_too_old_are_named(installed: Callable[..., None]) -> None:
    installed("14.2", on_path="15.18")
    with pytest.raises(Problem, match="pg_dump is of version 15 here, and the server of version 18") as caught:
        find(18, "the command")
    assert "install postgresql-client-18, or run `the command`" in str(caught.value)


def test_without_programs_the_command_is_named(installed: Callable[..., None]) -> None:
    installed()
    with pytest.raises(Problem, match="pg_dump and pg_restore are not here") as caught:
        find(17, "the command")
    assert "postgresql-client-17, or run `the command` where they are" in str(caught.value)


def test_the_command_has_no_password() -> None:
    given = "postgresql+psycopg://ann:secret@db.example:5433/heedful"
    assert dumping._address(given) == "postgresql://ann@db.example:5433/heedful"
    where, environment = dumping._reach(make_url(f"{given}?sslmode=require&password=other"))
    assert sorted(where.split()) == ["dbname=heedful", "host=db.example", "port=5433", "sslmode=require", "user=ann"]
    assert environment["PGPASSWORD"] == "other"
