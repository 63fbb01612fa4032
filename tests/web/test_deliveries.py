from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from heedful.errors import Problem
from heedful.feedback.accounts import audit, outbox, webhooks
from heedful.feedback.store import Store
from heedful.web.deliveries import Deliverer, address_of, body_of, new_client, send, send_due
from heedful.web.signatures import verified

SECRET = "a secret of the two"
LATER = 4_000_000_000.0


class Receiver:
    """A web server that keeps what it is sent and answers with the statuses it is told, then with 200."""

    def __init__(self) -> None:
        self.calls: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.paths: list[str] = []
        receiver = self

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.calls.append((dict(self.headers), body))
                receiver.paths.append(self.path)
                status = receiver.statuses.pop(0) if receiver.statuses else 200
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_port}/in?x=1"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    def events(self) -> list[str]:
        return [json.loads(body)["id"] for _, body in self.calls]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    made.thread.start()
    yield made
    made.server.shutdown()
    made.thread.join()
    made.server.server_close()


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with new_client() as client:
        yield client


@pytest.fixture
def happen(store: Store) -> Callable[..., str]:
    def write(**payload: Any) -> str:
        with store.writing() as connection:
            return outbox.add(connection, "judgement.stored", payload)

    return write


def subscribe(store: Store, url: str) -> webhooks.Webhook:
    return webhooks.add(store, url, ["judgement.stored"], SECRET)


def test_an_event_arrives_signed(store: Store, receiver: Receiver, http: httpx.Client, happen: Any) -> None:
    subscribe(store, receiver.url)
    event = happen(judgement="j", text="größer")
    assert send_due(store, http, private=True) == 1
    [(headers, body)] = receiver.calls
    assert verified(SECRET, headers["Heedful-Signature"], body)
    assert (headers["Heedful-Event"], headers["Heedful-Delivery"]) == ("judgement.stored", event)
    assert headers["Host"] == f"127.0.0.1:{receiver.server.server_port}"
    assert receiver.paths == ["/in?x=1"]
    sent = json.loads(body)
    assert (sent["id"], sent["event"], sent["payload"]) == (
        event,
        "judgement.stored",
        {"judgement": "j", "text": "größer"},
    )
    assert send_due(store, http, private=True, now=LATER) == 0


def test_a_failure_is_sent_again_with_the_same_body(
    store: Store, receiver: Receiver, http: httpx.Client, happen: Any
) -> None:
    hook = subscribe(store, receiver.url)
    event = happen(judgement="j")
    receiver.statuses = [500, 302]
    now = time.time()
    for _ in range(3):
        assert send_due(store, http, private=True, now=now) == 1
        now += webhooks.LEASE_S + 100
    assert receiver.events() == [event] * 3
    assert len({body for _, body in receiver.calls}) == 1
    assert receiver.paths == ["/in?x=1"] * 3, "a redirect is not followed"
    [delivery] = webhooks.deliveries_of(store, hook.id)
    assert (delivery.state, delivery.attempts) == ("delivered", 3)


def test_after_many_failures_it_is_given_up_and_said_so(
    store: Store, receiver: Receiver, http: httpx.Client, happen: Any, caplog: pytest.LogCaptureFixture
) -> None:
    hook = subscribe(store, receiver.url)
    event = happen(judgement="j")
    receiver.statuses = [500] * webhooks.MAX_ATTEMPTS
    now = time.time()
    while webhooks.deliveries_of(store, hook.id)[0].state == "due":
        send_due(store, http, private=True, now=now)
        now += 10**6
    assert len(receiver.calls) == webhooks.MAX_ATTEMPTS
    [delivery] = webhooks.deliveries_of(store, hook.id)
    assert delivery.state == "given_up"
    assert event in caplog.text
    [entry] = audit.entries(store, action="webhook.give_up")
    assert (entry.target, entry.detail["event"]) == (hook.id, event)


def test_a_silent_webhook_holds_up_nobody_else(
    store: Store, receiver: Receiver, http: httpx.Client, happen: Any
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        silent = subscribe(store, f"http://127.0.0.1:{nobody.getsockname()[1]}/")
    subscribe(store, receiver.url)
    events = [happen(number=number) for number in range(3)]
    assert send_due(store, http, private=True) == 6
    assert receiver.events() == events
    errors = [delivery.error for delivery in webhooks.deliveries_of(store, silent.id)]
    assert all("ConnectError" in error for error in errors)


def test_one_bad_event_holds_up_no_other(store: Store, receiver: Receiver, http: httpx.Client, happen: Any) -> None:
    hook = subscribe(store, receiver.url)
    for number in range(3):
        happen(number=number)
    receiver.statuses = [500]
    send_due(store, http, private=True)
    states = [delivery.state for delivery in webhooks.deliveries_of(store, hook.id)]
    assert states == ["delivered", "delivered", "due"]


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "::1", "::", "fe80::1", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "224.0.0.1"),
        *("64:ff9b::7f00:1", "2002:7f00:1::", "255.255.255.255", "localhost", "240.0.0.1", "2130706433", "0x7f.1"),
    ],
)
def test_addresses_inside_are_refused(host: str) -> None:
    with pytest.raises(Problem):
        address_of(host, 80, private=False)


def test_a_name_that_points_inside_is_refused_and_one_outside_is_looked_up_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = [["93.184.215.14"], ["10.0.0.1"], ["93.184.215.14", "127.0.0.1"]]

    def look_up(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in answers.pop(0)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert address_of("example.org", 80, private=False) == "93.184.215.14"
    for _ in range(2):
        with pytest.raises(Problem, match="inside this network"):
            address_of("example.org", 80, private=False)


def test_what_was_checked_is_what_is_connected_to(
    store: Store, http: httpx.Client, happen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that answers with another address after the check reaches nothing."""
    seen: list[httpx.Request] = []

    def keep(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    subscribe(store, "https://hooks.example/in")
    happen()
    with httpx.Client(transport=httpx.MockTransport(keep)) as client:
        assert send_due(store, client, private=False) == 1
    [request] = seen
    assert str(request.url) == "https://93.184.215.14/in"
    assert request.headers["Host"] == "hooks.example"
    assert request.extensions["sni_hostname"] == "hooks.example"


def test_an_address_inside_fails_the_delivery_and_reaches_nobody(
    store: Store, receiver: Receiver, http: httpx.Client, happen: Any
) -> None:
    subscribe(store, receiver.url)
    happen()
    [delivery] = webhooks.take(store)
    assert "inside this network" in send(http, delivery, private=False)
    assert send(http, delivery, private=True) == ""
    assert len(receiver.calls) == 1
    assert body_of(delivery) == receiver.calls[0][1]


def test_the_thread_sends_what_comes_and_what_was_left(
    store: Store, receiver: Receiver, happen: Any, caplog: pytest.LogCaptureFixture
) -> None:
    subscribe(store, receiver.url)
    events = [happen(number=0)]
    for number in (1, 2):
        deliverer = Deliverer(store, private=True, poll_s=0.01)
        deliverer.start()
        events.append(happen(number=number))
        end = time.monotonic() + 30
        while len(receiver.calls) < len(events) and time.monotonic() < end:
            time.sleep(0.01)
        deliverer.stop()
        events.append(happen(number=number + 10))
    assert sorted(receiver.events()) == sorted(events[:-1])
    assert caplog.text == ""


def test_the_thread_outlives_a_fault(
    store: Store, receiver: Receiver, happen: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    take, failures = webhooks.take, [RuntimeError("once")]

    def fail_once(*arguments: Any, **named: Any) -> Any:
        if failures:
            raise failures.pop()
        return take(*arguments, **named)

    monkeypatch.setattr(webhooks, "take", fail_once)
    subscribe(store, receiver.url)
    happen()
    deliverer = Deliverer(store, private=True, poll_s=0.01)
    deliverer.start()
    end = time.monotonic() + 30
    while not receiver.calls and time.monotonic() < end:
        time.sleep(0.01)
    deliverer.stop()
    assert len(receiver.calls) == 1
    assert "could not be sent" in caplog.text
