"""The one error that people see: what is wrong, where, and how to mend it.

Code raises `Problem` wherever the cause lies outside heedful itself (a file, a setting, a database, a
user's function). The command line prints it without a traceback and exits with status 2; anything else
that escapes is a defect of ours and keeps its traceback.
"""

from __future__ import annotations

import errno
import os


class Problem(Exception):
    """Something the user can mend.

    Args:
        what: one sentence that says what is wrong, without a final full stop needed.
        where: file, row and field, as far as they are known: `votes.jsonl, line 7, field "prompt"`.
        mend: how to put it right.
    """

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        self.what, self.where, self.mend = what, where, mend
        super().__init__(str(self))

    def __str__(self) -> str:
        parts = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.mend:
            parts.append(f"To mend it: {self.mend}")
        return "\n".join(parts)


class Conflict(Problem):
    """It contradicts what is stored: another record has its id, or something else came first."""


class Unavailable(Problem):
    """It cannot be done just now, whatever was asked for: the database is busy, full or out of reach."""


def from_os_error(error: OSError) -> Problem:
    """The same fault of the machine (disk full, no permission, missing file) as a `Problem`."""
    where = os.fspath(error.filename) if isinstance(error.filename, str | bytes | os.PathLike) else ""
    where = where.decode() if isinstance(where, bytes) else where
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return Problem("the disk is full", where=where, mend="free some space and run the same command again")
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return Problem(
                "no permission to read or write here", where=where, mend="check owner and mode of the folder"
            )
        case errno.ENOENT:
            return Problem("there is no such file or folder", where=where, mend="check the path")
        case errno.ENOTDIR | errno.EEXIST | errno.EISDIR:
            what = "a file is where a folder should be, or a folder where a file should be"
            return Problem(what, where=where, mend="move what is in the way elsewhere")
        case _:
            return Problem(error.strerror or str(error), where=where)
