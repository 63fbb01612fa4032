"""What guards every request and response: headers, the address asked for, and where a form was sent from.

Model output is hostile input and other sites are hostile callers. So no page may load or run anything but our own
files (`CSP`); a request for an address that is not ours is refused (a foreign name may be made to point at this
machine); and a change is taken only from our own pages (`same_origin`), with the session's token (see `access`).
"""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypedDict
from urllib.parse import urlsplit

from fastapi import HTTPException, Request
from fastapi.responses import PlainTextResponse, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heedful.web.settings import ServerSettings, is_loopback


class FormLimits(TypedDict):
    """Arguments of `Request.form`."""

    max_fields: int
    max_part_size: int


CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src 'self'",
        "connect-src 'self'",
        "font-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # `no-referrer` would make browsers send `Origin: null` with every form
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""On every response, errors included."""

FORM_LIMITS: FormLimits = {"max_fields": 5000, "max_part_size": 64 * 2**20}
"""What a form may hold; the size of the whole request is limited as well."""

SHORT_BODY = 2 * 2**20
"""Bytes in a request of somebody who is not logged in, and in an answer or a draft; files are only sent by others."""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

log = logging.getLogger("heedful.web")


class Guard:
    """ASGI middleware around the whole app: the address asked for, the path before it, headers, faults of ours."""

    def __init__(
        self, app: ASGIApp, settings: ServerSettings, broken: Callable[[Request], Awaitable[Response]]
    ) -> None:
        """Guard `app`; `broken` makes the response after a defect."""
        self.app, self.settings, self.broken = app, settings, broken

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, came = False, time.perf_counter()

        async def guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                headers["Server-Timing"] = f"app;dur={(time.perf_counter() - came) * 1000:.1f}"
                self._add_headers(scope, headers)
            await send(message)

        holds_nul = "\0" in scope["path"] or b"%00" in scope["query_string"]
        if holds_nul and "/api/v1/" not in scope["path"]:  # the API says so itself, in its own form
            await PlainTextResponse("No address holds the NUL character.\n", 404)(scope, receive, guarded)
            return
        prefix = self.settings.prefix
        if prefix and (scope["path"] == prefix or scope["path"].startswith(f"{prefix}/")):
            scope = {**scope, "root_path": prefix}
        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
        if not self.settings.public_url and not known_host(host, self.settings):
            await _not_known(host)(scope, receive, guarded)
            return
        try:
            await self.app(scope, _counted(scope, receive, _most(scope, self.settings)), guarded)
        except Exception:
            if not begun:
                response = await self.broken(Request(scope, receive))
                await response(scope, receive, guarded)
            raise  # whoever runs the server writes it down

    def _add_headers(self, scope: Scope, headers: MutableHeaders) -> None:
        for name, value in HEADERS.items():
            headers[name] = value
        if self.settings.secure:
            headers["Strict-Transport-Security"] = "max-age=31536000"
        if "cache-control" not in headers:
            headers["Cache-Control"] = "no-store"


def _most(scope: Scope, settings: ServerSettings) -> int:
    """Bytes that the body of a request may have: a body is read before it is known who sends it."""
    nobody = not any(name in (b"cookie", b"authorization") for name, _ in scope["headers"])
    short = nobody or scope["path"].startswith(f"{settings.prefix}/judge/")
    return min(SHORT_BODY, settings.max_body_mb * 2**20) if short else settings.max_body_mb * 2**20


def _counted(scope: Scope, receive: Receive, limit: int) -> Receive:
    """`receive`, which refuses bodies of more than `limit` bytes, at once where the request says how long it is."""
    announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    seen = limit + 1 if announced.isdigit() and int(announced) > limit else 0

    async def counted() -> Message:
        nonlocal seen
        if seen > limit:
            raise HTTPException(413)
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise HTTPException(413)
        return message

    return counted


def known_host(host: str, settings: ServerSettings) -> bool:
    """Whether a Host header names this machine, or the address that the server was told to listen on."""
    name = urlsplit(f"//{host}").hostname or ""
    return is_loopback(name) or (name != "" and name == settings.host.strip("[]").lower())


def _not_known(host: str) -> Response:
    return PlainTextResponse(
        f"This server does not know the address {host[:200]!r}.\n"
        "Where people reach it under another address than this machine's own, start it with that address:\n"
        "    heedful serve PROJECT --public-url https://feedback.example.org\n",
        status_code=421,
    )


def address(request: Request, settings: ServerSettings) -> str:
    """Where people reach this server, without a slash at the end: PUBLIC_URL, or what the request asked for."""
    if settings.public_url:
        return settings.origin + settings.prefix
    return f"http://{request.headers.get('host', '')}"


def same_origin(request: Request, settings: ServerSettings) -> str:
    """Why a change does not come from one of our own pages; empty when it does.

    The browser says where a form or script came from, in `Origin` and `Sec-Fetch-Site`; one of the two must be
    there, and what is there must be right. `Host` and `X-Forwarded-*` do not matter where PUBLIC_URL is set.
    """
    origin, site = request.headers.get("origin", ""), request.headers.get("sec-fetch-site", "")
    if site and site != "same-origin":
        return f"the request came from another site ({site})"
    if origin and not (origin == "null" and site):
        ours = settings.origin or f"http://{request.headers.get('host', '')}"
        if origin != ours:
            return f"the page was opened at {origin[:200]}, and this server is known as {ours}"
        return ""
    return "" if site else "the browser did not say which page the request came from"


async def sent_token(request: Request) -> str:
    """The session's token that a request carries, in the header X-CSRF-Token or the form field `csrf`."""
    header = request.headers.get("x-csrf-token")
    if header:
        return header
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        value = (await request.form(**FORM_LIMITS)).get("csrf")
        return value if isinstance(value, str) else ""
    return ""


def equal(given: str, wanted: str) -> bool:
    """Whether two secrets are the same, in a time that does not tell how much of them is."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), wanted.encode())
