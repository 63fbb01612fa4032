"""What people and programs see when something goes wrong: a readable page, or JSON of one shape; never a traceback.

{"error": {"what": "there is no campaign \\"pilot\\"", "where": "", "mend": "check the name"}}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from heedful.errors import Conflict, Problem, Unavailable
from heedful.web.access import render, wants_json

TITLES: Mapping[int, str] = {
    400: "That did not work",
    401: "Log in first",
    403: "This is not yours to open",
    404: "There is nothing here",
    405: "This page takes no such request",
    409: "Something else came first",
    413: "That is too large",
    422: "Something is missing or not of the right form",
    429: "Too often",
    500: "Something broke on our side",
    503: "The database cannot be used just now",
}


def listen(app: FastAPI) -> None:
    """Turn every error of the app into an answer."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)


async def broken(request: Request) -> Response:
    """The answer after a defect of ours, which is written down where the server runs."""
    return answer(request, 500, Problem("the server has written down what happened", mend="tell whoever runs it"))


def answer(
    request: Request, status: int, problem: Problem, headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """The page or the JSON that tells of a problem."""
    if wants_json(request):
        body = {"what": problem.what, "where": problem.where, "mend": problem.mend, **more}
        return JSONResponse({"error": body}, status, dict(headers or {}))
    title = TITLES.get(status, HTTPStatus(status).phrase)
    response = render(request, "problem.html", status_code=status, title=title, problem=problem, status=status)
    response.headers.update(headers or {})
    return response


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    status = 503 if isinstance(error, Unavailable) else 409 if isinstance(error, Conflict) else 400
    return answer(request, status, error)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 303:
        return Response(status_code=303, headers=error.headers)
    detail: Any = error.detail
    if detail == HTTPStatus(error.status_code).phrase:  # raised by the framework, without words of ours
        detail = _PLAIN.get(error.status_code, detail)
    problem = detail if isinstance(detail, Problem) else Problem(str(detail))
    return answer(request, error.status_code, problem, error.headers)


_PLAIN: Mapping[int, str] = {
    404: "no page has this address",
    405: "the address is right, the kind of request is not",
    413: "the request is larger than this server takes",
}


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fields = [_field(part) for part in error.errors()]
    first = fields[0] if fields else {"where": "", "what": "the request cannot be read"}
    return answer(request, 422, Problem(first["what"], where=first["where"]), fields=fields)


def _field(part: Mapping[str, Any]) -> dict[str, str]:
    place: Sequence[Any] = part.get("loc", ())
    return {"where": ".".join(str(step) for step in place), "what": str(part.get("msg", "not of the right form"))}
