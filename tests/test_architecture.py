"""The habits of the house that a machine can check: floors, sizes, names, docstrings, a test per module."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "heedful"
MODULES = sorted(PACKAGE.rglob("*.py"))

MODULE_LINES = 300
FUNCTION_LINES = 50
"""Without its docstring."""

LONG_MODULES: dict[str, str] = {}
"""Module -> why it may be longer. Split by idea before adding to this list."""

LONG_FUNCTIONS: dict[str, str] = {}
"""`module:function` -> why it may be longer."""

STORIES = "run as a whole by tests/test_readme.py and tests/stages"

SCHEMA = "tables without functions; compared with what the migrations make in tests/feedback/test_schema.py"
UNTESTED: dict[str, str] = {
    "feedback/account_tables.py": SCHEMA,
    "feedback/steering_tables.py": SCHEMA,
    "feedback/tables.py": SCHEMA,
    "evaluation/svg.py": "drawn through by the tests of the plots",
    "playground/lexicon.py": "a table without functions; read by the tests of topics and acts",
    "stages/asking.py": STORIES,
    "stages/collect.py": STORIES,
    "stages/console.py": STORIES,
    "stages/evaluate.py": STORIES,
    "stages/export.py": STORIES,
    "stages/history.py": STORIES,
    "stages/imitating.py": STORIES,
    "stages/import_.py": STORIES,
    "stages/improve.py": STORIES,
    "stages/init.py": STORIES,
    "stages/leash.py": STORIES,
    "stages/measuring.py": STORIES,
    "stages/pretrain.py": STORIES,
    "stages/regularising.py": "run by tests/stages/test_algorithms.py",
    "stages/sft.py": STORIES,
    "web/sampler.py": "a contract without code; kept by the samplers of tests/web/test_chat.py and stages.chatting",
}
"""Module -> why it has no test file of its own. This list only shrinks."""

EMPTY_WORDS = {"utils", "util", "helpers", "helper", "misc", "manager", "handler"}
"""They say nothing of what a thing does."""

EMPTY_IN_NOUNS = EMPTY_WORDS | {"common", "base", "core"}
"""For modules and classes; a function may look for what is common."""

TORCH_FREE_ROOMS = ("feedback", "evaluation", "playground", "web")
TORCH_FREE_MODULES = ("records", "runs", "errors", "files", "seeds", "settings", "cli")


def name_of(path: Path) -> str:
    """`learning/algorithms/ppo.py`"""
    return path.relative_to(PACKAGE).as_posix()


def lint_imports(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Check the contracts of pyproject.toml on the `heedful` below `folder`."""
    program = (
        f"import sys; sys.path.insert(0, {str(folder)!r})\n"
        "from importlinter.cli import lint_imports_command; lint_imports_command()"
    )
    command = [sys.executable, "-c", program, "--no-logo", "--config", str(ROOT / "pyproject.toml"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def definitions(path: Path) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]:
    """Every function and class of a module with its dotted name, methods included, functions in functions not."""

    def below(
        body: list[ast.stmt], prefix: str
    ) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield prefix + node.name, node
                if isinstance(node, ast.ClassDef):
                    yield from below(node.body, f"{prefix}{node.name}.")

    yield from below(ast.parse(path.read_text(encoding="utf-8")).body, "")


# Floors


def test_the_floors_hold() -> None:
    done = lint_imports(PACKAGE.parent, "--no-cache")
    assert done.returncode == 0, done.stdout + done.stderr


PLANTED = [
    ("records.py", "import torch", "heedful.records -> torch"),
    ("errors.py", "def f() -> None:\n    import torch", "heedful.errors -> torch"),
    ("seeds.py", "import typing\nif typing.TYPE_CHECKING:\n    import torch", "heedful.seeds -> torch"),
    ("feedback/tables.py", "from heedful import rollouts", "heedful.feedback.tables -> heedful.rollouts"),
    (
        "evaluation/win_rate.py",
        "import heedful.feedback.tables",
        "heedful.evaluation.win_rate -> heedful.feedback.tables",
    ),
    ("learning/kl.py", "from heedful.language import policy", "heedful.learning.kl -> heedful.language.policy"),
    ("language/policy.py", "import heedful.reward", "heedful.language.policy -> heedful.reward"),
    ("runs.py", "import heedful.learning", "heedful.runs -> heedful.learning"),
    ("reward/shaping.py", "import heedful.cli", "heedful.reward.shaping -> heedful.cli"),
    ("language/policy.py", "import transformers.models", "heedful.language.policy -> transformers"),
    ("language/heads.py", "from peft import LoraConfig", "heedful.language.heads -> peft"),
    ("learning/fit.py", "import sqlalchemy", "heedful.learning.fit -> sqlalchemy"),
    ("learning/fit.py", "import gymnasium", "heedful.learning.fit -> gymnasium"),
    ("language/engines/local.py", "import vllm", "heedful.language.engines.local -> vllm"),
    ("compute/local.py", "import ray", "heedful.compute.local -> ray"),
    ("feedback/tables.py", "import http.server", "heedful.feedback.tables -> http"),
    ("web/site.py", "import torch", "heedful.web.site -> torch"),
    ("web/site.py", "def f() -> None:\n    import sqlite3", "heedful.web.site -> sqlite3"),
    ("web/site.py", "import heedful.serve", "heedful.web.site -> heedful.serve"),
    ("stages/project.py", "from heedful.web import settings", "heedful.stages.project -> heedful.web.settings"),
]


@pytest.fixture(scope="module")
def report_of_planted_imports(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What import-linter says of a copy of the package with every planted import, and with a room of no floor."""
    folder = tmp_path_factory.mktemp("planted")
    shutil.copytree(PACKAGE, folder / "heedful", ignore=shutil.ignore_patterns("__pycache__"))
    for module, line, _ in PLANTED:
        with (folder / "heedful" / module).open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")
    done = lint_imports(folder, "--no-cache")
    assert done.returncode != 0, done.stdout
    return done.stdout


@pytest.mark.parametrize(("module", "line", "chain"), PLANTED)
def test_a_forbidden_import_is_found(report_of_planted_imports: str, module: str, line: str, chain: str) -> None:
    """Deferred and type-checking imports included. A contract that nothing can break would be no contract."""
    assert chain in re.sub(r"\s+", " ", report_of_planted_imports), (module, line)


def test_a_module_that_no_floor_names_is_refused(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "heedful", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "heedful" / "attic.py").write_text('"""A room that nobody planned."""\n')
    done = lint_imports(tmp_path, "--no-cache", "--contract", "floors")
    assert done.returncode != 0
    assert "attic" in done.stdout


def test_the_torch_contract_names_every_room_that_must_do_without() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    [contract] = [c for c in config["tool"]["importlinter"]["contracts"] if c["id"] == "no-torch"]
    wanted = {f"heedful.{module}" for module in TORCH_FREE_MODULES}
    wanted |= {f"heedful.{room}" for room in TORCH_FREE_ROOMS if (PACKAGE / room).is_dir()}
    assert wanted <= set(contract["source_modules"])


def test_collecting_and_evaluating_work_without_torch() -> None:
    """`pip install heedful` without the extra `train` must import every module of these rooms."""
    names = [f"heedful.{module}" for module in TORCH_FREE_MODULES]
    for path in MODULES:
        if path.relative_to(PACKAGE).parts[0] in TORCH_FREE_ROOMS and "migrations" not in path.parts:
            names.append(
                ".".join(("heedful", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
            )
    program = (
        "import importlib, sys\n"
        "class Blocker:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in {'torch', 'transformers', 'tokenizers', 'safetensors', 'peft'}:\n"
        "            raise ModuleNotFoundError(f'{name} is blocked', name=name)\n"
        "sys.meta_path.insert(0, Blocker())\n"
        "import heedful\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name)\n"
        "try:\n"
        "    import torch\n"
        "except ModuleNotFoundError:\n"
        "    print('done without torch')\n"
    )
    done = subprocess.run([sys.executable, "-c", program, *names], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "done without torch", done.stderr


# Sizes


def test_modules_are_short() -> None:
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    long = {name: lines for name, lines in lengths.items() if lines > MODULE_LINES}
    assert {name: lines for name, lines in long.items() if name not in LONG_MODULES} == {}
    assert set(LONG_MODULES) <= set(long), "these are short now: take them off the list"


def test_functions_are_short() -> None:
    long = {}
    for path in MODULES:
        for name, node in definitions(path):
            if isinstance(node, ast.ClassDef):
                continue
            first = node.body[0]
            start = first.end_lineno if ast.get_docstring(node) is not None else node.lineno
            lines = (node.end_lineno or 0) - (start or 0)
            if lines > FUNCTION_LINES:
                long[f"{name_of(path)}:{name}"] = lines
    assert {name: lines for name, lines in long.items() if name not in LONG_FUNCTIONS} == {}
    assert set(LONG_FUNCTIONS) <= set(long), "these are short now: take them off the list"


# Words


def words_of(identifier: str) -> set[str]:
    """The lower-case words of a snake_case or CamelCase name."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", identifier)}


def test_words_of_splits_both_spellings() -> None:
    assert words_of("_make_BaseHandler_HTTP") == {"make", "base", "handler", "http"}
    assert words_of("database") == {"database"}


def test_nothing_has_a_name_that_says_nothing() -> None:
    empty = [name_of(path) for path in MODULES if words_of(name_of(path)) & EMPTY_IN_NOUNS]
    for path in MODULES:
        for name, node in definitions(path):
            forbidden = EMPTY_IN_NOUNS if isinstance(node, ast.ClassDef) else EMPTY_WORDS
            if words_of(name.rpartition(".")[2]) & forbidden:
                empty.append(f"{name_of(path)}:{name}")
    assert empty == []


def test_every_module_opens_with_its_purpose() -> None:
    without = [
        name_of(path)
        for path in MODULES
        if not (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").strip()
    ]
    assert without == []


def test_every_public_function_and_class_has_a_docstring() -> None:
    without = [
        f"{name_of(path)}:{name}"
        for path in MODULES
        for name, node in definitions(path)
        if not any(part.startswith("_") for part in name.split(".")) and not (ast.get_docstring(node) or "").strip()
    ]
    assert without == []


def test_classes_of_the_house_inherit_nothing_of_the_house() -> None:
    """Composition: a class may derive from a library's, a Protocol from Python's, an error from Problem."""
    ours = {
        name: f"{name_of(path)}:{name}"
        for path in MODULES
        for name, node in definitions(path)
        if isinstance(node, ast.ClassDef)
    }
    inheriting = [
        f"{name_of(path)}:{name}({ast.unparse(parent)})"
        for path in MODULES
        for name, node in definitions(path)
        if isinstance(node, ast.ClassDef)
        for parent in node.bases
        if ast.unparse(parent).rpartition(".")[2] in ours.keys() - {"Problem"}
    ]
    assert inheriting == []


# Tests


def places_of_test(path: Path) -> list[Path]:
    """Where the tests of a module may stand: mirroring it, or one file for a sub-package of a room."""
    relative = path.relative_to(PACKAGE)
    room, *inner = relative.parent.parts or ("",)
    below = "_".join(inner)
    stem = relative.stem
    tests = ROOT / "tests"
    places = [tests / relative.parent / f"test_{stem}.py"]
    if inner:
        places += [tests / room / f"test_{name}.py" for name in (stem, f"{below}_{stem}", below)]
    return places


def test_every_module_has_a_test_file() -> None:
    without = {
        name_of(path)
        for path in MODULES
        if path.stem not in ("__init__", "__main__")
        and "migrations" not in path.parts
        and not any(place.is_file() for place in places_of_test(path))
    }
    assert without - set(UNTESTED) == set()
    assert set(UNTESTED) <= without, "these have tests now: take them off the list"


def test_tests_stand_in_folders_that_mirror_the_source() -> None:
    folders = {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")}
    assert [folder.as_posix() for folder in sorted(folders) if not (PACKAGE / folder).is_dir()] == []
