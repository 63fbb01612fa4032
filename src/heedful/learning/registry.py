"""Registries of methods: a dataclass with each method's settings under its name, of which one is chosen."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from heedful.errors import Problem


def named(registry: Any, name: str, kind: str) -> Any:
    """What a registry has under `name`.

    Args:
        registry: an instance of a dataclass whose fields are methods.
        name: of one of its fields.
        kind: what its fields are, in the words of the error: algorithm.

    Raises:
        Problem: there is none of that name.
    """
    names = [field.name for field in fields(registry)]
    if name not in names:
        raise Problem(f'there is no {kind} "{name}"', mend=f"choose one of {', '.join(names)}")
    return getattr(registry, name)
