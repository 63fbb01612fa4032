"""Files that are whole or absent: everything is written beside its place and renamed into it."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

LEFTOVER_S = 24 * 3600
"""After this many seconds a half-written file is taken to be a killed writer's."""


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` make a file or folder at a temporary path, then rename it to `path`.

    A crash at any moment leaves either the old content or the new, never a mixture. A folder already at
    `path` is moved aside first and removed last; for the moment between two renames there is none at `path`, and the
    old one lies beside it as `.<name>.<id>.old`. What a killed writer of the same path left is swept up by a later one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        write(temporary)
        _flush_to_disk(temporary)
        if path.is_dir():
            aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.old")
            path.rename(aside)
            temporary.rename(path)
            shutil.rmtree(aside)
        else:
            temporary.replace(path)
    except BaseException:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)
        raise
    _sweep(path)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""

    def write(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    write_atomically(path, write)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with sorted keys, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def _sweep(path: Path) -> None:
    """Remove leftovers of writers of `path` that were killed: those so old that nobody can still be writing them."""
    for ending in ("partial", "old"):
        for left in path.parent.glob(f".{glob.escape(path.name)}.????????.{ending}"):
            with contextlib.suppress(OSError):
                if time.time() - left.stat().st_mtime > LEFTOVER_S:
                    shutil.rmtree(left) if left.is_dir() else left.unlink()


def _flush_to_disk(path: Path) -> None:
    """Ask the operating system to put a file, or every file below a folder, on the disk."""
    for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
