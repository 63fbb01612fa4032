"""A copy of a running store, made while people work, and checked by opening it.

SQLite's own online backup copies a consistent state without keeping anybody waiting. For PostgreSQL see `dump`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from heedful.errors import Problem
from heedful.feedback.database import BUSY_TIMEOUT_S, translated
from heedful.feedback.dump import dump
from heedful.feedback.schema import metadata
from heedful.feedback.store import Store
from heedful.files import write_atomically

PAGES = 2000
"""So many pages of the database are copied at a time; in between others may write."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy that was opened, checked and counted."""

    path: Path
    bytes: int
    rows: Mapping[str, int]
    """Table -> rows in the copy."""
    check: str = "every page checked"
    """How the copy was checked, in words."""


def is_file(store: Store) -> bool:
    """Whether the store is an SQLite file, rather than a database on a server."""
    return "://" not in store.location or store.location.startswith("sqlite:")


def backup(store: Store, target: Path, on_progress: Callable[[int, int], None] | None = None) -> Backup:
    """Copy the store to the file `target`, whole or not at all, and check the copy.

    Args:
        store: an open store; others may use it meanwhile.
        target: the copy: an SQLite file that `Store.open` opens, or from a server an archive for `pg_restore`.
        on_progress: told how many pages of how many have been copied; nothing is told of a server's.

    Raises:
        Problem: the target exists or its folder does not; the disk is full; the copy is not whole; the store is on a
            server whose programs are not here.
    """
    if target.exists():
        raise Problem("there is such a file already", where=str(target), mend="give another name")
    if not target.resolve().parent.is_dir():
        raise Problem("there is no such folder", where=str(target.parent), mend="make it, or check the path")
    found: list[Backup] = []

    def write(place: Path) -> None:
        if is_file(store):
            with translated(str(target)):
                _copy(Path(store.location), place, on_progress)
            found.append(checked(place))
        else:
            made = dump(store, place, target)
            found.append(Backup(place, place.stat().st_size, made.rows, made.check))

    write_atomically(target, write)
    return replace(found[0], path=target)


def checked(path: Path) -> Backup:
    """Open a copy as a store would be opened, let SQLite check every page and reference, and count its rows.

    Raises:
        Problem: something in it is damaged or missing.
    """
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            [said] = connection.execute("PRAGMA integrity_check(1)").fetchone()
            strays = connection.execute("PRAGMA foreign_key_check").fetchall()
            rows = {name: _count(connection, name) for name in sorted(metadata.tables)}
        except sqlite3.DatabaseError as error:
            raise _damaged(path, str(error)) from error
    if said != "ok" or strays:
        raise _damaged(path, said if said != "ok" else f"{len(strays)} rows refer to others that are not there")
    return Backup(path, path.stat().st_size, rows)


def forget_log(store: Store) -> None:
    """Work off SQLite's write-ahead log and empty it, so that what was deleted is in neither of its files.

    While others read or write it stays as it is, until somebody works it off.
    """
    if is_file(store):
        with closing(sqlite3.connect(store.location, timeout=BUSY_TIMEOUT_S)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _copy(source: Path, target: Path, on_progress: Callable[[int, int], None] | None) -> None:
    def told(_status: int, remaining: int, total: int) -> None:
        if on_progress is not None:
            on_progress(total - remaining, total)

    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)  # it holds password hashes
    os.close(descriptor)
    location = f"{source.resolve().as_uri()}?mode=ro"
    with (
        closing(sqlite3.connect(location, uri=True, timeout=BUSY_TIMEOUT_S)) as store,
        closing(sqlite3.connect(target)) as copy,
    ):
        try:
            store.backup(copy, pages=PAGES, progress=told, sleep=0.01)
            copy.execute("PRAGMA journal_mode = DELETE").fetchone()
        except sqlite3.OperationalError as error:
            raise Problem(
                f"the copy could not be written ({error})", where=str(target), mend="look for space"
            ) from error


def _count(connection: sqlite3.Connection, table: str) -> int:
    [count] = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - one of our own names
    return int(count)


def _damaged(path: Path, said: str) -> Problem:
    return Problem(f"the copy is damaged ({said})", where=str(path), mend="check the disk, then make another")
