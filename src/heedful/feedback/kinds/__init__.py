"""The kinds of question, one file each: a file here whose `KIND` is a `Kind` is a kind, and needs no other mention."""

from __future__ import annotations

import importlib
import pkgutil

from heedful.feedback.kind import Kind


def found() -> dict[str, Kind]:
    """The kinds of all files of this folder, by name, in their order."""
    modules = [importlib.import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__)]
    kinds: list[Kind] = sorted((module.KIND for module in modules), key=lambda kind: (kind.place, kind.name))
    return {kind.name: kind for kind in kinds}
