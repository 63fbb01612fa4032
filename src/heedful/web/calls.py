"""Calls to a heedful server: sent again where that can do no harm, failures as `Refused` with the server's words."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from heedful import __version__
from heedful.errors import Problem

FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 10.0

PASSING = (500, 502, 503, 504)
"""Statuses that may be gone at the next try."""

TOO_OFTEN = 429


class Refused(Problem):
    """The server did not do what was asked; `status` is its HTTP status."""

    def __init__(self, status: int, what: str, *, where: str = "", mend: str = "") -> None:
        self.status = status
        super().__init__(what, where=where, mend=mend)


class Calls:
    """The connection behind a `Client`."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout_s: float,
        retries: int,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Connect to the server at `url` with an API key.

        Args:
            url: as in the browser, without a path below it.
            key: `heedful_...`.
            timeout_s: for connecting and for each stretch of an answer.
            retries: how often a call is sent again at most.
            transport: another way to reach the server; for tests.
            sleep: waits so many seconds.
        """
        self._url, self._retries, self._sleep = url, retries, sleep
        self._http = httpx.Client(
            base_url=f"{url.rstrip('/')}/api/v1",
            headers={"Authorization": f"Bearer {key}", "User-Agent": f"heedful/{__version__}"},
            timeout=timeout_s,
            transport=transport,
        )

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """Read something; values of the query that are None are left out."""
        return self.send("GET", path, params={name: value for name, value in query.items() if value is not None})

    def send(self, method: str, path: str, *, again: bool = True, **content: Any) -> Any:
        """Send a request and give back what the answer's JSON says (None when it is empty).

        Args:
            method: GET, POST, PUT or DELETE.
            path: below /api/v1.
            again: whether the request may reach the server twice: it then is sent again after a failure in which
                the server may have done it already.
            content: `json`, `params`, `files`, `data` as for httpx.

        Raises:
            Refused: the server says no, or not even that after all retries.
        """
        response = self._patiently(again, lambda: self._http.request(method, path, **content))
        if not response.is_success:
            raise refusal(response)
        return response.json() if response.content else None

    @contextmanager
    def stream(self, path: str, **query: Any) -> Iterator[httpx.Response]:
        """A long answer, to be read piece by piece; tried again until it begins."""
        request = self._http.build_request("GET", path, params=query)
        response = self._patiently(True, lambda: self._http.send(request, stream=True))
        try:
            if not response.is_success:
                response.read()
                raise refusal(response)
            yield response
        finally:
            response.close()

    def _patiently(self, again: bool, call: Callable[[], httpx.Response]) -> httpx.Response:
        for attempt in range(self._retries + 1):
            last = attempt == self._retries
            try:
                response = call()
            except httpx.TransportError as error:
                never_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
                if last or not (again or never_sent):
                    raise Refused(0, f"the server does not answer ({error})", where=self._url) from error
                self._sleep(waiting_s(attempt))
                continue
            if last or not (response.status_code == TOO_OFTEN or (again and response.status_code in PASSING)):
                return response
            response.close()
            self._sleep(_told_s(response.headers) or waiting_s(attempt))
        raise AssertionError("the last attempt returns or raises")


def refusal(response: httpx.Response) -> Refused:
    """The failure that a response tells of."""
    try:
        told: Mapping[str, str] = response.json()["error"]
        return Refused(response.status_code, told["what"], where=told["where"], mend=told["mend"])
    except (ValueError, KeyError, TypeError):
        return Refused(response.status_code, f"the server answered with status {response.status_code}")


def waiting_s(attempt: int) -> float:
    """The wait after an attempt (from 0): twice as long each time, and never the same for two programs."""
    wait: float = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt)
    return wait * random.uniform(0.5, 1.0)


def _told_s(headers: Mapping[str, str]) -> float:
    told = headers.get("retry-after", "")
    return min(float(told), 60.0) if told.isdigit() else 0.0
