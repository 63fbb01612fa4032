"""Files that people send: kept for a while under a name that only their sender knows, and then gone.

What is sent is looked at first (`/import` shows what it would add) and stored only when its owner says so; meanwhile
it lies in a folder of this process, for `KEPT_S` at most.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from fastapi import UploadFile

from heedful.errors import Problem

Value = TypeVar("Value")

KEPT_S = 3600.0
PASTED = "pasted.jsonl"
"""The name of what was pasted; a file that names nobody is its own annotator, by this name."""

_NAME = re.compile(r"[A-Za-z0-9_-]{43}")


class Uploads:
    """The files that wait for a decision."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Begin with none; `clock` gives seconds."""
        self._folder = Path(tempfile.mkdtemp(prefix="heedful-uploads-"))
        self._clock = clock
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def keep(self, file: UploadFile | None, text: str, owner: str) -> str:
        """Keep a file, or text that was pasted, for its owner; returns the name by which it is asked for.

        Raises:
            Problem: there is neither.
        """
        self._sweep()
        if (file is None or not file.filename) and not text.strip():
            raise Problem("there is no file", mend="choose one, or paste some lines")
        name = secrets.token_urlsafe(32)
        folder = self._folder / name
        folder.mkdir(mode=0o700)
        (folder / "owner").write_text(owner, encoding="utf-8")
        (folder / "content").mkdir()
        _write(folder / "content", file, text)
        return name

    def path(self, name: str, owner: str) -> Path:
        """Where a kept file is.

        Raises:
            Problem: it is not there any more, or somebody else's.
        """
        folder = self._folder / name
        if not _NAME.fullmatch(name) or not folder.is_dir():
            raise _gone()
        if (folder / "owner").read_text(encoding="utf-8") != owner:
            raise _gone()
        return next((folder / "content").iterdir())

    def forget(self, name: str) -> None:
        """Throw a file away."""
        if _NAME.fullmatch(name):
            shutil.rmtree(self._folder / name, ignore_errors=True)

    def _sweep(self) -> None:
        for folder in self._folder.iterdir():
            if self._clock() - folder.stat().st_mtime > KEPT_S:
                shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def kept(file: UploadFile | None, text: str) -> Iterator[Path]:
    """A sent file, or pasted text, as a file for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="heedful-upload-") as folder:
        yield _write(Path(folder), file, text)


def named(path: Path, act: Callable[[], Value]) -> Value:
    """What `act` gives; a problem that it raises names the file as its sender knows it."""
    try:
        return act()
    except Problem as problem:
        raise told(problem, path) from None


def told(problem: Problem, path: Path) -> Problem:
    """The same problem without the folder in which the file happens to lie."""
    return Problem(
        problem.what.replace(str(path), path.name),
        where=problem.where.replace(str(path), path.name),
        mend=problem.mend.replace(str(path), path.name),
    )


def _write(folder: Path, file: UploadFile | None, text: str) -> Path:
    if file is None or not file.filename:
        path = folder / PASTED
        path.write_text(text, encoding="utf-8")
        return path
    path = folder / _plain_name(file.filename)
    with path.open("wb") as target:
        shutil.copyfileobj(file.file, target)
    return path


def _plain_name(name: str) -> str:
    """A file's name without folders, control characters and tricks."""
    last = re.split(r"[/\\]", name)[-1]
    plain = re.sub(r"[^\w. -]", "_", last).strip(" .")[-120:]
    return plain or PASTED


def _gone() -> Problem:
    return Problem("this file is not here any more", mend="send it again; a file waits for an hour at most")
