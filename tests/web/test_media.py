from __future__ import annotations

from pathlib import Path

import pytest
from tests.web.conftest import Browser

from heedful.feedback.campaigns import claim
from heedful.feedback.store import Store
from heedful.records import Completion, Prompt, Question
from heedful.web.media import inside

FILM = b"\x1a\x45\xdf\xa3" + bytes(range(256)) * 8


def ask(store: Store, *clips: str) -> None:
    prompt = Prompt.of("Which way of walking is better?")
    completions = [Completion(f"c{i}", prompt.id, "", metadata={"clip": clip}) for i, clip in enumerate(clips)]
    question = Question("q", "comparison", prompt.id, ("c0", "c1"))
    store.add_everything(prompts=[prompt], completions=completions, questions=[question])


@pytest.fixture
def films(tmp_path: Path) -> Path:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "walk.webm").write_bytes(FILM)
    (tmp_path / "clips" / "run.mp4").write_bytes(FILM[::-1])
    return tmp_path


def test_a_film_is_shown_to_who_was_given_the_question(store: Store, films: Path, annotator: Browser) -> None:
    ask(store, "clips/walk.webm", "clips/run.mp4")
    assert annotator.get("/media/clip?question=q&place=0").status_code == 404
    assignment = claim(store, annotator.annotator_id)
    assert assignment is not None
    left = annotator.get("/media/clip?question=q&place=0")
    assert left.status_code == 200
    assert left.content == (FILM, FILM[::-1])[assignment.shown[0]]
    assert left.headers["content-type"] == ("video/webm", "video/mp4")[assignment.shown[0]]
    assert "walk" not in str(left.headers)
    assert annotator.get("/media/clip?question=q&place=2").status_code == 404
    assert annotator.get("/media/clip?question=q&place=-1").status_code == 404


def test_a_part_of_a_film_can_be_asked_for(store: Store, films: Path, reviewer: Browser) -> None:
    ask(store, "clips/walk.webm", "clips/run.mp4")
    part = reviewer.get("/media/completion?completion=c0", headers={"Range": "bytes=4-9"})
    assert (part.status_code, part.content) == (206, FILM[4:10])


def test_only_reviewers_see_any_film(store: Store, films: Path, reviewer: Browser, annotator: Browser) -> None:
    ask(store, "clips/walk.webm", "clips/run.mp4")
    assert reviewer.get("/media/completion?completion=c1").content == FILM[::-1]
    assert annotator.get("/media/completion?completion=c1").status_code == 403
    assert reviewer.get("/media/completion?completion=none").status_code == 404


@pytest.mark.parametrize(
    "name",
    [
        "../outside.webm",
        "clips/../../outside.webm",
        "clips/link.webm",
        "/etc/passwd",
        "store.db",
        "clips/walk.webm\0.png",
        "clips",
        "",
        "clips/none.webm",
        "x" * 5000 + ".webm",
        7,
        None,
    ],
)
def test_nothing_leads_out_of_the_folder(tmp_path: Path, name: object) -> None:
    project = tmp_path / "project"
    (project / "clips").mkdir(parents=True)
    (project / "clips" / "walk.webm").write_bytes(FILM)
    (tmp_path / "outside.webm").write_bytes(b"secret")
    (project / "store.db").write_bytes(b"secret")
    (project / "clips" / "link.webm").symlink_to(tmp_path / "outside.webm")
    assert inside(project, name) is None
    assert inside(None, name) is None
    assert inside(project, "clips/walk.webm") == (project / "clips" / "walk.webm").resolve()
