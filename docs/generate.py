"""Bring the generated parts of the pages up to date: `make fix` runs this, tests/test_docs.py compares.

A generated part stands between `<!-- generated: NAME -->` and `<!-- end of NAME -->`; the rest of a page is
written by hand. The dark picture of the loop is the light one in other colours.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import inspect
import re
import textwrap
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from docs.comparison import comparison_picture, comparison_rows, comparison_setting, stories_rows

from heedful.cli import OTHER_MODULES, VERBS, stage_of
from heedful.learning.formulas import METRICS
from heedful.stages.project import ProjectSettings

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "heedful"

DARK = {
    "#ffffff": "#0d1117",
    "#f6f8fa": "#161b22",
    "#1f2328": "#e6edf3",
    "#59636e": "#9198a1",
    "#d1d9e0": "#3d444d",
    "#0969da": "#4493f8",
    "#ddf4ff": "#121d2f",
    "#9a6700": "#d29922",
    "#fff8c5": "#272115",
    "#1a7f37": "#3fb950",
    "#dafbe1": "#12261e",
}
"""Colour of the light picture -> the same role on a dark page."""

OTHER_FILES = {
    "py.typed": "Marks the package as typed.",
    "web/templates": "What the pages look like (Jinja).",
    "web/static": "Styles, scripts and pictures of the pages.",
    "migrations/alembic.ini": "Settings of the migrations.",
    "migrations/script.py.mako": "The template of a new migration.",
    "templates/blocks.html.j2": "Every kind of block of a report as HTML.",
    "templates/report.css.j2": "The report's looks, for light and dark pages.",
    "templates/report.html.j2": "The report's frame.",
    "playground/demo.toml": "The demo's settings: a healthy loop.",
    "playground/weak_leash.toml": "The demo's other settings: few judgements and hardly any leash.",
    "playground/model": "The bundled model: a small Llama that answers in the playground, not very well.",
}
"""What files that are not Python, and whole folders of data, are for, by the end of their path."""


# The map of the source


def source_files() -> list[Path]:
    """Every file of the package, in the order of the map; a folder of data counts as one."""
    found = {path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    for name in OTHER_FILES:
        folders = {parent for path in found for parent in path.parents if parent.as_posix().endswith(f"/{name}")}
        found = {path for path in found if not folders & set(path.parents)} | folders
    return sorted(found, key=lambda p: (p.relative_to(PACKAGE).parts[:-1], p.name != "__init__.py", p.name))


def purpose(path: Path) -> str:
    """The first sentence of a module's docstring, or what a file of another kind is for."""
    if path.suffix != ".py":
        return next((text for name, text in OTHER_FILES.items() if path.as_posix().endswith(f"/{name}")), "")
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return re.split(r"(?<=[a-z)`]\.) ", " ".join(text.split("\n\n")[0].split()))[0]


def source_map() -> str:
    """A tree of the package: each folder with its purpose, each file with its own."""
    lines: list[str] = []
    for path in source_files():
        relative = path.relative_to(PACKAGE)
        indent = "  " * len(relative.parts)
        if path.name == "__init__.py":
            name = f"{relative.parent.name or 'src/heedful'}/"
            lines += _entry(indent[2:], name, purpose(path))
        else:
            lines += _entry(indent, path.name, purpose(path))
    return "```text\n" + "\n".join(lines) + "\n```"


def folders() -> str:
    """The folders of the package, each with its purpose and how many files it has."""
    rows = ["| folder | files | what it is |", "|---|---|---|"]
    for path in source_files():
        folder = path.parent
        if path.name == "__init__.py" and len(folder.relative_to(PACKAGE).parts) <= 1:
            name = folder.relative_to(PACKAGE.parent).as_posix()
            inside = sum(1 for other in source_files() if folder in other.parents)
            rows.append(f"| [{name}](src/{name}) | {inside} | {purpose(path)} |")
    return "\n".join(rows)


def _entry(indent: str, name: str, text: str, *, column: int = 32, width: int = 118) -> list[str]:
    head = f"{indent}{name}".ljust(column - 1) + " "
    wrapped = textwrap.wrap(text, width - column) or [""]
    return [(head + wrapped[0]).rstrip(), *(" " * column + line for line in wrapped[1:])]


# The tables of the command line


def verbs_with_stage() -> list[str]:
    """The verbs whose stage exists, in the order of `heedful --help`."""
    return [verb for verb in VERBS if importlib.util.find_spec(OTHER_MODULES.get(verb, f"heedful.stages.{verb}"))]


def verb_sections() -> str:
    """For each verb its purpose and a table of its settings."""
    built = verbs_with_stage()
    sections = []
    for verb, summary in VERBS.items():
        section = [f"### heedful {verb}", "", f"{summary[0].upper()}{summary[1:]}.", ""]
        if verb in built:
            section += settings_table(stage_of(verb).Config)
        else:
            section += ["Not built yet."]
        sections.append("\n".join(section))
    return "\n\n".join(sections)


def project_settings() -> str:
    """The table of the section that belongs to all verbs."""
    rows = ["| key | type | default | what it does |", "|---|---|---|---|"]
    rows += [
        f"| `{name.strip('`-').replace('-', '_')}` | `{_type_name(hint)}` | {default} | {text} |"
        for name, hint, default, text in settings_of(ProjectSettings)
    ]
    return "\n".join(rows)


def settings_table(config_type: type) -> list[str]:
    """The rows of a Markdown table: argument, type, default, help."""
    rows = ["| argument | type | default | what it does |", "|---|---|---|---|"]
    for name, hint, default, text in settings_of(config_type):
        cells = (name, f"`{_type_name(hint)}`", default, text)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return rows


def settings_of(config_type: Any, prefix: str = "", instance: Any = None) -> Iterator[tuple[str, Any, str, str]]:
    """(argument, type, default, help) of every field, those of nested dataclasses below their field's name."""
    hints = typing.get_type_hints(config_type)
    texts = field_docstrings(config_type)
    for field in dataclasses.fields(config_type):
        default = _default_of(field, instance)
        name = f"{prefix}{field.name}"
        if dataclasses.is_dataclass(hints[field.name]):
            yield from settings_of(hints[field.name], f"{name}.", default)
            continue
        required = default is dataclasses.MISSING
        positional = not prefix and (required or field.name == "project")
        argument = f"`{field.name.upper()}`" if positional else f"`--{name.replace('_', '-')}`"
        yield argument, hints[field.name], "" if required else f"`{_shown(default)}`", texts.get(field.name, "")


def field_docstrings(config_type: type) -> dict[str, str]:
    """The string under each field of a dataclass, which is the field's help; fields without one are left out."""
    body = ast.parse(textwrap.dedent(inspect.getsource(config_type))).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            match below:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    found[field.target.id] = " ".join(inspect.cleandoc(text).split())
    return found


def nested(config_type: type, field: dataclasses.Field[Any]) -> Any:
    """The dataclass that a field holds, or None."""
    hint = typing.get_type_hints(config_type)[field.name]
    return hint if dataclasses.is_dataclass(hint) else None


def _default_of(field: dataclasses.Field[Any], instance: Any) -> Any:
    if instance is not None and instance is not dataclasses.MISSING:
        return getattr(instance, field.name)
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _type_name(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return " | ".join(str(choice) for choice in arguments)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(_type_name(argument) for argument in arguments)
    if origin is not None:
        inner = ", ".join("..." if argument is Ellipsis else _type_name(argument) for argument in arguments)
        return f"{origin.__name__}[{inner}]"
    return "none" if hint is type(None) else getattr(hint, "__name__", str(hint))


def _shown(default: Any) -> str:
    if isinstance(default, tuple | list):
        return " ".join(map(str, default)).replace("\n", "\\n") or "(none)"
    return '""' if default == "" else str(default)


# Metrics and papers


def metric_rows() -> str:
    """The table of everything that the learning room logs."""
    rows = [f"| `{name}` | {formula.replace('|', chr(92) + '|')} |" for name, formula in METRICS.items()]
    return "\n".join(["| metric | formula |", "|---|---|", *rows])


CITATION = re.compile(r"\b([A-Z][a-zé]+(?:-[A-Z][a-z]+)?)(?:\s+et\s+al\.)?,?\s+\(?((?:19|20)\d\d)[a-z]?\b")
"""`Ziegler et al. 2019`, `Gao, Schulman and Hilton (2022)`: the last surname before the year, and the year."""

NOT_NAMES = {"In", "Since", "January", "Scale", "Pages", "Edition"}


def citations() -> dict[str, set[tuple[str, str]]]:
    """File -> the (surname, year) pairs that its docstrings and comments name."""
    found: dict[str, set[tuple[str, str]]] = {}
    for path in source_files():
        if path.suffix != ".py":
            continue
        text = re.sub(r"\n\s*#?\s*", " ", path.read_text(encoding="utf-8"))
        pairs = {(name, year) for name, year in CITATION.findall(text) if name not in NOT_NAMES}
        if pairs:
            found[path.relative_to(PACKAGE).as_posix()] = pairs
    return found


def citation_rows() -> str:
    """File -> what it cites, as a table."""
    rows = [
        f"| [{name}](../src/heedful/{name}) | {', '.join(f'{who} {year}' for who, year in sorted(pairs))} |"
        for name, pairs in citations().items()
    ]
    return "\n".join(["| file | cites |", "|---|---|", *rows])


# Pages


PARTS: dict[str, dict[str, Callable[[], str]]] = {
    "README.md": {"folders": folders},
    "docs/source.md": {"source map": source_map},
    "docs/cli.md": {"project settings": project_settings, "verbs": verb_sections},
    "docs/metrics.md": {"learning metrics": metric_rows},
    "docs/papers.md": {"citations": citation_rows},
    "docs/comparison.md": {"setting": comparison_setting, "comparison": comparison_rows, "stories": stories_rows},
}
"""Page -> its generated parts, and what makes them."""


def page(path: str) -> str:
    """A page with its generated parts as they should be."""
    text = (ROOT / path).read_text(encoding="utf-8")
    for name, make in PARTS[path].items():
        begin, end = f"<!-- generated: {name} -->", f"<!-- end of {name} -->"
        before, found_begin, rest = text.partition(begin)
        _, found_end, after = rest.partition(end)
        if not (found_begin and found_end):
            raise SystemExit(f"{path} has no part {begin} ... {end}")
        text = f"{before}{begin}\n\n{make()}\n\n{end}{after}"
    return text


def dark_picture() -> str:
    """The picture of the loop for dark pages."""
    light = (ROOT / "docs" / "loop-light.svg").read_text(encoding="utf-8")
    return re.sub(r"#[0-9a-f]{6}\b", lambda colour: DARK[colour.group()], light)


def generated() -> dict[str, str]:
    """Every file that has generated parts -> its whole content."""
    compared = {f"docs/comparison-{theme}.svg": comparison_picture(theme) for theme in ("light", "dark")}
    return {**{path: page(path) for path in PARTS}, "docs/loop-dark.svg": dark_picture(), **compared}


def main() -> None:
    """Write what changed and say so."""
    for path, text in generated().items():
        target = ROOT / path
        if not target.is_file() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")
            print(f"wrote {path}")


if __name__ == "__main__":
    main()
