"""`heedful distil`: a context goes into the weights; an ILQL version's decoding, too."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from heedful.errors import Problem
from heedful.language.decoding import is_steered, steer
from heedful.language.ilql_heads import ILQLHeads, save_heads
from heedful.language.pretrained import save
from heedful.language.sampling import Sampling
from heedful.records import Model
from heedful.stages import distil
from heedful.stages.imitating import Imitation
from heedful.stages.project import Project
from heedful.stages.versions import keep_policy, load_policy

Make = Callable[[str], Path]


def config(folder: Path, **given: Any) -> distil.Config:
    pace = Imitation(epochs=20.0, batch=32, learning_rate=1e-2, micro_batch=16, checkpoint_every=5)
    plain = distil.Config(folder, prompts=16, examined=8, imitation=pace, threads=1, device="cpu")
    return replace(plain, **{"sampling": Sampling(max_new_tokens=4), **given})


def written(folder: Path, text: str = "x y z ") -> str:
    path = folder.parent / "context.txt"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_divergence_from_the_prompted_teacher_falls(make_project: Make) -> None:
    folder = make_project("project")
    made = distil.run(config(folder, context=written(folder), prompts=48))
    assert (made.status, made.parent, made.config["context"]) == ("candidate", "v0", "x y z ")
    result = json.loads((folder / "runs" / made.run / "result.json").read_text(encoding="utf-8"))
    assert result["after"][0] < 0.5 * result["before"][0]


def test_a_version_that_decodes_by_heads_becomes_plain_weights(make_project: Make) -> None:
    folder = make_project("project")
    project = Project.open(folder)
    start = load_policy(project, project.model("v0"))
    heads = ILQLHeads.on(start)
    with torch.no_grad():
        for head in heads.lagged_q:
            head.get_parameter("2.bias")[9] += 2.0
    record = Model("v1", "policy", "policies/v1", parent="v0", status="candidate")
    keep_policy(project, start, record, lambda path: save_heads(heads, path, {"beta": 1.0, "top_k": 0}))
    made = distil.run(config(folder, policy="v0", teacher="v1"))
    learnt = load_policy(project, project.model(made.id))
    assert not is_steered(learnt)
    result = json.loads((folder / "runs" / made.run / "result.json").read_text(encoding="utf-8"))
    assert result["after"][0] < 0.5 * result["before"][0]
    assert steer(start, heads, beta=1.0, top_k=0).vocabulary == learnt.vocabulary
    save(learnt, folder.parent / "copy")


def test_nothing_to_distil_is_one_problem(make_project: Make) -> None:
    folder = make_project("project")
    with pytest.raises(Problem, match="its own student"):
        distil.run(config(folder))
    with pytest.raises(Problem, match="cannot be read"):
        distil.run(config(folder, context=str(folder / "nothing.txt")))
    with pytest.raises(Problem, match="is empty"):
        distil.run(config(folder, context=written(folder, " \n")))
    with pytest.raises(Problem, match="the model can read"):
        distil.run(config(folder, context=written(folder, "a " * 60)))


def test_broken_off_and_continued_it_is_the_same(make_project: Make, break_off: Callable[[int], None]) -> None:
    whole, broken = make_project("whole"), make_project("broken")
    context = written(whole)
    distil.run(config(whole, context=context))
    break_off(8)
    with pytest.raises(KeyboardInterrupt):
        distil.run(config(broken, context=context))
    distil.run(config(broken, context=context))
    files = [next((folder / "policies" / "v1").glob("*.safetensors")) for folder in (whole, broken)]
    assert files[0].read_bytes() == files[1].read_bytes()
