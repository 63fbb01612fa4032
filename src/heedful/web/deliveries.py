"""Webhooks are sent: signed, with time limits, never to addresses inside the house, over and over until it works.

    POST the webhook's address
    Heedful-Event: judgement.stored
    Heedful-Delivery: 0b9c6f0e-...            the event's id: the same at each repeat
    Heedful-Signature: t=1767225600,v1=5257...
    {"id": ..., "event": "judgement.stored", "happened": 1767225599.5, "payload": {...}}

The signature is HMAC-SHA256, keyed by the webhook's secret, over the time stamp, a full stop and the body.
`heedful.web.client.verified` checks it. Redirects are not followed, and what is answered is not read: a status from
200 to 299 means that the event arrived.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from operator import attrgetter

import httpx

from heedful.errors import Problem
from heedful.feedback.accounts import audit, webhooks
from heedful.feedback.accounts.webhooks import Delivery
from heedful.feedback.store import Store
from heedful.web.signatures import signature

POLL_S = 1.0
"""How often the store is asked whether something is due."""

TIMEOUT_S = 10.0
"""For connecting, and again for the answer."""

AT_ONCE = 8
"""Deliveries taken in one round; with `TIMEOUT_S` they are settled long before `webhooks.LEASE_S` is over."""

log = logging.getLogger("heedful.webhooks")


def body_of(delivery: Delivery) -> bytes:
    """What is sent: the same bytes at each repeat."""
    content = {
        "id": delivery.event_id,
        "event": delivery.event,
        "happened": delivery.happened,
        "payload": delivery.payload,
    }
    return json.dumps(content, ensure_ascii=False, sort_keys=True).encode()


def address_of(host: str, port: int, *, private: bool) -> str:
    """The numeric address to connect to, looked up once, so that it cannot become another after the check.

    Args:
        host: a name or a numeric address.
        port: where it listens.
        private: whether addresses of this machine and of private networks are allowed.

    Raises:
        Problem: the name is unknown, or one of its addresses is not to be reached.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Problem(f"the name {host!r} is not known ({error})") from error
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not private and not _public(address):
            raise Problem(
                f"{host!r} is an address inside this network ({address})",
                mend="allow it with `private_webhooks = true` in section [serve] of heedful.toml",
            )
    return addresses[0]


def _public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if inner is None and found in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return _public(str(inner))
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)


def send(client: httpx.Client, delivery: Delivery, *, private: bool) -> str:
    """Send a delivery once; empty when it arrived, otherwise why not."""
    body, url = body_of(delivery), httpx.URL(delivery.url)
    try:
        address = address_of(url.host, url.port or (443 if url.scheme == "https" else 80), private=private)
        request = client.build_request(
            "POST",
            url.copy_with(host=address),
            content=body,
            headers={
                "Host": url.netloc.decode(),
                "Content-Type": "application/json",
                "User-Agent": "heedful",
                "Heedful-Event": delivery.event,
                "Heedful-Delivery": delivery.event_id,
                "Heedful-Signature": signature(delivery.secret, int(time.time()), body),
            },
            extensions={"sni_hostname": url.host},
        )
        answer = client.send(request, stream=True)
        answer.close()
    except Problem as problem:
        return problem.what
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return f"{type(error).__name__}: {error}"[:500]
    return "" if answer.is_success else f"status {answer.status_code}"


def send_due(store: Store, client: httpx.Client, *, private: bool, now: float | None = None) -> int:
    """Send what is due now, the webhooks beside one another; returns how many deliveries were tried.

    Args:
        store: where they are noted.
        client: that sends.
        private: whether private addresses are allowed.
        now: seconds since 1970, UTC; the clock's when it is left out.
    """
    taken = webhooks.take(store, AT_ONCE, now=now)
    if not taken:
        return 0
    queues = [list(group) for _, group in groupby(sorted(taken, key=_order), key=attrgetter("webhook_id"))]
    with ThreadPoolExecutor(len(queues)) as pool:
        tried = pool.map(lambda queue: _send_queue(client, queue, private), queues)
        for queue, errors in zip(queues, tried, strict=True):
            for delivery, error in zip(queue, errors, strict=True):
                if webhooks.settle(store, delivery, error, now=now):
                    _say_given_up(store, delivery, error)
    return len(taken)


def _order(delivery: Delivery) -> tuple[str, int]:
    return delivery.webhook_id, delivery.number


def _send_queue(client: httpx.Client, queue: Sequence[Delivery], private: bool) -> list[str]:
    """Why each delivery of one webhook failed, or ""; once nobody answers, the rest of them is not tried."""
    errors: list[str] = []
    silent = ""
    for delivery in queue:
        errors.append(silent or send(client, delivery, private=private))
        silent = "" if errors[-1].startswith("status ") else errors[-1]
    return errors


def _say_given_up(store: Store, delivery: Delivery, error: str) -> None:
    log.warning("webhook %s: event %s is given up: %s", delivery.webhook_id, delivery.event_id, error)
    detail = {"event": delivery.event_id, "name": delivery.event, "error": error}
    audit.record(store, "", "webhook.give_up", delivery.webhook_id, detail)


class Deliverer:
    """A thread that sends what is due, for as long as the server runs."""

    def __init__(self, store: Store, *, private: bool = False, poll_s: float = POLL_S) -> None:
        self._store, self._private, self._poll_s = store, private, poll_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is being sent, at the latest after some seconds; what is left is sent after a restart."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(timeout=TIMEOUT_S)

    def _run(self) -> None:
        with new_client() as client:
            while not self._over.is_set():
                try:
                    tried = send_due(self._store, client, private=self._private)
                except Exception:  # the thread outlives a fault of the database, and says what it was
                    log.exception("webhooks could not be sent")
                    tried = 0
                if not tried:
                    self._over.wait(self._poll_s)


def new_client() -> httpx.Client:
    """A client that follows no redirect and takes no proxy or password from its surroundings."""
    return httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False)
