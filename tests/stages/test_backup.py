from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from heedful.cli import main
from heedful.feedback.accounts import accounts
from heedful.stages import init
from heedful.stages.project import Project


def test_a_backup_takes_the_place_of_the_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = init.run(init.Config(tmp_path / "p"))
    accounts.create(project.store, "olga", "Olga", None, "owner")
    assert main(["backup", str(tmp_path / "p"), str(tmp_path / "monday.db")]) == 0
    assert "1 accounts" in capsys.readouterr().out
    accounts.create(project.store, "late", "Late", None, "annotator")
    project.store.close()
    shutil.copy(tmp_path / "monday.db", tmp_path / "p" / "heedful.db")
    for rest in ("heedful.db-wal", "heedful.db-shm"):
        (tmp_path / "p" / rest).unlink(missing_ok=True)
    with Project.open(tmp_path / "p").store as restored:
        assert [account.login for account in accounts.all_accounts(restored)] == ["olga"]


def test_a_store_on_a_server_is_copied_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    if not os.environ.get("HEEDFUL_TEST_POSTGRES"):
        pytest.skip("set HEEDFUL_TEST_POSTGRES to the URL of an empty database")
    url = request.getfixturevalue("emptied_postgres")()
    init.run(init.Config(tmp_path / "p"))
    assert main(["backup", str(tmp_path / "p"), str(tmp_path / "monday.dump"), "--database", url]) == 0
    assert "0 accounts" in (said := capsys.readouterr().out)
    assert "restored into a scratch database and counted there." in " ".join(said.split())


def test_what_cannot_be_done_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backup", str(tmp_path / "nothing"), str(tmp_path / "x.db")]) == 2
    assert "no such folder" in capsys.readouterr().err
    assert not (tmp_path / "x.db").exists()
