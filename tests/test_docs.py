"""The pages say what the code does: tables complete, links whole, the README's commands run."""

from __future__ import annotations

import ast
import dataclasses
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from docs import generate as generator

from heedful.cli import VERBS, stage_of
from heedful.learning.formulas import METRICS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "src" / "heedful"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
PAGES += sorted((ROOT / "benchmarks").glob("*.md"))

ROOMS_WITHOUT_PAGE: dict[str, str] = {}
"""Room -> why docs/<room>.md is not written yet. This list only shrinks."""

VERBS_WITHOUT_STAGE: dict[str, str] = {}
"""Verb -> why its stage does not exist yet. This list only shrinks."""


def rooms() -> list[str]:
    return sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# Generated parts


@pytest.mark.parametrize("name", generator.generated())
def test_generated_parts_are_up_to_date(name: str) -> None:
    wanted = generator.generated()[name]
    assert (ROOT / name).read_text(encoding="utf-8") == wanted, "run `make fix`"


def test_the_source_map_has_every_file_with_its_purpose() -> None:
    shown = (DOCS / "source.md").read_text(encoding="utf-8").partition("<!-- generated: source map -->")[2]
    tracked = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "src/heedful"], capture_output=True, text=True, check=True
    ).stdout.split()
    for name in tracked:
        path = ROOT / name
        if path.is_file() and path.name != "__init__.py":
            assert re.search(rf"^ +{re.escape(path.name)}(?: |$)", shown, re.MULTILINE) or (
                f" {path.parent.name} " in shown and path.suffix != ".py"
            ), name
    assert [relative(path) for path in generator.source_files() if not generator.purpose(path)] == []


# The command line


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in VERBS_WITHOUT_STAGE])
def test_every_verb_has_a_stage_and_all_of_it_is_documented(verb: str) -> None:
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    assert f"### heedful {verb}\n" in page
    section = page.partition(f"### heedful {verb}\n")[2].partition("\n### ")[0]
    config_type = stage_of(verb).Config
    assert config_type.__dataclass_params__.frozen
    fields = dataclasses.fields(config_type)
    assert fields[0].name == "project"
    for field in fields:
        shown = {
            f"`{field.name.upper()}`",
            f"`--{field.name.replace('_', '-')}`",
            f"`--{field.name.replace('_', '-')}.",
        }
        assert any(name in section for name in shown), field.name


def test_the_list_of_verbs_without_stage_shrinks() -> None:
    assert [verb for verb in VERBS_WITHOUT_STAGE if verb in generator.verbs_with_stage()] == []


def test_every_stage_is_a_verb() -> None:
    """A module of `stages` that defines both `Config` and `run` must be reachable from the command line."""
    unreachable = []
    for path in sorted((PACKAGE / "stages").glob("*.py")):
        names = {getattr(node, "name", "") for node in ast.parse(path.read_text(encoding="utf-8")).body}
        if {"Config", "run"} <= names and path.stem.rstrip("_").replace("_", "-") not in VERBS:
            unreachable.append(path.name)
    assert unreachable == []


def undocumented(config_type: Any) -> list[str]:
    """The fields of a dataclass, nested ones included, that have no string under them."""
    texts = generator.field_docstrings(config_type)
    without = []
    for field in dataclasses.fields(config_type):
        nested = generator.nested(config_type, field)
        if nested is not None:
            without += undocumented(nested)
        elif not texts.get(field.name):
            without.append(f"{config_type.__module__}.{config_type.__qualname__}.{field.name}")
    return without


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in VERBS_WITHOUT_STAGE])
def test_every_setting_says_what_it_does(verb: str) -> None:
    assert undocumented(stage_of(verb).Config) == []


# Metrics, papers, rooms


@pytest.mark.parametrize("name", sorted(METRICS))
def test_every_metric_is_on_the_page(name: str) -> None:
    assert f"| `{name}` | " in (DOCS / "metrics.md").read_text(encoding="utf-8")


def algorithm_files() -> list[Path]:
    return [path for path in sorted((PACKAGE / "learning" / "algorithms").glob("*.py")) if path.stem != "__init__"]


@pytest.mark.parametrize("path", algorithm_files(), ids=lambda path: path.stem)
def test_every_algorithm_names_its_paper_and_stands_among_the_papers(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert re.search(r"arXiv:\d{4}\.\d{4,5}|\b(19|20)\d\d\b", text), "its docstring must name a paper"
    by_hand = (DOCS / "papers.md").read_text(encoding="utf-8").partition("<!-- generated")[0]
    assert f"({relative(path).replace('src/', '../src/')})" in by_hand


def test_every_paper_that_the_code_cites_is_on_the_page() -> None:
    by_hand = (DOCS / "papers.md").read_text(encoding="utf-8").partition("<!-- generated")[0]
    rows = [row for row in by_hand.splitlines() if row.startswith("| ")]
    missing = sorted(
        f"{name}: {who} {year}"
        for name, pairs in generator.citations().items()
        for who, year in pairs
        if not any(re.search(rf"\b{who}\b", row) and year in row for row in rows)
    )
    assert missing == []


def test_citations_are_found_in_the_ways_that_docstrings_write_them() -> None:
    text = "Ziegler et al. 2019; Gao, Schulman and Hilton (2022), Bradley and\nTerry 1952, van Doucet (2012b)"
    found = set(generator.CITATION.findall(text))
    assert found == {("Ziegler", "2019"), ("Hilton", "2022"), ("Terry", "1952"), ("Doucet", "2012")}


def test_every_room_has_a_page() -> None:
    without = {room for room in rooms() if not (DOCS / f"{room}.md").is_file()}
    assert without - set(ROOMS_WITHOUT_PAGE) == set()
    assert set(ROOMS_WITHOUT_PAGE) <= without, "these have a page now: take them off the list"


def test_the_index_leads_to_every_page() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    pages = [path.relative_to(DOCS).as_posix() for path in DOCS.glob("*.md") if path.name != "index.md"]
    assert [name for name in pages if f"]({name})" not in index] == []
    decisions = (DOCS / "decisions" / "README.md").read_text(encoding="utf-8")
    assert [p.name for p in (DOCS / "decisions").glob("0*.md") if f"({p.name})" not in decisions] == []


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert {"demo", "test", "check", "fix", "docs", "bench", "serve"} <= targets
    named = {
        (relative(page), name)
        for page in PAGES
        for name in re.findall(r"(?:`|^)make ([a-z]+)", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    }
    assert len(named) >= 6
    assert [(page, name) for page, name in named if name not in targets] == []


# Tests that pages name

NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


def functions_of(path: Path) -> set[str]:
    """The names of a file's test functions."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return {node.name for node in body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    named = NAMED_TEST.findall(page.read_text(encoding="utf-8"))
    missing = [f"{file}::{name}" for file, name in named if not (ROOT / file).is_file()]
    missing += [f"{file}::{name}" for file, name in set(named) if name and name not in functions_of(ROOT / file)]
    assert missing == []


def test_every_row_of_the_parity_page_has_a_test_or_says_that_it_is_not_here() -> None:
    text = (DOCS / "parity.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    rows = [row for row in rows if row[-1] != "test"]
    assert len(rows) > 100
    for row in rows:
        assert len(row) == 3, row
        _, ours, test = row
        assert ours, row
        named = NAMED_TEST.fullmatch(test)
        if named is None:
            assert test == "", row
            assert ours.startswith("not here"), row
        else:
            assert named[2], row
            file = (ROOT / named[1]).read_text(encoding="utf-8")
            assert "mark.skip" not in file, f"{named[1]} may be skipped, and then shows nothing"
    for title in ("## trlX", "## TRL", "## RL4LMs"):
        assert f"\n{title}" in text


# Links


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


def anchors(page: Path) -> set[str]:
    """The names that a hosting site gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_internal_links_lead_somewhere(page: Path) -> None:
    text = without_code(page.read_text(encoding="utf-8"))
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|srcset|href)="([^"]+)"', text)
    broken = []
    for target in targets:
        if re.match(r"https?://|mailto:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_a_page_has_one_title(page: Path) -> None:
    text = without_code(page.read_text(encoding="utf-8"))
    assert len(re.findall(r"^# ", text, flags=re.MULTILINE)) == 1
