from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError

from heedful.feedback.store import Store
from heedful.web import site
from heedful.web.rates import Rates
from heedful.web.settings import ServerSettings


def one(store: Store, **settings: Any) -> site.Site:
    chosen = ServerSettings(**settings)
    return site.Site(store, chosen, None, None, site.templates(), Rates(chosen))


def test_links_carry_the_path_that_a_proxy_adds(store: Store) -> None:
    assert one(store).url("/judge") == "/judge"
    here = one(store, public_url="https://example.org/feedback/")
    assert here.url("/judge") == "/feedback/judge"
    assert here.asset("style.css").startswith("/feedback/static/style.css?v=")


def test_templates_escape_and_know_no_missing_names() -> None:
    environment = site.templates()
    assert environment.from_string("{{ x }}").render(x="<b>'\"") == "&lt;b&gt;&#39;&#34;"
    with pytest.raises(UndefinedError):
        environment.from_string("{{ nothing }}").render()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, '<time datetime="1970-01-01T00:00:00+00:00" title="1970-01-01 00:00:00 UTC">1 Jan 1970, 00:00</time>'),
        ("1970-01-01T01:00:00+01:00", "1 Jan 1970, 00:00"),
        ("1970-01-01", "1 Jan 1970, 00:00"),
        (None, "never"),
        ("", "never"),
    ],
)
def test_moments_are_for_eyes_and_scripts(value: float | str | None, shown: str) -> None:
    assert shown in site.moment(value)


def test_no_template_has_a_script_a_style_or_a_handler_of_its_own() -> None:
    """The content security policy would refuse them."""
    import re

    folder = Path(site.__file__).parent / "templates"
    found = []
    for path in sorted(folder.rglob("*.html")):
        text = re.sub(r"{#.*?#}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        if re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", text, flags=re.IGNORECASE):
            found.append(path.name)
    assert found == []


@pytest.mark.parametrize(
    ("agent", "shown"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/130.0 Safari/537.36 Edg/130.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari on iPhone"),
        ("curl/8.0", "curl/8.0"),
        ("", "unknown"),
    ],
)
def test_browsers_are_named(agent: str, shown: str) -> None:
    assert site.browser(agent) == shown
