from __future__ import annotations

import httpx
import pytest

from heedful.web.calls import Calls, Refused, refusal, waiting_s
from heedful.web.client import Client


class Broken:
    """A server that fails in the ways that it is told, and then answers with `{}`."""

    def __init__(self, *failures: int | Exception) -> None:
        self.failures, self.calls, self.waits = list(failures), 0, list[float]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        failure = self.failures.pop(0) if self.failures else 200
        if isinstance(failure, Exception):
            raise failure
        headers = {"Retry-After": "7"} if failure == 429 else {}
        return httpx.Response(failure, json={}, headers=headers)

    def client(self, retries: int = 5) -> Client:
        transport = httpx.MockTransport(self)
        return Client("http://x", "key", retries=retries, transport=transport, sleep=self.waits.append)


def test_what_may_be_repeated_is_repeated_with_growing_pauses() -> None:
    server = Broken(503, httpx.ReadTimeout("slow"), 502, httpx.ConnectError("nobody"))
    with server.client() as client:
        assert client.me() == {}
    assert server.calls == 5
    assert all(0.1 * 2**k <= wait <= 0.2 * 2**k for k, wait in enumerate(server.waits))


def test_what_may_not_be_repeated_is_not() -> None:
    for failure in (503, httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("cut off")):
        server = Broken(failure)
        with server.client() as client, pytest.raises(Refused):
            client.open_batch("one", ["q0"], 1, 1)
        assert server.calls == 1


def test_what_never_arrived_or_came_too_often_is_always_sent_again() -> None:
    server = Broken(httpx.ConnectError("nobody"), 429)
    with server.client() as client:
        client.calls.send("POST", "/x", again=False)
    assert server.calls == 3
    assert server.waits[1] == 7


def test_after_all_retries_it_says_what_is_wrong() -> None:
    server = Broken(*[httpx.ConnectError("nobody")] * 9)
    with server.client(retries=2) as client, pytest.raises(Refused, match="does not answer") as refused:
        client.me()
    assert (server.calls, refused.value.status) == (3, 0)
    server = Broken(*[503] * 9)
    with server.client(retries=2) as client, pytest.raises(Refused, match="503") as refused:
        client.me()
    assert (server.calls, refused.value.status) == (3, 503)


def test_a_refusal_is_not_repeated() -> None:
    server = Broken(404, 400)
    with server.client() as client, pytest.raises(Refused):
        client.me()
    assert server.calls == 1


def test_a_refusal_has_the_words_of_the_server() -> None:
    told = {"error": {"what": "there is no prompt", "where": "p", "mend": "check the id"}}
    found = refusal(httpx.Response(404, json=told))
    assert (found.status, found.what, found.where, found.mend) == (404, "there is no prompt", "p", "check the id")
    for body in (b"<html>", b"[]", b'{"error": "x"}'):
        assert refusal(httpx.Response(502, content=body)).what == "the server answered with status 502"


def test_pauses_grow_up_to_a_bound() -> None:
    assert max(waiting_s(0) for _ in range(50)) <= 0.2
    assert 5 <= waiting_s(20) <= 10


def test_a_stream_is_tried_again_until_it_begins() -> None:
    server = Broken(503)
    calls = Calls(
        "http://x/", "key", timeout_s=1, retries=1, transport=httpx.MockTransport(server), sleep=server.waits.append
    )
    with calls.stream("/exports/heedful") as response:
        assert response.is_success
    calls.close()
    assert server.calls == 2
