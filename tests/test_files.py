"""Files are whole or absent, whatever happens while they are written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from heedful.files import write_atomically, write_json, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_text_is_written_as_utf8_and_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "note.txt"
    write_text(path, "Grüße")
    write_text(path, "¡hola!")
    assert path.read_bytes() == b"\xc2\xa1hola!"
    assert names(path.parent) == ["note.txt"]


def test_json_has_sorted_keys_readable_letters_and_a_final_newline(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"b": [1, 2.5], "a": "ü"})
    assert (tmp_path / "x.json").read_text(encoding="utf-8") == ('{\n  "a": "ü",\n  "b": [\n    1,\n    2.5\n  ]\n}\n')


def test_a_failing_write_leaves_the_old_file_and_no_scrap(tmp_path: Path) -> None:
    write_text(tmp_path / "x.txt", "old")

    def fail(path: Path) -> None:
        path.write_text("half of the n")
        raise RuntimeError("the program stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_atomically(tmp_path / "x.txt", fail)
    assert names(tmp_path) == ["x.txt"]
    assert (tmp_path / "x.txt").read_text() == "old"


def test_a_value_that_is_no_json_leaves_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"a": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", {"a": object()})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 1}
    assert names(tmp_path) == ["x.json"]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    def fill(name: str, folder: Path) -> None:
        (folder / "inner").mkdir(parents=True)
        (folder / "inner" / name).write_text(name)

    write_atomically(tmp_path / "model", lambda folder: fill("first", folder))
    write_atomically(tmp_path / "model", lambda folder: fill("second", folder))
    assert names(tmp_path) == ["model"]
    assert names(tmp_path / "model" / "inner") == ["second"]


def test_a_failing_folder_leaves_the_old_folder_and_no_scrap(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_text("old")

    def fail(folder: Path) -> None:
        folder.mkdir()
        (folder / "weights").write_text("new")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "model", fail)
    assert names(tmp_path) == ["model"]
    assert (tmp_path / "model" / "weights").read_text() == "old"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_process_killed_while_writing_leaves_the_old_content(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "x"
    if kind == "file":
        target.write_text("old")
        body = "path.write_text('half')"
    else:
        target.mkdir()
        (target / "w").write_text("old")
        body = "path.mkdir(); (path / 'w').write_text('half')"
    program = (
        "import os, signal\nfrom pathlib import Path\nfrom heedful.files import write_atomically\n"
        f"def write(path):\n    {body}\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        f"write_atomically(Path({str(target)!r}), write)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == -9
    assert (target if kind == "file" else target / "w").read_text() == "old"
    visible = [name for name in names(tmp_path) if not name.startswith(".")]
    assert visible == ["x"]


def test_what_killed_writers_left_is_swept_up_once_it_is_old(tmp_path: Path) -> None:
    left = {
        name: tmp_path / name for name in (".x[1].0123abcd.partial", ".x[1].89abcdef.old", ".x[1].00000000.partial")
    }
    stranger = tmp_path / ".other.0123abcd.partial"
    for path in (*left.values(), stranger):
        path.mkdir() if path.suffix == ".old" else path.write_text("half")
    for path in (left[".x[1].0123abcd.partial"], left[".x[1].89abcdef.old"], stranger):
        os.utime(path, (0, 0))
    write_text(tmp_path / "x[1]", "whole")
    assert names(tmp_path) == [".other.0123abcd.partial", ".x[1].00000000.partial", "x[1]"]
