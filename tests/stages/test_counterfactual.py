"""`heedful offline --method bandit`: from stored log-probabilities and one thumb each, against exact values."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from heedful.errors import Problem
from heedful.language.acting import write_completions
from heedful.language.chat import encode_prompt
from heedful.language.engines.local import LocalSampler
from heedful.language.imitation import Example
from heedful.language.pretrained import LanguageModel, load
from heedful.language.sampling import Sampling
from heedful.learning.bandit import Bandit
from heedful.records import Annotator, Completion, Judgement, Prompt, Question
from heedful.stages import import_, offline
from heedful.stages.counterfactual import Drawn, logprobs, unusable
from heedful.stages.imitating import Imitation
from heedful.stages.project import Project
from heedful.stages.versions import load_policy

Make = Callable[[str], Path]
GOOD = set("abcdefg")
"""A completion of two tokens earns a thumb if one of these letters is in it."""


def logged(folder: Path, each: int = 3) -> Path:
    """v0 writes to every prompt, and somebody says of each completion whether it is good."""
    project = Project.open(folder)
    model = load_policy(project, project.model("v0"))
    prompts = [prompt for prompt in project.store.prompts() for _ in range(each)]
    sampling = Sampling(max_new_tokens=2)
    written = write_completions(model, LocalSampler(model), prompts, sampling, policy="v0", seed=3)
    ask(project, written)
    return folder


def ask(project: Project, written: list[Completion]) -> None:
    questions = [Question(f"q-{one.id}", "label", one.prompt_id, (one.id,), "thumbs") for one in written]
    said = [Judgement(f"j-{one.id}", f"q-{one.id}", "ann", {"thumb": bool(GOOD & set(one.text))}) for one in written]
    project.store.add_everything(
        completions=written, annotators=[Annotator("ann")], questions=questions, judgements=said
    )


def config(folder: Path, **given: Any) -> offline.Config:
    pace = Imitation(epochs=3.0, batch=32, learning_rate=1e-2, checkpoint_every=2)
    plain = offline.Config(folder, method="bandit", imitation=pace, held_out=0.3, threads=1, device="cpu")
    return replace(plain, **given)


@torch.no_grad()
def expected(model: LanguageModel, prompts: list[Prompt]) -> float:
    """The exact chance of a thumb, over every completion of two tokens."""
    good_V = torch.tensor([bool(GOOD & set(model.decode([token]))) for token in range(model.vocabulary)])
    chances = []
    for prompt in prompts:
        ids = encode_prompt(model, prompt)
        first_V = model.module(torch.tensor([ids])).logits[0, -1].softmax(-1)
        after_VS = torch.tensor([[*ids, token] for token in range(model.vocabulary)])
        second_V = model.module(after_VS).logits[:, -1].softmax(-1)[:, good_V].sum(1)
        second_V[list(model.stop_ids)] = 0
        chances.append(float((first_V * torch.where(good_V, 1.0, second_V)).sum()))
    return sum(chances) / len(chances)


def result_of(folder: Path, run: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "runs" / run / "result.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("estimator", ["self_normalised", "ips"])
def test_the_held_out_estimate_and_the_true_reward_rise(
    estimator: Literal["self_normalised", "ips"], make_project: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over what was never sampled: the exact expectation on prompts that nothing was learnt from."""
    folder = logged(make_project("project"))
    made = offline.run(config(folder, bandit=Bandit(estimator=estimator)))
    project = Project.open(folder)
    prompts = project.prompts("evaluate")
    before, after = (expected(load_policy(project, project.model(name)), prompts) for name in ("v0", made.id))
    found = result_of(folder, made.run)["value"]
    assert after > before + 0.1
    # Written by v0 itself, the log is worth to v0 what it earned: all weights are one.
    assert found["before"] == pytest.approx(found["logged"], abs=1e-4)
    assert found["gain"][1] > 0
    assert found["after"][0] == pytest.approx(after, abs=0.12)
    assert 1 < found["effective"] < found["held_out"]
    assert "Effective sample size" in capsys.readouterr().out
    steps = [json.loads(line) for line in (folder / "runs" / made.run / "metrics.jsonl").read_text().splitlines()]
    looks = [step["effective_samples"] for step in steps if "effective_samples" in step]
    assert len(looks) == len(steps) // 10
    assert all(later < 1.001 * earlier for earlier, later in itertools.pairwise(looks))


def test_broken_off_and_continued_it_is_the_same(make_project: Make, break_off: Callable[[int], None]) -> None:
    """Broken off between two looks at the log: the weights go on as they were found at the first."""
    whole, broken = (logged(make_project(name), each=2) for name in ("whole", "broken"))
    bandit = Bandit(reweigh_every=3, looked_at=40)
    offline.run(config(whole, bandit=bandit))
    break_off(4)
    with pytest.raises(KeyboardInterrupt):
        offline.run(config(broken, bandit=bandit))
    offline.run(config(broken, bandit=bandit))
    states = [load(folder / "policies" / "v1").module.state_dict() for folder in (whole, broken)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_what_does_not_say_how_it_was_written_is_left_out_or_refused(
    make_project: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_project("project")
    rows = [{"prompt": f"{a} i m", "completion": f"{a} {b}", "label": b == "e"} for a in "abcd" for b in "eq"]
    path = tmp_path / "thumbs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    import_.run(import_.Config(folder, path))
    with pytest.raises(Problem, match=r"of 8 completions with a reward 0 say .*8 without log-probabilities") as caught:
        offline.run(config(folder))
    assert "--method weighted" in str(caught.value)
    logged(folder, each=1)
    offline.run(config(folder, restart=True))
    assert "8 completions are left out: without log-probabilities" in capsys.readouterr().out


def test_a_scorer_says_what_each_draw_earned(make_project: Make) -> None:
    """The same text written twice counts twice, as it was drawn twice."""
    folder = logged(make_project("project"), each=2)
    made = offline.run(config(folder, scorer=f"{folder.parent / 'rewards.py'}:score"))
    found = result_of(folder, made.run)
    assert found["completions"] + found["value"]["held_out"] == len(Project.open(folder).store.completions())


def test_log_probabilities_are_taken_at_the_temperature_of_each(tiny_model: Path) -> None:
    """Bare logits divided by hand, one row after the other."""
    model = load(tiny_model)
    ids = [1, 9, 10]
    written = [([5, 6], 1.0), ([7], 0.5), ([8, 9, 2], 1.0)]
    rows = [Drawn(Prompt("p", "x"), Example(ids, tokens), 0.0, 0.0, heat, "v0") for tokens, heat in written]
    with torch.no_grad():
        found_BT, mask_BT = logprobs(model, rows)
        for row, (tokens, heat) in enumerate(written):
            logits_SV = model.module(torch.tensor([[*ids, *tokens]])).logits[0, 2:-1] / heat
            wanted_T = logits_SV.log_softmax(-1).gather(1, torch.tensor(tokens)[:, None])[:, 0]
            torch.testing.assert_close(found_BT[row, : len(tokens)], wanted_T, atol=1e-5, rtol=1e-5)
    assert mask_BT.sum(1).tolist() == [2, 1, 3]


def test_why_a_completion_cannot_be_weighed(tiny_model: Path) -> None:
    model = load(tiny_model)
    (e,) = model.encode("e", start=False)
    good = Completion("c", "p", "e", "v0", (e, 2), (-1.0, -1.0), {"temperature": 0.7, "top_p": 1.0, "top_k": 0})
    assert unusable(model, good) == ""
    assert "without log-probabilities" in unusable(model, replace(good, logprobs=()))
    assert "temperature 0" in unusable(model, replace(good, sampling={"temperature": 0.0}))
    assert "temperature" in unusable(model, replace(good, sampling={}))
    assert "top_p" in unusable(model, replace(good, sampling={"temperature": 1.0, "top_p": 0.9}))
    assert "another model" in unusable(model, replace(good, token_ids=(e, 200)))
    assert "another model" in unusable(model, replace(good, text="q"))
