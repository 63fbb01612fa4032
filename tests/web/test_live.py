from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from heedful.feedback.accounts import accounts, sessions
from heedful.feedback.store import Store
from heedful.web import live as streams
from heedful.web import running
from heedful.web.app import create_app
from heedful.web.live import Live, stream
from heedful.web.settings import ServerSettings


class World:
    """Something to look at, from another thread."""

    def __init__(self) -> None:
        self.version = "1"

    def look(self) -> str:
        return self.version


async def soon(source: AsyncIterator[str]) -> str:
    return await asyncio.wait_for(anext(source), 5)


def test_a_follower_hears_the_version_at_once_and_every_change() -> None:
    async def follow() -> list[str]:
        world = World()
        live = Live(world.look, every_s=0.01)
        source = live.follow()
        heard = [await soon(source)]
        world.version = "2"
        heard.append(await soon(source))
        await source.aclose()
        return heard

    assert asyncio.run(follow()) == ["1", "2"]


def test_many_followers_cost_one_look_and_none_costs_nothing() -> None:
    async def follow() -> tuple[int, int, int]:
        world = World()
        live = Live(world.look, every_s=0.05)
        sources = [live.follow() for _ in range(50)]
        for source in sources:
            await soon(source)
        crowded = live.looks
        for source in sources:
            await source.aclose()
        alone = live.looks
        await asyncio.sleep(0.3)
        return crowded, alone, live.looks

    crowded, alone, later = asyncio.run(follow())
    assert crowded <= 10
    assert later <= alone + 1


def test_a_silent_store_gives_a_sign_of_life() -> None:
    async def follow() -> list[str]:
        live = Live(lambda: "1", every_s=0.01)
        source = live.follow(heartbeat_s=0.05)
        heard = [await soon(source) for _ in range(4)]
        await source.aclose()
        return heard

    assert "" in asyncio.run(follow())


def test_every_stream_ends_when_the_server_does() -> None:
    async def follow() -> list[list[str]]:
        live = Live(lambda: "1", every_s=0.01)

        async def all_of() -> list[str]:
            return [version async for version in live.follow(heartbeat_s=60)]

        readers = [asyncio.create_task(all_of()) for _ in range(3)]
        await asyncio.sleep(0.1)
        live.close()
        return await asyncio.wait_for(asyncio.gather(*readers), 5)

    assert len(asyncio.run(follow())) == 3


def test_one_who_comes_after_the_end_is_sent_away() -> None:
    async def follow() -> list[str]:
        live = Live(lambda: "1")
        live.close()
        return [version async for version in live.follow()]

    assert asyncio.run(asyncio.wait_for(follow(), 5)) == []


def test_the_events_are_what_browsers_read() -> None:
    async def read() -> list[str]:
        live = Live(lambda: "7", every_s=0.01)
        response = stream(live)
        assert response.media_type == "text/event-stream"
        assert response.headers["x-accel-buffering"] == "no"
        found = []
        async for part in response.body_iterator:
            found.append(str(part))
            if "7" in str(part):
                live.close()
        return found

    parts = asyncio.run(read())
    assert parts[0] == "retry: 3000\n\n"
    assert parts[-1] == "event: moved\ndata: 7\n\n"


def test_a_look_that_fails_does_not_end_the_watch() -> None:
    failures = threading.Semaphore(2)

    def look() -> str:
        if failures.acquire(blocking=False):
            raise OSError("the database is locked")
        return "1"

    async def follow() -> str:
        live = Live(look, every_s=0.01)
        async for version in live.follow():
            if version:
                return version
        return ""

    assert asyncio.run(asyncio.wait_for(follow(), 5)) == "1"
    assert streams.EVERY_S == 1.0


def test_a_server_with_open_streams_stops_at_once(store: Store, tmp_path: Path) -> None:
    settings = ServerSettings()
    app = create_app(store, settings, tmp_path)
    token, _ = sessions.begin(store, accounts.create(store, "olga", "Olga", None, "owner").id)
    with running.listen(ServerSettings(port=0)) as listening:
        server = running.server(app, settings)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/dashboard/stream"
        with httpx.stream("GET", address, cookies={settings.cookie: token}, timeout=30) as response:
            lines = response.iter_lines()
            assert next(lines) == "retry: 3000"
            assert any(line.startswith("data: ") for line in lines)
            began = time.monotonic()
            server.should_exit = True
            assert list(lines)[-1:] in ([""], [])
        thread.join()
    assert time.monotonic() - began < running.PATIENCE_S
