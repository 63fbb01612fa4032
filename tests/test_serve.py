"""The verb `serve`: what it makes, prints and refuses. What it serves is the business of tests/web."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from heedful import serve
from heedful.errors import Problem
from heedful.feedback.accounts import accounts
from heedful.feedback.store import Store
from heedful.records import Model
from heedful.stages.project import Project
from heedful.web.settings import ServerSettings


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Any]:
    """Start `heedful serve` as a process: gives the process and the lines that it printed until it was ready."""
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
        command = [sys.executable, "-m", "heedful", "serve", str(tmp_path / "demo"), "--port", "0", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        running.append(process)
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if "Ctrl-C" in line:
                break
        return process, said

    yield start
    for process in running:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_one_command_to_the_first_account_and_one_key_to_stop(started: Any, tmp_path: Path) -> None:
    process, said = started()
    [base] = re.findall(r"served at (http://127\.0\.0\.1:\d+)\s", said)
    [link] = re.findall(r"(http://127\.0\.0\.1:\d+/setup/[\w-]{43})", said)
    form = {"login": "olga", "name": "Olga", "password": "four unrelated words"}
    with httpx.Client(headers={"Origin": base}) as browser:
        assert browser.post(link, data=form).status_code == 303
        assert "What shall people judge?" in browser.get(base + "/").text
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Stopped" in rest
    assert "Traceback" not in rest
    again, said = started()
    assert "/setup/" not in said, "there is an account now"
    again.send_signal(signal.SIGTERM)
    rest, _ = again.communicate(timeout=60)
    assert again.returncode == -signal.SIGTERM
    assert "Traceback" not in rest


def test_the_project_is_made_where_there_is_none(tmp_path: Path) -> None:
    project = serve.open_project(serve.Config(tmp_path / "new"))
    assert project.store.models() == []
    assert (tmp_path / "new" / "heedful.toml").is_file()
    assert (tmp_path / "new" / "heedful.db").is_file()
    serve.open_project(serve.Config(tmp_path / "new"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.doc").touch()
    with pytest.raises(Problem, match="not empty"):
        serve.open_project(serve.Config(tmp_path / "other"))


def test_the_database_of_a_new_project_is_kept_and_that_of_an_old_one_is_passed_over(tmp_path: Path) -> None:
    made = serve.open_project(serve.Config(tmp_path / "p", database='people "1".db'))
    assert made.settings.database == 'people "1".db'
    assert Project.open(tmp_path / "p").settings.database == 'people "1".db'
    assert Project.open(tmp_path / "p").settings.held_out == 0.1
    other = serve.open_project(serve.Config(tmp_path / "p", database="other.db"))
    assert other.store.location == str(tmp_path / "p" / "other.db")
    assert Project.open(tmp_path / "p").settings.database == 'people "1".db'


def test_it_stays_on_this_machine_until_it_is_safe_to_leave_it(store_of_one: Store, tmp_path: Path) -> None:
    with Store.open(tmp_path / "empty.db") as empty:
        serve.refuse_to_be_open(empty, ServerSettings())
        with pytest.raises(Problem, match="no account yet"):
            serve.refuse_to_be_open(empty, ServerSettings(host="0.0.0.0", public_url="https://x.example"))
    with pytest.raises(Problem, match="under which address"):
        serve.refuse_to_be_open(store_of_one, ServerSettings(host="0.0.0.0"))
    serve.refuse_to_be_open(store_of_one, ServerSettings(host="0.0.0.0", public_url="https://x.example"))


@pytest.fixture
def store_of_one(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "one.db") as store:
        accounts.create(store, "olga", "Olga", None, "owner")
        yield store


def test_it_says_where_it_is(store_of_one: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for settings, words in (
        (ServerSettings(host="::1", port=81), "http://[::1]:81"),
        (ServerSettings(public_url="https://x.example/feedback"), "https://x.example/feedback"),
        (ServerSettings(host="0.0.0.0", public_url="http://lab:8000"), "unencrypted"),
    ):
        serve.announce(store_of_one, settings, tmp_path)
        said = capsys.readouterr().out
        assert words in said
        assert "/setup/" not in said


def test_the_first_owner_can_be_made_where_there_is_no_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(tmp_path / "x.db") as store:
        monkeypatch.delenv(serve.PASSWORD, raising=False)
        with pytest.raises(Problem, match="is not set"):
            serve.make_owner(store, "olga")
        monkeypatch.setenv(serve.PASSWORD, "four unrelated words")
        serve.make_owner(store, "olga")
        serve.make_owner(store, "oskar")
        assert [(each.login, each.role) for each in accounts.all_accounts(store)] == [("olga", "owner")]
        assert accounts.authenticate(store, "olga", "four unrelated words") is not None


def test_a_project_without_a_model_has_no_live_chat(tmp_path: Path) -> None:
    config = serve.Config(tmp_path / "p")
    project = serve.open_project(config)
    assert serve.sampler(project, config) is None
    project.store.add_model(Model("v0", "policy", "policies/v0"))
    assert serve.sampler(project, config) is not None
