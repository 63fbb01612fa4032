"""A copy of a store on a PostgreSQL server, made by the server's own programs while people work, and checked.

`pg_dump` writes what one transaction sees, and in that transaction the rows of every table are counted. The copy is
then restored into a scratch database and counted there; where that cannot be, `pg_restore` reads all of it and its rows
are counted as they pass. The server refuses programs that are older than it. With newer ones a copy is read, not
restored: they set what an older server does not know. The password goes by the environment, never by the command line.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from sqlalchemy import URL, Connection, NullPool, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from heedful.errors import Problem
from heedful.feedback.database import translated
from heedful.feedback.store import Store

PLACES = "/usr/lib/postgresql/*/bin"
"""Where the server's programs lie when they are not on the PATH, from the root folder on."""

Rows = Mapping[tuple[str, str], int]
"""Schema and table -> rows."""


@dataclass(frozen=True, slots=True)
class Dump:
    """What a checked copy holds."""

    rows: Mapping[str, int]
    """Table -> rows; of tables in other schemas than the store's the name is `schema.table`."""
    check: str
    """How the copy was checked, in words."""


@dataclass(frozen=True, slots=True)
class Programs:
    """`pg_dump` and `pg_restore` of one version."""

    folder: Path
    version: int
    """The first number of it, as in 18."""

    def run(self, name: str, arguments: list[str], environment: Mapping[str, str]) -> None:
        """Run one of them to its end.

        Raises:
            Problem: it failed; the last line that it printed is told.
        """
        with self.open(name, arguments, environment) as lines:
            lines.read()

    @contextmanager
    def open(self, name: str, arguments: list[str], environment: Mapping[str, str]) -> Iterator[IO[bytes]]:
        """What one of them writes, to be read to its end; then it raises as `run` does."""
        command = [str(self.folder / name), *arguments]
        with TemporaryFile() as said:
            with subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
            ) as process:
                assert process.stdout is not None
                try:
                    yield process.stdout
                except BaseException:
                    process.kill()
                    raise
            said.seek(0)
            told = said.read().decode(errors="replace").strip().splitlines()
        if process.returncode:
            why = next((line for line in told if "error:" in line), told[-1] if told else "without a word")
            mend = "free some space" if "No space left" in why else "mend what it says, then run the same command again"
            raise Problem(f"{name} failed: {why}", mend=mend)


def dump(store: Store, target: Path, name: Path) -> Dump:
    """Write the store's whole database to the file `target`, in `pg_dump`'s custom format, and check it.

    Args:
        store: an open store on a server; others may use it meanwhile.
        target: the file; readable by its owner only.
        name: what the file is called in the end, for messages.

    Raises:
        Problem: the programs are missing or too old, one of them failed, or the copy does not hold every row.
    """
    with store.writing() as connection:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        server = (connection.dialect.server_version_info or (0,))[0]
        programs = find(int(server), f"pg_dump --format=custom --file={name} {_address(store.location)}")
        snapshot = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # it holds password hashes
        arguments = ["--format=custom", f"--snapshot={snapshot}", f"--file={target}"]
        url = connection.engine.url
        where, environment = _reach(url)
        programs.run("pg_dump", [*arguments, "--no-password", f"--dbname={where}"], environment)
        expected = counted(connection)
        here = connection.execute(text("SELECT current_schema()")).scalar_one()
        may_restore = programs.version == server and bool(connection.execute(text(_MAY_CREATE)).scalar())
    found = restored(programs, target, url) if may_restore else None
    check = "restored into a scratch database and counted there" if found is not None else "read to its end and counted"
    found = read(programs, target) if found is None else found
    for table in sorted({*expected, *found}):
        if found.get(table) != expected.get(table):
            raise Problem(
                f"the copy is damaged: the table {'.'.join(table)} has {found.get(table, 'no')} rows, "
                f"not {expected.get(table, 'none')}",
                where=str(name),
                mend="check the disk, then make another",
            )
    return Dump({name if schema == here else f"{schema}.{name}": rows for (schema, name), rows in found.items()}, check)


def find(server: int, command: str) -> Programs:
    """The programs that fit a server: of its own version, else of the next one.

    Args:
        server: the first number of the server's version.
        command: what to run by hand where there are none.

    Raises:
        Problem: there are none, or only older ones.
    """
    on_path = shutil.which("pg_dump")
    folders = {*([Path(on_path).parent] if on_path else []), *Path("/").glob(PLACES.lstrip("/"))}
    both = [
        folder for folder in sorted(folders) if all((folder / name).is_file() for name in ("pg_dump", "pg_restore"))
    ]
    found = [Programs(folder, version) for folder in both if (version := _version(folder / "pg_dump"))]
    fit = [each for each in found if each.version >= server]
    if fit:
        return min(fit, key=lambda each: each.version)
    if found:
        newest = max(each.version for each in found)
        what = f"pg_dump is of version {newest} here, and the server of version {server}, which it cannot read"
    else:
        what = "this store is on a PostgreSQL server, and its programs pg_dump and pg_restore are not here"
    mend = f"install postgresql-client-{server}, or run `{command}` where they are"
    raise Problem(what, mend=mend)


def counted(connection: Connection) -> Rows:
    """The rows of every table of a database that a dump holds."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    return {
        (schema, name): int(
            connection.exec_driver_sql(f"SELECT count(*) FROM {quote(schema)}.{quote(name)}").scalar_one()  # noqa: S608 - quoted
        )
        for schema, name in connection.execute(text(_TABLES)).all()
    }


def restored(programs: Programs, source: Path, url: URL) -> Rows | None:
    """The rows of a copy in a scratch database, which is dropped again; None where the server lets nobody make one.

    That may be for its rights (an extension that an administrator put there) or its space: the copy is none the worse.
    """
    scratch = f"heedful_check_{uuid.uuid4().hex[:12]}"
    server = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    try:
        with server.connect() as connection:
            like = "ENCODING '{}' LC_COLLATE 'C' LC_CTYPE 'C'".format(
                connection.execute(text("SELECT current_setting('server_encoding')")).scalar_one()
            )
            connection.execute(text(f"CREATE DATABASE {scratch} TEMPLATE template0 {like}"))
    except DBAPIError:
        return None
    try:
        there = create_engine(url.set(database=scratch), poolclass=NullPool)
        where, environment = _reach(there.url)
        arguments = ["--no-owner", "--no-privileges", "--exit-on-error", "--no-password", f"--dbname={where}"]
        programs.run("pg_restore", [*arguments, str(source)], environment)
        with there.connect() as connection:
            return counted(connection)
    except (Problem, DBAPIError):
        return None
    finally:
        with translated(str(source)), server.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {scratch} WITH (FORCE)"))


def read(programs: Programs, source: Path) -> Rows:
    """The rows of a copy, counted while `pg_restore` reads it to its end; a row is a line between COPY and `\\.`.

    Raises:
        Problem: it cannot be read.
    """
    rows: dict[tuple[str, str], int] = {}
    table: tuple[str, str] | None = None
    with programs.open("pg_restore", ["--data-only", "--file=-", str(source)], {}) as lines:
        for line in lines:
            if table is not None and line.rstrip(b"\r\n") == b"\\.":
                table = None
            elif table is not None:
                rows[table] += 1
            elif found := _COPY.match(line):
                schema, name = (_plain(part.decode()) for part in found.groups())
                table = (schema, name)
                rows[table] = 0
    return rows


_COPY = re.compile(rb'COPY ("(?:[^"]|"")+"|[^". ]+)\.("(?:[^"]|"")+"|[^" ]+) .*FROM stdin;')

_TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
  )
"""
_MAY_CREATE = "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _version(program: Path) -> int:
    try:
        said = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return 0
    found = re.search(r"(\d+)", said)
    return int(found[1]) if found else 0


def _reach(url: URL) -> tuple[str, dict[str, str]]:
    """How the programs reach a database: a description of it without the password, and the environment."""
    from psycopg.conninfo import make_conninfo

    given = {"host": url.host, "port": url.port, "user": url.username, "dbname": url.database}
    given |= {key: value if isinstance(value, str) else ",".join(value) for key, value in url.query.items()}
    password = given.pop("password", None) or url.password
    given.pop("sslpassword", None)
    where = make_conninfo("", **{key: value for key, value in given.items() if value is not None})
    return where, {"LC_MESSAGES": "C", **({"PGPASSWORD": str(password)} if password else {})}


def _address(location: str) -> str:
    """The address as PostgreSQL's own programs take it; they ask for the password, or read it from ~/.pgpass."""
    url = make_url(location)
    return str(URL.create("postgresql", url.username, host=url.host, port=url.port, database=url.database))
