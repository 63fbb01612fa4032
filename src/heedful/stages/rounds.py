"""What stages that go round share: the settings of each round's steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from heedful.seeds import seed_of
from heedful.settings import FILE, load
from heedful.stages.project import Project

C = TypeVar("C")


def settings_of_round(project: Project, kind: type[C], section: str, seed: int, number: int, **given: Any) -> C:
    """A stage's settings from its section of the project's file, with the seed of the round and what is `given`."""
    found: Any = load(kind, project.folder / FILE, section, project=project.folder)
    settled: C = replace(found, seed=seed_of(seed, "round", number) % 2**31, **given)
    return settled
