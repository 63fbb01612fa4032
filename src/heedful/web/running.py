"""One process that serves an app until it is told to stop."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Sequence
from errno import EACCES, EADDRINUSE, EADDRNOTAVAIL

import uvicorn
from fastapi import FastAPI

from heedful.errors import Problem
from heedful.web import live
from heedful.web.settings import ServerSettings

PATIENCE_S = 3
"""After being told to stop, requests that are being answered have so long to end."""

TRIED_PORTS = 100
"""When a port is taken, so many after it are looked at for a free one."""


def listen(settings: ServerSettings) -> socket.socket:
    """A socket that listens where the settings say.

    Raises:
        Problem: the port is taken (the next free one is named), may not be used, or the host is not this machine's.
    """
    try:
        return _bound(settings.host, settings.port)
    except socket.gaierror as error:
        raise Problem(f"there is no address {settings.host!r}", where="--host", mend="use 127.0.0.1") from error
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        if error.errno == EADDRINUSE:
            mend = f"use --port {_free_port(settings)}" if settings.port else "try again"
            raise Problem("another program listens on this port", where=where, mend=mend) from error
        if error.errno == EADDRNOTAVAIL:
            raise Problem("this address is not this machine's", where=where, mend="use 127.0.0.1") from error
        if error.errno == EACCES:
            raise Problem("this port is kept for the system", where=where, mend="use --port 8000") from error
        raise


def server(app: FastAPI, settings: ServerSettings, proxies: Sequence[str] = ()) -> uvicorn.Server:
    """What answers requests: `.run(sockets=[listening])` until Ctrl-C or SIGTERM; those under way are answered first.

    Args:
        app: what answers.
        settings: how people reach it.
        proxies: addresses whose word on where a request came from (X-Forwarded-For) is taken, when there is a
            public URL.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,  # it would write down the secret part of links
        server_header=False,
        proxy_headers=bool(settings.public_url),
        forwarded_allow_ips=list(proxies),
        timeout_graceful_shutdown=PATIENCE_S,
        lifespan="on",
    )
    return _Server(config)


class _Server(uvicorn.Server):
    """A server that ends the streams of live pages when it is told to stop; they would last for ever."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop answering."""
        app = self.config.app
        if isinstance(app, FastAPI):
            live.close(app.state.heedful)
        await super().shutdown(sockets)


def write_down_faults() -> None:
    """Let warnings and defects of the server go to standard error, each with its time."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listening = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.listen(2048)
    except BaseException:
        listening.close()
        raise
    return listening


def _free_port(settings: ServerSettings) -> int:
    for port in range(settings.port + 1, min(settings.port + TRIED_PORTS, 65_535) + 1):
        try:
            _bound(settings.host, port).close()
        except OSError:
            continue
        return port
    return 0
