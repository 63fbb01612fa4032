"""`heedful offline`: from labels and demonstrations to a version, killed and continued bit for bit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from heedful.errors import Problem
from heedful.language.decoding import is_steered
from heedful.language.sampling import Sampling
from heedful.learning.offline.ilql import ILQL
from heedful.learning.offline.irl import IRL
from heedful.stages import import_, improve, offline, sft
from heedful.stages.imitating import Imitation
from heedful.stages.project import Project
from heedful.stages.versions import load_policy

Make = Callable[[str], Path]
PACE = Imitation(epochs=2.0, batch=8, learning_rate=3e-3, checkpoint_every=2)
PACE8 = replace(PACE, epochs=8.0)


def filled(folder: Path) -> Path:
    """With thumbs (up where the answer has an e) and demonstrations."""
    rows: list[dict[str, Any]] = []
    for i, letter in enumerate("abcdefgh"):
        for word in ("e e", "q r", "e s"):
            rows.append({"prompt": f"{letter} i m", "completion": f"{word} {letter}", "label": "e" in word})
        rows.append({"prompt": f"{letter} {'ijkl'[i % 4]} n", "completion": f"e {letter} e"})
    for name, some in (
        ("thumbs", [r for r in rows if "label" in r]),
        ("demonstrations", [r for r in rows if "label" not in r]),
    ):
        path = folder.parent / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in some), encoding="utf-8")
        import_.run(import_.Config(folder, path))
    return folder


def config(folder: Path, **given: Any) -> offline.Config:
    plain = offline.Config(folder, imitation=PACE, ilql=ILQL(sync_every=2), threads=1, device="cpu")
    return replace(plain, **given)


def weights(folder: Path, version: str) -> dict[str, torch.Tensor]:
    project = Project.open(folder)
    state: dict[str, torch.Tensor] = load_policy(project, project.model(version)).module.state_dict()
    return state


def test_ilql_gives_a_candidate_that_decodes_by_its_heads(make_project: Make) -> None:
    folder = filled(make_project("project"))
    made = offline.run(config(folder))
    assert (made.status, made.parent, made.config["method"]) == ("candidate", "v0", "ilql")
    assert made.snapshot is not None
    project = Project.open(folder)
    model = load_policy(project, project.model(made.id))
    assert is_steered(model)
    assert not is_steered(load_policy(project, project.model("v0")))
    result = json.loads((folder / "runs" / made.run / "result.json").read_text(encoding="utf-8"))
    assert result["reward"] == "label 'thumb'"
    with pytest.raises(Problem, match="is not trained further"):
        improve.run(improve.Config(folder, policy=made.id, reward_function=f"{folder.parent / 'rewards.py'}:score"))


def test_irl_at_lambda_0_is_sft_bit_for_bit(make_project: Make) -> None:
    folder = filled(make_project("project"))
    plain = sft.run(sft.Config(folder, policy="v0", imitation=PACE, threads=1, device="cpu"))
    inverse = offline.run(config(folder, policy="v0", method="irl", irl=IRL(td=0.0)))
    other = offline.run(config(folder, policy="v0", method="irl", irl=IRL(td=0.5)))
    a, b, c = (weights(folder, version.id) for version in (plain, inverse, other))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not all(torch.equal(a[name], c[name]) for name in a)


def test_weighted_imitation_prefers_what_earned_more(make_project: Make) -> None:
    folder = filled(make_project("project"))
    made = offline.run(config(folder, method="weighted", imitation=replace(PACE, epochs=20.0)))
    project = Project.open(folder)
    model = load_policy(project, project.model(made.id))
    chances = model.module(torch.tensor([model.encode("a i m")])).logits[0, -1].softmax(-1)
    e, q = (model.encode(letter, start=False)[0] for letter in "eq")
    assert float(chances[e].detach()) > 4 * float(chances[q].detach()), "two in three of the log, and weighted on top"


def test_a_scorer_is_asked_once_before_training(make_project: Make) -> None:
    folder = filled(make_project("project"))
    counting = folder.parent / "counting.py"
    counting.write_text(
        f"def score(prompts, completions):\n    with open({str(folder.parent / 'calls')!r}, 'a') as file:\n"
        "        file.write('x')\n"
        "    return [float(text.count('e')) for text in completions]\n",
        encoding="utf-8",
    )
    made = offline.run(config(folder, scorer=f"{counting}:score"))
    assert (folder.parent / "calls").read_text(encoding="utf-8") == "x"
    assert made.reward == f"{counting}:score"


def test_what_cannot_be_learnt_from_is_one_problem(make_project: Make) -> None:
    folder = make_project("project")
    with pytest.raises(Problem, match="no labelled completions"):
        offline.run(config(folder))
    with pytest.raises(Problem, match="no demonstrations"):
        offline.run(config(folder, method="irl"))
    filled(folder)
    with pytest.raises(Problem, match="no completion has a label 'rating:x'"):
        offline.run(config(folder, label="rating:x"))


@pytest.mark.parametrize("method", ["ilql", "irl", "weighted"])
def test_broken_off_and_continued_it_is_the_same(
    method: Literal["ilql", "irl", "weighted"], make_project: Make, break_off: Callable[[int], None]
) -> None:
    """Broken off a step after a checkpoint; the heads, lagged ones too, come out bit for bit."""
    whole, broken = filled(make_project("whole")), filled(make_project("broken"))
    settings = {"method": method, "irl": IRL(mode="online"), "sampling": Sampling(max_new_tokens=6), "imitation": PACE8}
    offline.run(config(whole, **settings))
    break_off(3)
    with pytest.raises(KeyboardInterrupt):
        offline.run(config(broken, **settings))
    offline.run(config(broken, **settings))
    a, b = weights(whole, "v1"), weights(broken, "v1")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert any("lagged" in name for name in a) == (method == "ilql")
