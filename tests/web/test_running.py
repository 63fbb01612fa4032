"""A real server on a real port, by itself and behind a reverse proxy."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from heedful.errors import Problem
from heedful.feedback.accounts import accounts, invitations
from heedful.feedback.store import Store
from heedful.web import running
from heedful.web.app import create_app
from heedful.web.settings import ServerSettings

PASSWORD = "four unrelated words"


@contextmanager
def served(store: Store, settings: ServerSettings, folder: Path) -> Iterator[int]:
    """Serve the store on a free port of this machine; gives the port."""
    app = create_app(store, settings, folder)
    with running.listen(ServerSettings(port=0)) as listening:
        server = running.server(app, settings, ["127.0.0.1"])
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()


class Proxy(httpx.BaseTransport):
    """A reverse proxy: takes requests for any address by https and asks a server inside the house by http.

    As many proxies do, it names itself as the Host, says in X-Forwarded-* what was asked, and may or may not take the
    path away before which it was put.
    """

    def __init__(self, port: int, *, strips: str = "") -> None:
        self.port, self.strips = port, strips
        self.inside = httpx.Client(base_url=f"http://127.0.0.1:{port}", follow_redirects=False)
        self.visitor = "203.0.113.7"

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert request.url.scheme == "https"
        headers = [(name, value) for name, value in request.headers.raw if name.lower() != b"host"]
        headers += [
            (b"Host", b"feedback-service:8000"),
            (b"X-Forwarded-Host", request.url.host.encode()),
            (b"X-Forwarded-Proto", b"https"),
            (b"X-Forwarded-For", self.visitor.encode()),
        ]
        path = request.url.raw_path.decode().removeprefix(self.strips) or "/"
        answer = self.inside.request(request.method, path, headers=headers, content=request.read())
        return httpx.Response(answer.status_code, headers=answer.headers.raw, content=answer.content)

    def close(self) -> None:
        self.inside.close()


@pytest.mark.parametrize(
    ("public_url", "strips"),
    [
        ("https://feedback.example.org", ""),
        ("https://example.org/team/feedback", ""),
        ("https://example.org/team/feedback", "/team/feedback"),
    ],
)
def test_behind_a_proxy_people_log_in_post_and_log_out(
    store: Store, tmp_path: Path, public_url: str, strips: str
) -> None:
    settings = ServerSettings(public_url=public_url)
    with served(store, settings, tmp_path) as port, httpx.Client(transport=Proxy(port, strips=strips)) as browser:
        ours = {"Origin": settings.origin, "Sec-Fetch-Site": "same-origin"}
        assert browser.get(public_url + "/").headers["location"] == f"{settings.prefix}/login"
        page = browser.get(f"{public_url}/login").text
        assert f'action="{settings.prefix}/login"' in page
        assert browser.get(settings.origin + re.findall(r'href="([^"]*style.css[^"]*)"', page)[0]).status_code == 200

        token = invitations.open_setup(store)
        form = {"login": "olga", "name": "Olga", "password": PASSWORD}
        done = browser.post(f"{public_url}/setup/{token}", data=form, headers=ours)
        assert (done.status_code, done.headers["location"]) == (303, f"{settings.prefix}/")
        page = browser.get(public_url + "/").text
        assert "What shall people judge?" in page
        [csrf] = set(re.findall(r'data-csrf="([^"]+)"', page))

        invited = browser.post(f"{public_url}/people/invite", data={"csrf": csrf, "role": "annotator"}, headers=ours)
        [link] = re.findall(r'value="(https://[^"]+/join/[^"]+)"', invited.text)
        assert link.startswith(f"{public_url}/join/")

        out = browser.post(f"{public_url}/logout", data={"csrf": csrf}, headers=ours)
        assert out.headers["location"] == f"{settings.prefix}/login"
        assert browser.get(public_url + "/account").status_code == 303
        back = browser.post(f"{public_url}/login", data={"login": "olga", "password": PASSWORD}, headers=ours)
        assert back.status_code == 303
        assert browser.get(public_url + "/account").status_code == 200
        for origin in ("https://evil.example", "http://feedback-service:8000", "https://feedback-service:8000"):
            refused = browser.post(f"{public_url}/logout", data={"csrf": csrf}, headers={"Origin": origin})
            assert refused.status_code == 403
            assert settings.origin in refused.text or "another site" in refused.text


def test_the_proxy_says_who_asks_and_nobody_else_does(store: Store, tmp_path: Path) -> None:
    settings = ServerSettings(public_url="https://feedback.example.org", login_rate="2 per minute")
    accounts.create(store, "olga", "Olga", None, "owner")
    with served(store, settings, tmp_path) as port:
        proxy = Proxy(port)
        ours = {"Origin": settings.origin}
        with httpx.Client(transport=proxy) as browser:

            def wrong(login: str) -> int:
                form = {"login": login, "password": "x"}
                return browser.post(f"{settings.public_url}/login", data=form, headers=ours).status_code

            assert [wrong(f"a{number}") for number in range(3)] == [401, 401, 429]
            proxy.visitor = "203.0.113.8"
            assert wrong("b") == 401, "somebody else behind the same proxy is not slowed down"
    local = ServerSettings(login_rate="2 per minute")
    with served(store, local, tmp_path) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as browser:
        headers = {"Origin": f"http://127.0.0.1:{port}"}
        answers = []
        for number in range(3):
            form = {"login": f"c{number}", "password": "x"}
            sent = {**headers, "X-Forwarded-For": f"203.0.113.{number}"}
            answers.append(browser.post("/login", data=form, headers=sent).status_code)
        assert answers == [401, 401, 429], "without a proxy nobody can claim to be somebody else"


def test_a_port_that_is_taken_is_a_problem_with_a_way_out() -> None:
    with running.listen(ServerSettings(port=0)) as first:
        port = first.getsockname()[1]
        with pytest.raises(Problem) as caught:
            running.listen(ServerSettings(port=port))
        assert str(port) in caught.value.where
        suggested = re.findall(r"--port (\d+)", caught.value.mend)
        assert port < int(suggested[0]) <= port + running.TRIED_PORTS
        running.listen(ServerSettings(port=int(suggested[0]))).close()


@pytest.mark.parametrize(("host", "words"), [("192.0.2.1", "not this machine's"), ("no such host", "no address")])
def test_an_address_that_is_not_ours_is_a_problem(host: str, words: str) -> None:
    with pytest.raises(Problem, match=words):
        running.listen(ServerSettings(host=host, port=0))


def test_it_listens_on_both_kinds_of_loopback() -> None:
    with running.listen(ServerSettings(host="localhost", port=0)) as listening:
        assert listening.getsockname()[0] in ("127.0.0.1", "::1")
    if socket.has_ipv6:
        try:
            running.listen(ServerSettings(host="::1", port=0)).close()
        except (Problem, OSError):
            pytest.skip("there is no IPv6 on this machine")
