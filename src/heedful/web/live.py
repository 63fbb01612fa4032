"""Pages that follow the store: one look a second for all of them together, and a word to each when something moved.

The stream says only that there is news; what the news is, the page asks for itself. So a stream costs next to nothing,
and whoever missed an event because of a broken line loses nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from heedful.web import site
from heedful.web.site import Site

EVERY_S = 1.0
"""How often the store is looked at while anybody follows it."""

HEARTBEAT_S = 15.0
"""A sign of life for proxies, which close silent connections."""

ECHOES_S = (12.0, 61.0)
"""After the last change pages are told again, when values that are computed rarely are due."""


log = logging.getLogger("heedful.web")


class Live:
    """The one watcher of a server. It looks while somebody follows, and sleeps otherwise."""

    def __init__(self, look: Callable[[], str], every_s: float = EVERY_S) -> None:
        """Watch what `look` returns, a word that changes when something has happened; called in a thread."""
        self._look = look
        self._every_s = every_s
        self._followers: set[asyncio.Event] = set()
        self._watch: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()
        self.version = ""
        self.looks = 0
        """How often the store was looked at."""

    async def follow(self, heartbeat_s: float = HEARTBEAT_S) -> AsyncGenerator[str]:
        """The version at once and after each change; an empty word as a sign of life. Ends when the server does."""
        news = asyncio.Event()
        if self.version:
            news.set()
        self._followers.add(news)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._watching())
        try:
            while not self._closed.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), heartbeat_s)
                if self._closed.is_set():
                    return
                yield self.version if news.is_set() else ""
                news.clear()
        finally:
            self._followers.discard(news)
            if not self._followers and self._watch is not None:
                self._watch.cancel()
                self._watch = None

    def close(self) -> None:
        """End every stream; call it when the server begins to shut down, from its event loop."""
        self._closed.set()
        self._tell()

    async def _watching(self) -> None:
        changed, echoes = time.monotonic(), list(ECHOES_S)
        while True:
            version = self.version
            try:
                version = await run_in_threadpool(self._look)
            except Exception:  # a store that is busy now is looked at again in a second
                log.exception("the store could not be looked at")
            self.looks += 1
            if version != self.version:
                self.version = version
                changed, echoes = time.monotonic(), list(ECHOES_S)
                self._tell()
            elif echoes and time.monotonic() - changed > echoes[0]:
                echoes.pop(0)
                self._tell()
            await asyncio.sleep(self._every_s)

    def _tell(self) -> None:
        for news in self._followers:
            news.set()


def stream(live: Live) -> StreamingResponse:
    """Server-sent events: `event: moved` with the version, whenever there is news."""

    async def events() -> AsyncIterator[str]:
        yield "retry: 3000\n\n"
        async for version in live.follow():
            yield f"event: moved\ndata: {version}\n\n" if version else ": alive\n\n"

    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(events(), media_type="text/event-stream", headers=headers)


def live_of(request: Request, look: Callable[[Site], str]) -> Live:
    """The watcher of the app that answers a request, made when it is first asked for."""
    here = site.of(request)
    found = here.shared.get("live")
    if not isinstance(found, Live):
        found = here.shared["live"] = Live(lambda: look(here))
    return found


def close(here: Site) -> None:
    """End the streams of an app, if there are any."""
    found = here.shared.get("live")
    if isinstance(found, Live):
        found.close()
