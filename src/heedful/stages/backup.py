"""`heedful backup`: a checked copy of the project's store, made while people work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from heedful.feedback.backup import Backup, backup, is_file
from heedful.stages.console import progress, say
from heedful.stages.project import Project


@dataclass(frozen=True)
class Config:
    """Copy the store to a file while the server runs, and check the copy."""

    project: Path
    """The project's folder."""
    file: Path
    """The copy: an SQLite file that takes the place of heedful.db when it is needed; of a store on PostgreSQL an
    archive for pg_restore. It must not be there yet."""
    database: str = ""
    """The store, when it is not the one that the project names: the --database of `heedful serve`."""


def run(config: Config) -> Backup:
    """Copy, open the copy, check it and count its rows.

    Raises:
        Problem: the file is there already, the disk is full, the copy is not whole, or the store is on a PostgreSQL
            server and its programs are not here (the command to run elsewhere is named).
    """
    project = Project.open(config.project, config.database)
    with project.store as store, progress("Pages" if is_file(store) else "Copies and checks", None) as advance:
        before = 0

        def told(done: int, _total: int) -> None:
            nonlocal before
            advance(done - before)
            before = done

        made = backup(store, config.file, told)
    counted = ", ".join(f"{made.rows[name]:,} {name}" for name in ("questions", "judgements", "accounts"))
    say(f"{config.file} holds {counted}; {made.bytes / 2**20:.1f} MiB, {made.check}.")
    return made
