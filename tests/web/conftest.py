"""A running app on a store of its own, and people in it.

    def test_something(owner: Browser, annotator: Browser) -> None:
        assert owner.get("/people").status_code == 200
        assert owner.post("/people/invite", {"role": "reviewer"}).status_code == 303

`owner`, `reviewer`, `annotator` are logged in; `client` is nobody. Redirects are not followed.
`lively` is a project in the middle of its work (see seeding.py), to look at and not to change.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from heedful.feedback.accounts import accounts, sessions
from heedful.feedback.accounts.accounts import Account, Role
from heedful.feedback.store import Store
from heedful.web.app import create_app
from heedful.web.settings import ServerSettings

URL = "http://testserver"
POSTGRES = os.environ.get("HEEDFUL_TEST_POSTGRES", "")


class Browser:
    """Somebody's browser: it keeps cookies, sends where it is, and with changes the session's token."""

    def __init__(self, app: FastAPI, account: Account | None = None, token: str = "", csrf: str = "") -> None:
        self.app, self.account, self.csrf = app, account, csrf
        self.http = TestClient(app, base_url=URL, follow_redirects=False)
        if token:
            self.http.cookies.set(app.state.heedful.settings.cookie, token)

    @property
    def annotator_id(self) -> str:
        """Under which the answers of this person are stored."""
        assert self.account is not None
        return self.account.annotator_id

    def get(self, path: str, **options: Any) -> Any:
        """Open a page."""
        return self.http.get(path, **options)

    def post(self, path: str, data: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """Send a form from one of our pages."""
        return self.http.post(path, data=dict(data or {}), headers=self._sent(options), **options)

    def send(self, method: str, path: str, json: Any = None, **options: Any) -> Any:
        """Send JSON as a script of one of our pages does."""
        return self.http.request(method, path, json=json, headers=self._sent(options), **options)

    def _sent(self, options: dict[str, Any]) -> dict[str, str]:
        headers = {"Origin": URL, **options.pop("headers", {})}
        return {"X-CSRF-Token": self.csrf, **headers} if self.csrf else headers


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "empty.db"
    Store.open(path).close()
    return path


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is tried in a real browser is tried on one database: the routes behind it are tested on both."""

    def twice(item: pytest.Item) -> bool:
        found = getattr(item, "callspec", None)
        seen = "chromium" in getattr(item, "fixturenames", ())
        return bool(seen and found is not None and found.params.get("store") == "postgresql")

    left_out = [item for item in items if twice(item)]
    items[:] = [item for item in items if not twice(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(params=["sqlite", *(["postgresql"] if POSTGRES else [])])
def store(request: pytest.FixtureRequest, tmp_path: Path, empty_database: Path) -> Iterator[Store]:
    location = str(tmp_path / "store.db")
    if request.param == "sqlite":
        shutil.copy(empty_database, location)
    else:
        location = request.getfixturevalue("emptied_postgres")()
    with Store.open(location) as opened:
        yield opened


@pytest.fixture
def settings() -> ServerSettings:
    return ServerSettings(public_url=URL)


@pytest.fixture
def app(store: Store, settings: ServerSettings, tmp_path: Path) -> Iterator[FastAPI]:
    made = create_app(store, settings, tmp_path)
    made.state.heedful.shared["patience_s"] = 600.0  # the dashboard waits for its numbers, on a busy machine too
    yield made
    if remembered := made.state.heedful.shared.get("remembered"):
        remembered.settle()  # what is computed in the background reads the store


@pytest.fixture
def client(app: FastAPI) -> Browser:
    return Browser(app)


@pytest.fixture
def enter(app: FastAPI, store: Store) -> Callable[..., Browser]:
    """Make somebody and log them in: `enter("ann")`, `enter("rob", "reviewer")`."""

    def somebody(login: str, role: Role = "annotator") -> Browser:
        account = accounts.create(store, login, login.title(), None, role)
        token, session = sessions.begin(store, account.id, "a test")
        return Browser(app, account, token, session.csrf)

    return somebody


@pytest.fixture
def owner(enter: Callable[..., Browser]) -> Browser:
    return enter("olga", "owner")


@pytest.fixture
def reviewer(enter: Callable[..., Browser]) -> Browser:
    return enter("rita", "reviewer")


@pytest.fixture
def annotator(enter: Callable[..., Browser]) -> Browser:
    return enter("anna", "annotator")


@dataclass(frozen=True)
class Lively:
    """A project full of people and models, and its owner's browser."""

    store: Store
    folder: Path
    owner: Browser
    team: Mapping[str, str]
    """Login -> annotator."""


@pytest.fixture(scope="session")
def lively(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[Lively]:
    """Filled by seeding.py on SQLite, once for all tests that only look."""
    spec = importlib.util.spec_from_file_location("seeding", Path(__file__).with_name("seeding.py"))
    assert spec is not None
    assert spec.loader is not None
    seeding = sys.modules["seeding"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(seeding)
    folder = tmp_path_factory.mktemp("lively")
    shutil.copy(empty_database, folder / "heedful.db")
    with Store.open(folder / "heedful.db") as store:
        seeded = seeding.fill(store, folder, scale=0.15)
        app = create_app(store, ServerSettings(public_url=URL), folder)
        app.state.heedful.shared["patience_s"] = 600.0
        account = accounts.of(store, seeded.owner)
        token, session = sessions.begin(store, account.id, "a test")
        yield Lively(store, folder, Browser(app, account, token, session.csrf), seeded.team)
