"""Every bad input gives one clear error that says where and how to mend it, and leaves the project as it was."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from heedful import cli

LETTERS = "abcdefghijklmnopqrstuvwxyz"

Spoil = Callable[[Path, Path], list[Any]]
"""(project, folder beside it) -> the arguments of a command that must fail."""

GOOD_ROW = {"prompt": "a b", "a": "c", "b": "d", "votes": [{"annotator": "x", "choice": "a"}]}


def rows(folder: Path, *found: Any, name: str = "rows.jsonl") -> Path:
    path = folder / name
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in found)
    path.write_text(text, encoding="utf-8")
    return path


def importing(*found: Any) -> Spoil:
    return lambda project, folder: ["import", project, rows(folder, *found)]


def without(field: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD_ROW.items() if key != field}


def missing_file(project: Path, folder: Path) -> list[Any]:
    return ["import", project, folder / "nothing.jsonl"]


def a_folder_instead_of_a_file(project: Path, folder: Path) -> list[Any]:
    return ["import", project, folder]


def truncated_gzip(project: Path, folder: Path) -> list[Any]:
    path = folder / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(GOOD_ROW).encode() * 50)[:-12])
    return ["import", project, path]


def not_utf8(project: Path, folder: Path) -> list[Any]:
    path = folder / "rows.jsonl"
    path.write_bytes(b'{"prompt": "\xff\xfe", "chosen": "a", "rejected": "b"}\n')
    return ["import", project, path]


def unknown_format(project: Path, folder: Path) -> list[Any]:
    return ["import", project, rows(folder, GOOD_ROW), "--format", "parquet"]


def prompt_longer_than_the_context(project: Path, folder: Path) -> list[Any]:
    cli.main(["import", str(project), str(rows(folder, {"prompt": "a " * 60, "split": "train"}))])
    for path in (project / "heedful.toml",):
        path.write_text(
            path.read_text(encoding="utf-8").replace("held_out = 0.3\n[collect]", "held_out = 0.01\n[collect]")
        )
    return ["collect", project, "--questions", 80]


def tokenizer_of_another_model(project: Path, folder: Path) -> list[Any]:
    mixed = _copy_of_model(project, folder)
    path = mixed / "tokenizer.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"e": 8', '"é": 8'), encoding="utf-8")
    return ["init", folder / "new", "--model", mixed]


def tokenizer_larger_than_the_model(project: Path, folder: Path) -> list[Any]:
    mixed = _copy_of_model(project, folder)
    path = mixed / "tokenizer.json"
    words = json.loads(path.read_text(encoding="utf-8"))
    words["model"]["vocab"] |= {f"word{i}": 30 + i for i in range(5)}
    path.write_text(json.dumps(words), encoding="utf-8")
    (mixed / "heedful.json").unlink()
    return ["init", folder / "new", "--model", mixed]


def weights_cut_off(project: Path, folder: Path) -> list[Any]:
    broken = _copy_of_model(project, folder)
    path = broken / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    return ["init", folder / "new", "--model", broken]


def no_such_model(project: Path, folder: Path) -> list[Any]:
    return ["init", folder / "new", "--model", folder / "nowhere"]


def a_folder_without_a_model(project: Path, folder: Path) -> list[Any]:
    (folder / "empty").mkdir()
    return ["init", folder / "new", "--model", folder / "empty"]


def init_in_a_folder_with_other_things(project: Path, folder: Path) -> list[Any]:
    return ["init", folder]


def init_twice(project: Path, folder: Path) -> list[Any]:
    return ["init", project]


def no_project(project: Path, folder: Path) -> list[Any]:
    return ["collect", folder / "nowhere"]


def a_project_without_a_model(project: Path, folder: Path) -> list[Any]:
    cli.main(["init", str(folder / "judging-only")])
    return ["collect", folder / "judging-only"]


def no_prompts(project: Path, folder: Path) -> list[Any]:
    cli.main(["init", str(folder / "new"), "--model", str(_copy_of_model(project, folder))])
    return ["collect", folder / "new"]


def database_of_a_newer_schema(project: Path, folder: Path) -> list[Any]:
    with sqlite3.connect(project / "heedful.db") as connection:
        connection.execute("UPDATE heedful_schema SET version_num = '9999'")
    connection.close()
    return ["import", project, rows(folder, GOOD_ROW)]


def a_file_that_is_no_database(project: Path, folder: Path) -> list[Any]:
    for path in project.glob("heedful.db*"):
        path.unlink()
    (project / "heedful.db").write_text("this is not a database, it is a letter to my aunt " * 40, encoding="utf-8")
    return ["import", project, rows(folder, GOOD_ROW)]


def unknown_key(project: Path, folder: Path) -> list[Any]:
    with (project / "heedful.toml").open("a", encoding="utf-8") as file:
        file.write("[report]\nfiel = 'x.html'\n")
    return ["report", project]


def unknown_section(project: Path, folder: Path) -> list[Any]:
    with (project / "heedful.toml").open("a", encoding="utf-8") as file:
        file.write("[improov]\nsteps = 3\n")
    return ["reward", project]


def value_of_the_wrong_type(project: Path, folder: Path) -> list[Any]:
    path = project / "heedful.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("steps = 6", 'steps = "many"'), encoding="utf-8")
    return ["improve", project]


def broken_toml(project: Path, folder: Path) -> list[Any]:
    (project / "heedful.toml").write_text("[project\nseed = 1", encoding="utf-8")
    return ["report", project]


def no_judgements_yet(project: Path, folder: Path) -> list[Any]:
    return ["reward", project]


def no_reward_model_yet(project: Path, folder: Path) -> list[Any]:
    return ["improve", project]


def no_column_to_hold_out_by(project: Path, folder: Path) -> list[Any]:
    cli.main(["import", str(project), str(rows(folder, *({**GOOD_ROW, "prompt": f"a {x}"} for x in "bcdefg")))])
    return ["reward", project, "--holdout-by", "topic"]


def function(body: str) -> Spoil:
    def spoil(project: Path, folder: Path) -> list[Any]:
        path = folder / "mine.py"
        path.write_text(body, encoding="utf-8")
        return ["improve", project, "--reward-function", f"{path}:score", "--threads", 1]

    return spoil


def unknown_version(project: Path, folder: Path) -> list[Any]:
    return ["evaluate", project, "--policy", "v17"]


def nothing_to_compare_with(project: Path, folder: Path) -> list[Any]:
    return ["evaluate", project]


def truncation_in_training(project: Path, folder: Path) -> list[Any]:
    path = folder / "mine.py"
    path.write_text("def score(prompts, completions):\n    return [0.0 for _ in completions]\n", encoding="utf-8")
    return ["improve", project, "--reward-function", f"{path}:score", "--sampling.top-k", 5, "--threads", 1]


def nothing_to_export(project: Path, folder: Path) -> list[Any]:
    return ["export", project, folder / "out.jsonl"]


def unknown_judges(project: Path, folder: Path) -> list[Any]:
    cli.main(["import", str(project), str(rows(folder, GOOD_ROW))])
    return ["judge", project, "--by", "martians"]


def a_file_where_the_runs_should_be(project: Path, folder: Path) -> list[Any]:
    (project / "runs").write_text("a letter to my aunt", encoding="utf-8")
    return ["improve", project, "--reward-function", f"{project.parent / 'rewards.py'}:score", "--threads", 1]


def nothing_to_report(project: Path, folder: Path) -> list[Any]:
    return ["report", project]


CASES: list[tuple[str, Spoil, str]] = [
    ("a missing file", missing_file, "nothing.jsonl"),
    ("a folder instead of a file", a_folder_instead_of_a_file, "folder"),
    ("an empty file", lambda project, folder: ["import", project, rows(folder)], "rows.jsonl"),
    ("a truncated gzip", truncated_gzip, "rows.jsonl.gz"),
    ("bytes that are not UTF-8", not_utf8, "UTF-8"),
    ("broken JSON", importing(GOOD_ROW, '{"prompt": "a", '), "line 2"),
    ("JSON of the wrong type", importing(GOOD_ROW, "[1, 2]"), "line 2"),
    ("a missing field", importing(GOOD_ROW, without("b")), "line 2"),
    ("a field of the wrong type", importing(GOOD_ROW, {**GOOD_ROW, "a": 5}), '"a"'),
    ("an empty completion", importing({"prompt": "a", "chosen": "b", "rejected": ""}), "rejected"),
    ("an unknown choice", importing({**GOOD_ROW, "votes": [{"annotator": "x", "choice": "left"}]}), "choice"),
    ("a vote of nobody", importing({**GOOD_ROW, "votes": [{"choice": "a"}]}), "annotator"),
    ("two equal completions", importing({"prompt": "a", "chosen": "b", "rejected": "b"}), "same"),
    ("an unknown format", unknown_format, "parquet"),
    ("a prompt longer than the context", prompt_longer_than_the_context, "context"),
    ("a tokenizer of another model", tokenizer_of_another_model, "tokenizer"),
    ("a tokenizer larger than the model", tokenizer_larger_than_the_model, "embeddings"),
    ("weights that are cut off", weights_cut_off, "could be loaded"),
    ("no such model", no_such_model, "nowhere"),
    ("a folder without a model", a_folder_without_a_model, "no model"),
    ("a new project among other things", init_in_a_folder_with_other_things, "not empty"),
    ("a project that is there already", init_twice, "already"),
    ("no project", no_project, "no such folder"),
    ("a project without a model", a_project_without_a_model, "no model"),
    ("a project without prompts", no_prompts, "no prompts"),
    ("a database of a newer schema", database_of_a_newer_schema, "newer"),
    ("a file that is no database", a_file_that_is_no_database, "heedful.db"),
    ("an unknown key", unknown_key, "did you mean file"),
    ("an unknown section", unknown_section, "did you mean improve"),
    ("a value of the wrong type", value_of_the_wrong_type, "steps"),
    ("broken TOML", broken_toml, "TOML"),
    ("a file where a folder should be", a_file_where_the_runs_should_be, "a file is where a folder should be"),
    ("no judgements yet", no_judgements_yet, "nothing to learn from yet"),
    ("no reward model yet", no_reward_model_yet, "no reward model"),
    ("no such column", no_column_to_hold_out_by, "topic"),
    ("a reward that is not a number", function("def score(p, c):\n    return [float('nan')] * len(c)\n"), "nan"),
    ("a reward function that fails", function("def score(p, c):\n    return 1 / 0\n"), "ZeroDivisionError"),
    ("too few rewards", function("def score(p, c):\n    return [1.0]\n"), "1 values for"),
    ("a reward function that is not there", function("def value(p, c):\n    return []\n"), "value"),
    ("a file that fails when imported", function("import nonsense_that_is_nowhere\n"), "nonsense_that_is_nowhere"),
    ("an unknown version", unknown_version, "v17"),
    ("a version without rivals", nothing_to_compare_with, "nothing to be compared"),
    ("truncated sampling in training", truncation_in_training, "top_k"),
    ("nothing to export", nothing_to_export, "export"),
    ("judges that nobody knows", unknown_judges, "martians"),
    ("nothing to report", nothing_to_report, "nothing has happened"),
]


def test_the_table_is_long_enough() -> None:
    assert len({name for name, _, _ in CASES}) == len(CASES) >= 25


@pytest.mark.parametrize(("spoil", "says"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_one_clear_error_and_an_unharmed_project(
    spoil: Spoil, says: str, make_project: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    project = make_project("project")
    arguments = [str(argument) for argument in spoil(project, project.parent)]
    before = state(project)
    capsys.readouterr()
    assert cli.main(arguments) == 2
    said = capsys.readouterr().err
    assert says in said
    assert "To mend it" in said
    assert "Traceback" not in said
    assert state(project) == before


def test_a_reward_function_that_failed_may_be_corrected(
    make_project: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """The same command goes on, and the version gets the number that it would have had; a run that has begun to learn
    takes no other function."""
    project = make_project("project")
    path = project.parent / "mine.py"
    arguments = ["improve", str(project), "--reward-function", f"{path}:score", "--threads", "1"]
    good = "def score(p, c):\n    return [float(len(text)) for text in c]\n"
    path.write_text("def score(p, c):\n    return 1 / 0\n", encoding="utf-8")
    assert cli.main(arguments) == 2
    path.write_text(good, encoding="utf-8")
    assert cli.main(arguments) == 0
    assert sorted(path.name for path in (project / "policies").iterdir()) == ["v0", "v1"]
    late = "calls = []\n" + good.replace("    return", "    calls.append(p)\n    assert len(calls) < 6\n    return")
    path.write_text(late, encoding="utf-8")
    assert cli.main(arguments) == 2
    assert (project / "runs" / "0002-improve" / "metrics.jsonl").is_file()
    path.write_text(good, encoding="utf-8")
    capsys.readouterr()
    assert cli.main(arguments) == 2
    assert "has changed since this run began" in capsys.readouterr().err


def test_a_project_that_may_only_be_read(
    make_project: Callable[[str], Path], heedful: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Root may write everywhere, and is stopped only where it has given up that privilege."""
    project = make_project("project")
    before = state(project)
    for path in (project, *project.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    with_mode_bits: tuple[str, ...] = ()
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root can write everywhere here, and there is no setpriv to give that up")
        with_mode_bits = ("setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override")
    try:
        done = heedful("import", project, rows(project.parent, GOOD_ROW), within=with_mode_bits, expect=2)
    finally:
        for path in (project, *project.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert "no permission to write to the database" in done.stderr
    assert str(project) in done.stderr
    assert "To mend it" in done.stderr
    assert "Traceback" not in done.stderr
    assert state(project) == before


def test_a_disk_that_is_full(
    make_project: Callable[[str], Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write of the new policy fails as it does on a full disk; the old version stays, the same command goes on."""
    import errno

    project = make_project("project")
    arguments = [
        "improve",
        str(project),
        "--reward-function",
        f"{project.parent / 'rewards.py'}:score",
        "--threads",
        "1",
    ]
    real = os.fsync

    def full(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").resolve()
        if "v1" in str(name):
            raise OSError(errno.ENOSPC, "No space left on device", str(name))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    assert cli.main(arguments) == 2
    assert "the disk is full" in capsys.readouterr().err
    assert sorted(path.name for path in (project / "policies").iterdir()) == ["v0"]
    monkeypatch.setattr(os, "fsync", real)
    assert cli.main(arguments) == 0
    assert sorted(path.name for path in (project / "policies").iterdir()) == ["v0", "v1"]


def state(project: Path) -> dict[str, str]:
    """What must not change: every file, and every row of the database.

    A refused run may have noted what it was asked, in the `run.json` of a folder of its own, which the next one of its
    kind takes over; nothing else.
    """
    found = {}
    for path in sorted(project.rglob("*")):
        name = path.relative_to(project)
        of_store = name.name.startswith("heedful.db")
        noted = name.parts[0] == "runs" and name.name == "run.json" and len(list(path.parent.iterdir())) == 1
        if path.is_file() and not of_store and not noted:
            found[str(name)] = hashlib.sha256(path.read_bytes()).hexdigest()
    database = project / "heedful.db"
    try:
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
            found["rows"] = hashlib.sha256("\n".join(connection.iterdump()).encode()).hexdigest()
        connection.close()
    except sqlite3.DatabaseError:
        found["rows"] = hashlib.sha256(database.read_bytes()).hexdigest()
    return found


def _copy_of_model(project: Path, folder: Path) -> Path:
    copied = folder / "copied-model"
    shutil.copytree(project / "policies" / "v0", copied)
    return copied
