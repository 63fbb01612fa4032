"""A running server and a real browser in front of it: Chromium, driven by Playwright.

Tests that use `chromium` are skipped where there is no Chromium.
"""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext, Page, sync_playwright

from heedful.feedback.accounts import accounts, sessions
from heedful.feedback.accounts.accounts import Account, Role
from heedful.feedback.store import Store
from heedful.web.app import create_app
from heedful.web.sampler import ChatSampler
from heedful.web.settings import ServerSettings

EXECUTABLE = shutil.which("chromium") or "/usr/bin/chromium"

WATCH = """
window.__violations = [];
document.addEventListener('securitypolicyviolation', (event) => {
  window.__violations.push(event.violatedDirective + ' ' + event.blockedURI);
});
window.canary = () => { window.__ran = (window.__ran || 0) + 1; };
"""
"""Run before every page: hears of what the page's policy refused, and of a script that ran."""


@contextmanager
def a_chromium() -> Iterator[Chromium]:
    """Chromium, without a window; skips the test where there is none."""
    if not Path(EXECUTABLE).exists():
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=EXECUTABLE, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Live:
    """An app that listens on a port of this machine."""

    app: FastAPI
    store: Store
    url: str
    cookie: str
    contexts: list[BrowserContext] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    """What the browsers complained of: errors of scripts, refused resources, requests to elsewhere, dialogs."""

    def somebody(self, login: str, role: Role = "annotator") -> Account:
        """Make an account."""
        return accounts.create(self.store, login, login.title(), None, role)

    def enter(self, chromium: Chromium, account: Account | None, **options: Any) -> BrowserContext:
        """A browser of its own in which somebody is logged in, or nobody."""
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        context.set_default_timeout(15_000)
        context.add_init_script(WATCH)
        if account is not None:
            self.log_in(context, account)
        context.on("page", self._watch)
        self.contexts.append(context)
        return context

    def log_in(self, context: BrowserContext, account: Account) -> None:
        """Begin a session in a browser."""
        token, _ = sessions.begin(self.store, account.id, "a test")
        context.add_cookies([{"name": self.cookie, "value": token, "url": self.url}])

    def _watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.troubles.append(f"script: {error}"))
        page.on("dialog", self._on_dialog)
        page.on("request", lambda request: self._on_request(request.url))
        page.on("console", lambda message: self._on_console(message.type, message.text))

    def _on_dialog(self, dialog: Any) -> None:
        self.troubles.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _on_request(self, url: str) -> None:
        if not url.startswith((self.url, "data:", "blob:")):
            self.troubles.append(f"request: {url}")

    def _on_console(self, kind: str, text: str) -> None:
        if kind == "error" and "Failed to load resource" not in text:
            self.troubles.append(f"console: {text}")


@contextmanager
def serving(store: Store, folder: Path, sampler: ChatSampler | None = None) -> Iterator[Live]:
    """Serve a store from this process; afterwards nobody may have had a complaint."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        settings = ServerSettings(port=port, api_rate="100000 per minute")
        app = create_app(store, settings, folder, sampler)
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        live = Live(app, store, f"http://127.0.0.1:{port}", settings.cookie)
        try:
            yield live
        finally:
            for context in live.contexts:
                context.close()
            server.should_exit = True
            thread.join(10)
    assert live.troubles == []
