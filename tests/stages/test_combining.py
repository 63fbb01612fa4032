"""Rules, penalties, ensembles and gates beside the reward, through the verbs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.stages.test_stories import function, settings

from heedful.errors import Problem
from heedful.feedback import lineage
from heedful.language.acting import write_completions
from heedful.language.engines.local import LocalSampler
from heedful.language.sampling import Sampling
from heedful.records import Annotator, Completion, Judgement, Prompt, Question
from heedful.reward.rules import FunctionReward, load_function
from heedful.rollouts import Rollouts
from heedful.stages import improve, reward
from heedful.stages.combining import Combined, combined
from heedful.stages.leash import Leash
from heedful.stages.project import Project
from heedful.stages.versions import load_policy

Make = Callable[[str], Path]


def flagged_answers(folder: Path) -> None:
    """Answers of v0 in which ann has flagged the letter o, and not flagged the others; bob rated the letters e."""
    project = Project.open(folder)
    model = load_policy(project, project.model("v0"), torch.device("cpu"))
    prompts = project.store.prompts()
    asked = [prompt for prompt in prompts for _ in range(4)]
    written = write_completions(model, LocalSampler(model), asked, Sampling(max_new_tokens=6), policy="v0", seed=3)
    answers = {f"f{n}": completion for n, completion in enumerate(written) if completion.text.strip()}
    flags = {"flags": ["rude", "wrong"]}
    project.store.add_everything(
        completions=[Completion(name, one.prompt_id, one.text) for name, one in answers.items()],
        annotators=[Annotator("ann"), Annotator("bob")],
        questions=[
            Question(f"{kind}-{name}", kind, one.prompt_id, (name,), metadata=metadata)
            for kind, metadata in (("flags", flags), ("rating", {"scale": [0, 9]}))
            for name, one in answers.items()
        ],
        judgements=[
            Judgement(f"j-{kind}-{name}", f"{kind}-{name}", who, answer)
            for name, one in answers.items()
            for kind, who, answer in (
                ("flags", "ann", {"flags": [{"name": "rude"}] if "o" in one.text else []}),
                ("rating", "bob", {"ratings": {"lively": min(9, one.text.count("e"))}}),
            )
        ],
    )


def rude(folder: Path, version: str) -> float:
    """The share of a version's answers that show the letter o."""
    project = Project.open(folder)
    model = load_policy(project, project.model(version), torch.device("cpu"))
    asked = [prompt for prompt in project.store.prompts() for _ in range(3)]
    written = write_completions(model, LocalSampler(model), asked, Sampling(max_new_tokens=6), policy=version, seed=9)
    return sum("o" in one.text for one in written) / len(written)


def test_flags_become_a_rule_that_halves_what_people_flag(make_project: Make) -> None:
    """Glaese et al. 2022: a rule model learnt from flags, beside the reward, which alone does not care."""
    folder = make_project("project")
    flagged_answers(folder)
    made = reward.run(settings(reward.Config, folder, learn="flags", flags=("rude",), epochs=8.0, pairs_per_step=32))
    result = json.loads((folder / "runs" / made.run / "result.json").read_text(encoding="utf-8"))
    assert result["area_under_roc"]["low"] >= 0.9
    begun = rude(folder, "v0")
    how: dict[str, Any] = {"reward_function": function(folder), "steps": 30, "algorithm": "rloo"}
    how |= {"prompts_per_step": 16, "completions_per_prompt": 4, "leash": Leash(0.02), "learning_rate": 1e-2}
    alone = improve.run(settings(improve.Config, folder, **how))
    careful = improve.run(settings(improve.Config, folder, **how, combined=Combined((f"{made.id}=-2",))))
    assert begun > 0.1
    assert rude(folder, careful.id) <= 0.5 * min(begun, rude(folder, alone.id))
    store = Project.open(folder).store
    assert set(lineage.judgements_behind(store, careful.id)) == {
        judgement.id for judgement in store.judgements(kind=["flags"])
    }, "who flagged is behind the version, though its reward is a function"
    assert careful.id in {model.id for model in lineage.touched_by(store, "ann").models}
    assert alone.id not in {model.id for model in lineage.touched_by(store, "ann").models}


def scored(settings_: Combined, folder: Path, texts: list[str]) -> list[float]:
    """What the reward and the others say of texts, the reward being the number of letters e."""
    project = Project.open(folder)
    model = load_policy(project, project.model("v0"), torch.device("cpu"))
    found = combined(FunctionReward(load_function(function(folder))), settings_, project, model, by_text=True)
    mask_BT = torch.tensor([[n < len(text.split()) for n in range(5)] for text in texts])
    prompts = (Prompt.of("a b"),) * len(texts)
    rollouts = Rollouts({}, mask_BT, torch.arange(len(texts)), torch.zeros(mask_BT.shape))
    rollouts = rollouts.with_(prompts=prompts, completions=tuple(texts))
    scores_B = found(rollouts).scores_B
    assert scores_B is not None
    return [float(score) for score in scores_B]


def test_what_several_scorers_are_together(make_project: Make) -> None:
    folder = make_project("project")
    other = folder.parent / "other.py"
    other.write_text("def o(prompts, completions):\n    return [float(text.count('o')) for text in completions]\n")
    texts, name = ["e e o", "e", "o o o o"], f"{other}:o"  # letters e: 2, 1, 0; letters o: 1, 0, 4; tokens: 3, 1, 4
    assert scored(Combined(), folder, texts) == [2, 1, 0]
    assert scored(Combined((f"{name}=-0.5",)), folder, texts) == [1.5, 1, -2]
    assert scored(Combined((name,), how="mean"), folder, texts) == [1.5, 0.5, 2]
    assert scored(Combined((name,), how="worst"), folder, texts) == [1, 0, 0]
    assert scored(Combined((name,), how="uncertainty", variance_price=1.0), folder, texts) == [1.25, 0.25, -2]
    assert scored(Combined((f"{name}=-1",), how="gate", threshold=-0.5), folder, texts) == [-1, 1, -4]
    assert scored(Combined(token_price=0.25, free_tokens=2), folder, texts) == [1.75, 1, -0.5]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (Combined(("r1=much",)), "'r1=much' is no scorer with a weight"),
        (Combined(("=2",)), "'=2' is no scorer"),
        (Combined(("r1=inf",)), "'r1=inf' is no scorer"),
        (Combined(("r1=2",), how="mean"), "none of them weighed"),
        (Combined((), how="worst"), "one other member or more"),
        (Combined(("r1", "r2"), how="gate"), "one guard, not 2"),
    ],
)
def test_what_is_no_combination_is_refused(given: Combined, says: str) -> None:
    with pytest.raises(Problem, match=says):
        given.named()


def test_combinations_that_cannot_be_are_refused_before_anything_runs(make_project: Make) -> None:
    folder = make_project("project")
    how: dict[str, Any] = {"reward_function": function(folder), "combined": Combined(("r7=-1",))}
    with pytest.raises(Problem, match="not cached"):
        improve.run(settings(improve.Config, folder, **how, cache_scores=True))
    with pytest.raises(Problem, match="there is no model 'r7'"):
        improve.run(settings(improve.Config, folder, **how))


def test_a_run_that_lost_one_of_its_functions_says_so(make_project: Make, break_off: Callable[[int], None]) -> None:
    folder = make_project("project")
    other = folder.parent / "other.py"
    begun = "def o(prompts, completions):\n    return [float(len(text)) for text in completions]\n"
    other.write_text(begun)
    how: dict[str, Any] = {"reward_function": function(folder), "combined": Combined((f"{other}:o=-0.1",))}
    config = settings(improve.Config, folder, **how, steps=3)
    break_off(2)
    with pytest.raises(KeyboardInterrupt):
        improve.run(config)
    other.write_text(begun.replace("len(text)", "len(text) + 1"))
    with pytest.raises(Problem, match="a reward function has changed since this run began") as refused:
        improve.run(config)
    assert str(other) in str(refused.value)
    other.write_text(begun)
    assert improve.run(config).id == "v1"
