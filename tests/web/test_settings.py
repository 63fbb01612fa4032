from __future__ import annotations

import pytest

from heedful.errors import Problem
from heedful.web.settings import ServerSettings, is_loopback


@pytest.mark.parametrize(
    ("url", "origin", "prefix", "cookie"),
    [
        ("", "", "", "heedful_8000"),
        ("https://feedback.example.org", "https://feedback.example.org", "", "__Host-heedful"),
        ("https://example.org:443/team/feedback/", "https://example.org", "/team/feedback", "__Secure-heedful"),
        ("https://example.org:8443", "https://example.org:8443", "", "__Host-heedful"),
        ("http://Lab:8080/x", "http://lab:8080", "/x", "heedful_8000"),
        ("http://[::1]:80", "http://[::1]", "", "heedful_8000"),
    ],
)
def test_everything_follows_from_the_public_url(url: str, origin: str, prefix: str, cookie: str) -> None:
    settings = ServerSettings(public_url=url)
    assert (settings.origin, settings.prefix, settings.cookie) == (origin, prefix, cookie)
    assert settings.secure == url.startswith("https")


@pytest.mark.parametrize("url", ["example.org", "ftp://example.org", "https://", "https://example.org/?x=1"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Problem, match="not an address"):
        ServerSettings(public_url=url)


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("localhost", True),
        ("app.localhost", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("localhost.example.org", False),
        ("", False),
    ],
)
def test_loopback_is_this_machine_alone(host: str, alone: bool) -> None:
    assert is_loopback(host) is alone
