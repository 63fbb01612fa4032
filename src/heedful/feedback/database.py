"""Opening a database: the one place that knows SQLite from PostgreSQL.

SQLite runs in WAL mode with full synchronisation (an acknowledged answer survives a crash of the machine), foreign
keys on, and every write transaction begun by BEGIN IMMEDIATE: writers queue instead of failing half-way, which is
what keeps two processes from claiming the same place. PostgreSQL locks rows instead (see `campaigns`).
Migrations run in one transaction under a lock, so two processes that open a new database at once make it once.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from heedful.errors import Problem, Unavailable, from_os_error
from heedful.feedback.rows import json_text
from heedful.feedback.schema import metadata
from heedful.feedback.tables import HEAD, REVISION_QUERY, VERSION_TABLE
from heedful.feedback.turns import Turns

BUSY_TIMEOUT_S = 30
SCHEMA_LOCK = 4_836_205_117
"""The PostgreSQL advisory lock under which the schema is made; any number that no other program uses."""


def open_engine(location: str | Path, *, create: bool) -> tuple[Engine, str]:
    """The engine of the database at `location` (a path or URL) with the newest schema, and its name for messages.

    Raises:
        Problem: the folder is missing or read-only; the file is missing and `create` is false; it is no database,
            another program's, or of a newer schema; the server cannot be reached. The database is left as it was.
    """
    url = _url(location)
    name = url.database or "" if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)
    revision = _revision_of_file(Path(name), create=create) if url.get_backend_name() == "sqlite" else None
    engine = _engine(url, name)
    try:
        if url.get_backend_name() != "sqlite":
            revision = _revision_of_server(engine, name, create=create)
        else:
            _use_wal(engine, name)
        if revision != HEAD:
            _migrate(engine, revision, name)
    except BaseException:
        engine.dispose()
        raise
    return engine, name


@contextmanager
def transaction(engine: Engine, name: str, *, writes: bool) -> Iterator[Connection]:
    """One transaction: committed when the block ends, rolled back when it raises; faults become `Problem`."""
    turns = _turns.get(engine) if writes else None
    if turns is None:
        options = {} if writes or engine.dialect.name == "sqlite" else _READS
        with translated(name), engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection
        return
    with turns.mine(BUSY_TIMEOUT_S) as mine:
        if not mine:
            raise Unavailable(f"the database was busy for {BUSY_TIMEOUT_S} s", where=name, mend="try again")
        with (
            translated(name),
            engine.connect().execution_options(heedful_writes=True) as connection,
            connection.begin(),
        ):
            yield connection


_READS: dict[str, Any] = {"isolation_level": "AUTOCOMMIT"}
"""On PostgreSQL each statement of a transaction sees what was committed before it (READ COMMITTED), so for readers
BEGIN and COMMIT would be two journeys to the server for nothing."""

_turns: WeakKeyDictionary[Engine, Turns] = WeakKeyDictionary()
"""Of the open SQLite databases of this process."""


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Turn the database errors that users can mend (locked, full, unreachable) into `Unavailable`; others pass.

    Text that no database can hold, or be asked for, is a `Problem`.
    """
    try:
        yield
    except DBAPIError as error:
        said = str(error.orig)
        for sign, what, mend in _FAULTS:
            if sign in said:
                detail = f" ({said.splitlines()[0]})" if "server" in what else ""
                raise Unavailable(what + detail, where=name, mend=mend) from error
        if "NUL (0x00)" in said:  # PostgreSQL refuses it, even in what is only looked for
            raise Problem("a text holds the NUL character", mend="remove it") from error
        raise
    except UnicodeEncodeError as error:
        raise Problem("a text holds half a character (a lone surrogate)", mend="remove it") from error


_FAULTS = (
    ("database is locked", f"another process kept the database busy for {BUSY_TIMEOUT_S} s", "end it, or try again"),
    ("database or disk is full", "the disk is full", "free some space and run the same command again"),
    ("readonly database", "no permission to write to the database", "check owner and mode of the file and its folder"),
    ("unable to open database file", "the database cannot be opened", "check owner and mode of its folder"),
    ("disk image is malformed", "the database file is damaged", "put a backup in its place"),
    ("file is not a database", "the file is not an SQLite database", "give another path"),
    ("disk I/O error", "the disk failed while reading or writing", "check the disk, then run the same command again"),
    ("connection failed", "the database server cannot be reached", "check the address, and that the server runs"),
    ("failed to resolve host", "the database server cannot be reached", "check the address"),
    ("server closed the connection", "the database server went away", "run the same command again"),
    ("deadlock detected", "another process wrote the same records at the same moment", "run the same command again"),
    ("terminating connection", "the database server went away", "run the same command again"),
)


def _url(location: str | Path) -> URL:
    if isinstance(location, Path) or "://" not in location:
        if str(location) in ("", ":memory:"):
            raise Problem("the store needs a file", where=repr(str(location)), mend="give a path that ends in .db")
        return URL.create("sqlite", database=str(Path(location)))
    try:
        url = make_url(location)
    except (ArgumentError, ValueError) as error:
        raise Problem("this is not a database URL", mend="write it as postgresql://user@host/name") from error
    if url.drivername in ("postgres", "postgresql"):
        return url.set(drivername="postgresql+psycopg")
    if url.drivername == "postgresql+psycopg" or (url.drivername == "sqlite" and url.database):
        return url
    raise Problem(
        f"the store does not know databases of the kind {url.drivername}",
        mend="give a path to a .db file, or a URL that begins with postgresql://",
    )


def _engine(url: URL, name: str) -> Engine:
    try:
        engine = create_engine(url, json_serializer=json_text)
    except ModuleNotFoundError as error:
        raise Problem(
            f"the package {error.name} is missing", where=name, mend="pip install heedful[postgres]"
        ) from error
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _prepare_connection)
        event.listen(engine, "begin", _begin)
        _turns[engine] = Turns()
    return engine


def _prepare_connection(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # transactions are begun by `_begin`, never behind our back
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA recursive_triggers = ON")  # a REPLACE would delete past the append-only triggers


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("heedful_writes", False)
    driver: Any = connection.connection.driver_connection
    try:
        driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")  # past SQLAlchemy, which takes ten times as long
    except sqlite3.OperationalError as error:
        raise OperationalError("BEGIN", None, error) from error


def _use_wal(engine: Engine, name: str) -> None:
    with translated(name), closing(engine.raw_connection()) as connection:
        (mode,) = connection.cursor().execute("PRAGMA journal_mode").fetchone()
        if mode != "wal":
            connection.cursor().execute("PRAGMA journal_mode = WAL")


def _revision_of_file(path: Path, *, create: bool) -> str | None:
    """The schema revision of an SQLite file, looked at without writing; None for a new one."""
    folder = path.resolve().parent
    where = str(path)
    if not folder.is_dir():
        raise Problem("there is no such folder", where=str(folder), mend="make it, or check the path")
    if path.is_dir():
        raise Problem("this is a folder, not a database file", where=where, mend="give a path that ends in .db")
    if not path.exists() and not create:
        raise Problem("there is no such database", where=where, mend="check the path")
    if not os.access(folder, os.W_OK | os.X_OK) or (path.exists() and not os.access(path, os.R_OK | os.W_OK)):
        raise Problem(
            "no permission to write to the database",
            where=where,
            mend="check owner and mode of the file and its folder",
        )
    try:
        if not path.exists() or path.stat().st_size == 0:
            return None
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise from_os_error(error) from error
    if head != b"SQLite format 3\0":
        raise Problem("the file is not an SQLite database", where=where, mend="give another path; it was left as it is")
    tables, revision = _look_into(path)
    if revision is None and tables:
        raise Problem(
            "the database belongs to another program", where=where, mend="give another path; it was left as it is"
        )
    return _known(revision, where)


def _look_into(path: Path) -> tuple[set[str], str | None]:
    """The names of the tables of an SQLite file, and its revision where it is a store of ours."""
    # Opened for reading only, SQLite leaves its side files behind; for writing, it clears them away again, but works
    # off a write-ahead log that somebody else may have left. Neither is to happen to a database that is not ours.
    mode = "ro" if path.with_name(f"{path.name}-wal").exists() else "rw"
    location = f"{path.resolve().as_uri()}?mode={mode}"
    try:
        with closing(sqlite3.connect(location, uri=True, timeout=BUSY_TIMEOUT_S)) as connection:
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            row = connection.execute(REVISION_QUERY).fetchone() if VERSION_TABLE in tables else None
    except sqlite3.DatabaseError as error:
        busy = isinstance(error, sqlite3.OperationalError)
        mend = "end other programs that use it, then try again" if busy else "put a backup in its place"
        raise Problem(f"the database cannot be read ({error})", where=str(path), mend=mend) from error
    return tables, row[0] if row else None


def _revision_of_server(engine: Engine, name: str, *, create: bool) -> str | None:
    with transaction(engine, name, writes=False) as connection:
        tables = set(inspect(connection).get_table_names())
        found = connection.execute(text(REVISION_QUERY)) if VERSION_TABLE in tables else None
        revision = found.scalar() if found else None
    if revision is None and tables & set(metadata.tables):
        taken = ", ".join(sorted(tables & set(metadata.tables)))
        raise Problem(f"another program has tables of these names: {taken}", where=name, mend="give an empty database")
    if revision is None and not create:
        raise Problem("the database holds no store", where=name, mend="check the URL")
    return _known(revision, name)


def _known(revision: str | None, where: str) -> str | None:
    if revision in (None, HEAD) or any(_VERSIONS.glob(f"{revision}_*.py")):
        return revision
    raise Problem(
        f"the database has the schema {revision}, which is newer than this heedful knows ({HEAD})",
        where=where,
        mend="pip install --upgrade heedful; the database was left as it is",
    )


_MIGRATIONS = Path(__file__).parent / "migrations"
_VERSIONS = _MIGRATIONS / "versions"


def _migrate(engine: Engine, revision: str | None, name: str) -> None:
    from alembic import command
    from alembic.config import Config

    with transaction(engine, name, writes=True) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": SCHEMA_LOCK})
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        command.upgrade(config, "head")
