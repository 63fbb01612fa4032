"""`heedful sft --learn critiques` and `--learn ghost`: a better critic, and an instruction that lasts."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from heedful.errors import Problem
from heedful.feedback import lineage
from heedful.language.chat import encode_prompt
from heedful.language.pretrained import LanguageModel, load
from heedful.language.sampling import Sampling
from heedful.records import Annotator, Completion, Judgement, Model, Prompt, Question
from heedful.runs import Run
from heedful.stages import import_, sft
from heedful.stages.imitating import Imitation
from heedful.stages.project import Project
from heedful.stages.revising import revise
from heedful.stages.teaching import Critic, Ghost, taught

Make = Callable[[str], Path]
PACE = Imitation(epochs=12.0, batch=16, learning_rate=1e-2)


def config(folder: Path, **given: Any) -> sft.Config:
    return replace(sft.Config(folder, imitation=PACE, threads=1, device="cpu"), **given)


def result_of(folder: Path, made: Model) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "runs" / made.run / "result.json").read_text(encoding="utf-8"))
    return found


def noted(folder: Path, model: Path) -> tuple[Project, Run, LanguageModel]:
    """The newest run again, with what it noted."""
    project = Project.open(folder)
    name = sorted(path.name for path in project.runs.iterdir())[-1]
    return project, Run(project.runs / name, json.loads((project.runs / name / "run.json").read_text())), load(model)


# Critiques


@pytest.fixture
def criticised(make_project: Make) -> Path:
    """People say of each answer twice its first letter: what is wrong with it."""
    folder = make_project("project")
    project = Project.open(folder)
    prompts = project.store.prompts()
    texts = ["abcdefgh"[number % 8] + " z" for number in range(len(prompts))]
    drafts = [Completion(f"c-{prompt.id}", prompt.id, text) for prompt, text in zip(prompts, texts, strict=True)]
    project.store.add_everything(
        completions=drafts,
        annotators=[Annotator("ann")],
        questions=[Question(f"q-{one.id}", "critique", one.prompt_id, (one.id,)) for one in drafts],
        judgements=[Judgement(f"j-{d.id}", f"q-{d.id}", "ann", {"text": f"{d.text[0]} {d.text[0]}"}) for d in drafts],
    )
    (folder / "rules.txt").write_text("k l\nm n\n", encoding="utf-8")
    return folder


def test_people_teach_the_critic(criticised: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Held-out critiques become likelier, on prompts that it has not seen, and the run is traced to people."""
    made = sft.run(config(criticised, learn="critiques", critic=Critic(rules=str(criticised / "rules.txt"))))
    found = result_of(criticised, made)
    assert found["after"][2] < 0.5 * found["before"][1]
    assert "Held-out critiques" in capsys.readouterr().out
    store = Project.open(criticised).store
    assert set(lineage.judgements_behind(store, made.id)) == {judgement.id for judgement in store.judgements()}


def test_it_is_asked_as_self_feedback_asks(criticised: Path, tiny_model: Path) -> None:
    sft.run(config(criticised, learn="critiques", critic=Critic(rules=str(criticised / "rules.txt"))))
    project, run, model = noted(criticised, tiny_model)
    shown: dict[str, Any] = {"ghost": Ghost(), "sampling": Sampling(), "held_out": 0.1, "seed": 0}
    prompts = [row.prompt for row in taught(project, run, model, "critiques", **shown).training]
    asked: list[list[int]] = []

    def write(questions: Sequence[Prompt], purpose: str) -> list[str | None]:
        asked.extend(encode_prompt(model, question) for question in questions if purpose == "critique")
        return [None] * len(questions)

    drafts = [(prompt, project.store.completions([f"c-{prompt.id}"])[0]) for prompt in project.store.prompts()]
    for rule in ("k l", "m n"):
        revise(write, drafts, [rule])
    assert len(prompts) > 50
    assert all(prompt in asked for prompt in prompts)


def test_a_critique_whose_rule_nobody_knows_is_a_problem(criticised: Path) -> None:
    with pytest.raises(Problem, match="by which rule") as caught:
        sft.run(config(criticised, learn="critiques"))
    assert "--critic.rules" in str(caught.value)
    words = criticised / "words.txt"
    words.write_text("{prompt} {draft} k\n", encoding="utf-8")
    sft.run(config(criticised, learn="critiques", critic=Critic(critique=str(words)), restart=True))


def test_without_critiques_there_is_nothing_to_learn(make_project: Make) -> None:
    with pytest.raises(Problem, match="no critiques to learn from"):
        sft.run(config(make_project("project"), learn="critiques"))


# Ghost attention


@pytest.fixture
def talking(make_project: Make, tmp_path: Path) -> Path:
    """With conversations of two and three turns of the user."""
    folder = make_project("project")
    rows = []
    for first in "abcdefgh":
        for second in "ijk":
            turns = [("system", "s"), ("user", first), ("assistant", "o"), ("user", second)]
            turns += [("assistant", "p"), ("user", "q")] if second == "k" else []
            rows.append({"prompt": [{"role": role, "content": content} for role, content in turns]})
    path = tmp_path / "conversations.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    import_.run(import_.Config(folder, path))
    (folder / "instructions.txt").write_text("x y z\nz y x\n", encoding="utf-8")
    return folder


def ghostly(folder: Path, **given: Any) -> sft.Config:
    ghost = Ghost(instructions=str(folder / "instructions.txt"), conversations=32)
    return config(folder, learn="ghost", ghost=ghost, sampling=Sampling(max_new_tokens=3), **given)


def test_an_instruction_of_the_first_turn_lasts(talking: Path, tiny_model: Path) -> None:
    """Held-out last answers, written under the instruction, become likelier with it in the first turn alone."""
    made = sft.run(ghostly(talking))
    found = result_of(talking, made)
    assert found["examples"] == 32
    assert found["after"][0] < found["before"][0]
    assert (made.snapshot, made.config["learn"]) == (None, "ghost")
    project, run, model = noted(talking, tiny_model)
    given = ghostly(talking)
    again = taught(project, run, model, "ghost", ghost=given.ghost, sampling=given.sampling, held_out=0.1, seed=0)
    shown = [model.decode(row.prompt) for row in again.training]
    assert [text.count("x y z") + text.count("z y x") for text in shown] == [1] * 32
    assert {text[:7] for text in shown} == {"s x y z", "s z y x"}


def test_what_ghost_attention_needs_is_said(make_project: Make, talking: Path) -> None:
    with pytest.raises(Problem, match="no instructions"):
        sft.run(config(talking, learn="ghost"))
    plain = make_project("plain")
    (plain / "instructions.txt").write_text("x\n", encoding="utf-8")
    with pytest.raises(Problem, match="two or more turns of the user"):
        sft.run(ghostly(plain))
