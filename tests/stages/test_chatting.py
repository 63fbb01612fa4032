"""The live chat's sampler on a tiny model."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from heedful.errors import Problem
from heedful.records import Completion, Message, Model, Prompt
from heedful.stages import chatting, init
from heedful.stages.chatting import PolicySampler
from heedful.stages.project import Project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with two versions of the playground's bundled model."""
    import heedful.playground

    folder = tmp_path_factory.mktemp("chat") / "p"
    bundled = Path(heedful.playground.__file__).parent / "model"
    project = init.run(init.Config(folder, model=str(bundled)))
    project.store.add_model(Model("v1", "policy", "policies/v0", parent="v0"))
    project.store.add_model(Model("v2", "policy", "policies/v0", parent="v1", status="rejected"))
    project.store.add_model(Model("v3", "policy", "policies/gone", parent="v1"))
    return project


QUESTION = Prompt.of([Message("user", "how do i repair the hammock?")])


def answers(sampler: PolicySampler, policies: tuple[str, str], seed: int) -> dict[int, tuple[str, Completion]]:
    pieces = {0: "", 1: ""}
    ready: dict[int, Completion] = {}
    for side, piece in sampler.stream(QUESTION, policies, seed):
        if isinstance(piece, Completion):
            ready[side] = piece
        else:
            pieces[side] += piece
    return {side: (pieces[side], ready[side]) for side in (0, 1)}


def test_versions_that_can_answer_are_listed(project: Project) -> None:
    assert PolicySampler(project).policies() == ["v0", "v1"]


@pytest.mark.parametrize("policies", [("v0", "v1"), ("v1", "v1")])
def test_two_answers_stream_side_by_side(project: Project, policies: tuple[str, str]) -> None:
    sampler = PolicySampler(project, "cpu", longest=24)
    found = answers(sampler, policies, 7)
    for side, (streamed, completion) in found.items():
        assert completion.policy == policies[side]
        assert streamed.startswith(completion.text) or completion.text.startswith(streamed)
        assert 1 <= len(completion.token_ids) == len(completion.logprobs) <= 24
        assert completion.sampling["max_new_tokens"] == 24
        assert completion.finish in ("stop", "length")
    assert found[0][1].sampling["seed"] != found[1][1].sampling["seed"]
    assert answers(sampler, policies, 7) == found, "the same seed gives the same answers"
    assert {side: each[1].token_ids for side, each in answers(sampler, policies, 8).items()} != {
        side: each[1].token_ids for side, each in found.items()
    }


def test_nobody_goes_on_writing_when_nobody_listens(project: Project) -> None:
    sampler = PolicySampler(project, "cpu", longest=32)
    before = threading.active_count()
    stream = sampler.stream(QUESTION, ("v0", "v1"), 1)
    next(stream)
    stream.close()  # type: ignore[attr-defined] # a generator
    assert threading.active_count() == before
    assert set(answers(sampler, ("v0", "v1"), 1)) == {0, 1}, "its turn was given back"


def test_a_conversation_that_is_too_long_is_a_problem(project: Project) -> None:
    long = Prompt.of([Message("user", "repair the hammock " * 200)])
    with pytest.raises(Problem, match="too long"):
        list(PolicySampler(project, "cpu").stream(long, ("v0", "v1"), 0))
    with pytest.raises(Problem, match="no model"):
        list(PolicySampler(project, "cpu").stream(QUESTION, ("v0", "v9"), 0))


def test_only_so_many_models_are_held(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chatting, "MODELS", 1)
    sampler = PolicySampler(project, "cpu", longest=2)
    answers(sampler, ("v0", "v0"), 0)
    answers(sampler, ("v1", "v1"), 0)
    assert list(sampler._loaded) == ["v1"]


def test_torch_is_loaded_when_somebody_talks_and_not_before(project: Project) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom heedful import serve\n"
        f"config = serve.Config(Path({str(project.folder)!r}))\n"
        "sampler = serve.sampler(serve.open_project(config), config)\n"
        "assert sampler.policies() == ['v0', 'v1']\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
