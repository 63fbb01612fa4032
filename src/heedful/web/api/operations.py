"""All operations of the API, put together under one prefix."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter
from fastapi.routing import APIRoute

from heedful.web.api import (
    annotators,
    audit,
    batches,
    campaigns,
    exchange,
    health,
    judgements,
    material,
    models,
    quality,
    tasks,
    webhooks,
)
from heedful.web.api.scopes import SCOPE

PREFIX = "/api/v1"

PARTS: tuple[APIRouter, ...] = tuple(
    part.router
    for part in (
        *(health, material, quality, campaigns, tasks, judgements, batches, annotators, models, exchange),
        *(webhooks, audit),
    )
)

router = APIRouter(prefix=PREFIX)
for _part in PARTS:
    router.include_router(_part)


def scopes() -> Iterator[tuple[str, str, str]]:
    """(path, method, scope) of every operation; the scope is empty where anybody may call it."""
    for part in PARTS:
        for route in part.routes:
            if isinstance(route, APIRoute):
                found = (getattr(each.call, SCOPE, "") for each in route.dependant.dependencies)
                scope = next((scope for scope in found if scope), "")
                for method in sorted(route.methods or ()):
                    yield PREFIX + route.path_format, method, scope
