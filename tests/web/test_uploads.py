from __future__ import annotations

import io
import time
from pathlib import Path

import pytest
from fastapi import UploadFile

from heedful.errors import Problem
from heedful.web.uploads import KEPT_S, PASTED, Uploads, kept, named


def sent(name: str, content: bytes = b"{}") -> UploadFile:
    return UploadFile(io.BytesIO(content), filename=name)


def test_a_file_waits_for_its_owner_under_a_name_nobody_guesses() -> None:
    uploads = Uploads()
    name = uploads.keep(sent("votes.jsonl", b"rows"), "", "olga")
    path = uploads.path(name, "olga")
    assert (path.name, path.read_bytes()) == ("votes.jsonl", b"rows")
    assert len(name) == 43
    with pytest.raises(Problem, match="not here any more"):
        uploads.path(name, "rita")
    uploads.forget(name)
    with pytest.raises(Problem, match="not here any more"):
        uploads.path(name, "olga")


def test_pasted_text_is_a_file_too() -> None:
    uploads = Uploads()
    path = uploads.path(uploads.keep(None, '{"prompt": "?"}', "olga"), "olga")
    assert (path.name, path.read_text()) == (PASTED, '{"prompt": "?"}')
    with pytest.raises(Problem, match="no file"):
        uploads.keep(sent(""), "  ", "olga")


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "x" * 43, "..", "a/b"])
def test_a_name_that_was_not_given_finds_nothing(name: str) -> None:
    uploads = Uploads()
    with pytest.raises(Problem):
        uploads.path(name, "olga")
    uploads.forget(name)


def test_old_files_are_swept_away() -> None:
    now = time.time()
    uploads = Uploads(lambda: now)
    old = uploads.keep(None, "old", "olga")
    now += KEPT_S + 60
    uploads.keep(None, "new", "olga")
    with pytest.raises(Problem):
        uploads.path(old, "olga")


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("../../votes.jsonl", "votes.jsonl"),
        ("C:\\data\\votes.jsonl", "votes.jsonl"),
        ("a\0b\n.jsonl", "a_b_.jsonl"),
        ("..", PASTED),
        ("Yıldız 1.jsonl", "Yıldız 1.jsonl"),
    ],
)
def test_a_file_keeps_its_name_without_tricks(given: str, plain: str) -> None:
    with kept(sent(given), "") as path:
        assert path.name == plain
        assert path.is_file()
    assert not path.exists()


def test_problems_name_the_file_as_its_sender_knows_it(tmp_path: Path) -> None:
    path = tmp_path / "votes.jsonl"

    def fail() -> None:
        raise Problem("this is wrong", where=f"{path}, line 3", mend=f"mend {path}")

    with pytest.raises(Problem) as caught:
        named(path, fail)
    assert (caught.value.where, caught.value.mend) == ("votes.jsonl, line 3", "mend votes.jsonl")
    assert named(path, lambda: 7) == 7
