"""Files that settings name: what is wrong with one is said in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from heedful.errors import Problem
from heedful.stages.wording import read_rules, read_template, read_words


def written(folder: Path, content: str | bytes) -> str:
    path = folder / "words.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def test_no_file_is_no_text(tmp_path: Path) -> None:
    assert read_words("", "the context", "write") == ""
    assert read_template("", "the question", ["a"]) == ""
    assert read_words(written(tmp_path, "be kind\n"), "the context", "write") == "be kind\n"


def test_a_file_that_is_missing_empty_or_no_text_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="the context cannot be read"):
        read_words(str(tmp_path / "nothing"), "the context", "write")
    for content, words in ((b"\xff\xfe", "cannot be read"), (" \n", "is empty")):
        with pytest.raises(Problem, match=f"the context {words}"):
            read_words(written(tmp_path, content), "the context", "write")


def test_a_template_has_its_places(tmp_path: Path) -> None:
    assert read_template(written(tmp_path, "{a} or {b}?\nIt is\n"), "the question", ["a", "b"]) == "{a} or {b}?\nIt is"
    with pytest.raises(Problem, match=r"the question lacks \{b\}"):
        read_template(written(tmp_path, "{a}?"), "the question", ["a", "b"])


def test_rules_are_lines(tmp_path: Path) -> None:
    assert read_rules(written(tmp_path, "# manners\nbe kind\n\n  be brief \n")) == ["be kind", "be brief"]
    with pytest.raises(Problem, match="--rules FILE"):
        read_rules("")
    with pytest.raises(Problem, match="holds none"):
        read_rules(written(tmp_path, "# nothing\n"))
