"""The whole app, put together from its parts: `create_app`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends, FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

from heedful import __version__
from heedful.feedback.store import Store
from heedful.web import (
    accounts,
    api,
    audit,
    campaigns,
    chat,
    dashboard,
    entering,
    faults,
    home,
    judging,
    people,
    questions,
    site,
)
from heedful.web.access import guarded
from heedful.web.deliveries import Deliverer
from heedful.web.rates import Rates
from heedful.web.security import FORM_LIMITS, Guard
from heedful.web.settings import ServerSettings

if TYPE_CHECKING:
    from heedful.web.sampler import ChatSampler

ROUTERS: tuple[APIRouter, ...] = (
    home.router,
    entering.router,
    accounts.router,
    people.router,
    audit.router,
    judging.router,
    chat.router,
    campaigns.router,
    questions.router,
    dashboard.router,
)
"""The pages. What programs call, `api.router`, is described in /openapi.json as well."""


def create_app(
    store: Store,
    settings: ServerSettings | None = None,
    folder: Path | None = None,
    sampler: ChatSampler | None = None,
) -> FastAPI:
    """The app on a store; an ASGI application.

    Args:
        store: where everything is.
        settings: how it is reached; by default on this machine alone.
        folder: the project's folder, for what is not in the store: runs, reports, clips.
        sampler: samples answers for the live chat; None: there is no model here.
    """
    settings = settings or ServerSettings()
    app = FastAPI(
        title="heedful",
        version=__version__,
        openapi_url=None,  # `api` describes itself
        docs_url=None,
        redoc_url=None,
        lifespan=_sending,
        dependencies=[Depends(guarded)],
        form_limits={"max_fields": FORM_LIMITS["max_fields"], "max_part_size": FORM_LIMITS["max_part_size"]},
    )
    app.state.heedful = site.Site(store, settings, folder, sampler, site.templates(), Rates(settings))
    faults.listen(app)
    app.add_middleware(Guard, settings=settings, broken=faults.broken)
    app.mount("/static", _Static(directory=site.STATIC), name="static")
    for router in ROUTERS:
        app.include_router(router, include_in_schema=False)
    app.include_router(api.router)
    return app


@asynccontextmanager
async def _sending(app: FastAPI) -> AsyncIterator[None]:
    """Send webhooks in a thread of their own, for as long as the app runs."""
    here: site.Site = app.state.heedful
    deliverer = Deliverer(here.store, private=here.settings.private_webhooks)
    deliverer.start()
    yield
    await run_in_threadpool(deliverer.stop)


class _Static(StaticFiles):
    """Our own files: kept by browsers for good where the address carries the file's mark, else asked for again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, with how long it may be kept."""
        response = await super().get_response(path, scope)
        marked = scope.get("query_string", b"").startswith(b"v=")
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if marked else "no-cache"
        return response
