"""Where the API is described: /openapi.json for programs, /api/docs for people."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from heedful.feedback.accounts.keys import SCOPES
from heedful.web import site
from heedful.web.access import Anyone, render
from heedful.web.api import reading, schema
from heedful.web.api.scopes import ROLES
from heedful.web.security import address

router = APIRouter(include_in_schema=False)


@router.get("/openapi.json")
def openapi(request: Request, person: Anyone) -> Response:
    """The description for programs."""
    return JSONResponse(schema.describe(site.of(request).settings.prefix))


@router.get("/api/docs")
def page(request: Request, person: Anyone) -> Response:
    """The description for people."""
    described = schema.describe(site.of(request).settings.prefix)
    return render(
        request,
        "api.html",
        person=person,
        about=described["info"]["description"],
        scopes=SCOPES,
        roles=ROLES,
        subjects=reading.subjects(described),
        shapes=reading.shapes(described),
        host=address(request, site.of(request).settings),
    )
