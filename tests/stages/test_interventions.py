"""Edits that people hand in at the desk, replayed: the policy moves from its drafts towards the edits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
import torch

from heedful.feedback import views
from heedful.feedback.steering import desk
from heedful.language.chat import encode_prompt
from heedful.language.pretrained import LanguageModel, load
from heedful.records import Annotator, Comparison, Completion, Judgement, Question
from heedful.stages import prefer, sft
from heedful.stages.imitating import Imitation
from heedful.stages.preferring import Training
from heedful.stages.project import Project

EDITS = 24


def edited(folder: Path) -> Project:
    """People correct drafts: where q stood they write e."""
    project = Project.open(folder)
    prompts = project.prompts("train")[:EDITS]
    project.store.add_everything(
        completions=[Completion(f"d-{prompt.id}", prompt.id, f"{prompt.text[0]} q") for prompt in prompts],
        annotators=[Annotator("ann")],
        questions=[Question(f"q-{prompt.id}", "edit", prompt.id, (f"d-{prompt.id}",)) for prompt in prompts],
    )
    for number in range(EDITS):
        task = desk.next_task(project.store, "ann", "default")
        assert isinstance(task, desk.Task)
        question = task.assignment.question.id
        draft = project.store.completions([task.assignment.question.completion_ids[0]])[0].text
        desk.submit(project.store, Judgement(f"j{number}", question, "ann", {"text": draft.replace("q", "e")}))
    return project


def lead(model: LanguageModel, pair: Comparison) -> float:
    """log p(edit) - log p(draft), token by token from bare logits."""
    prompt, found = encode_prompt(model, pair.prompt), []
    for text in (pair.a, pair.b):
        ids = [*prompt, *model.encode(text, start=False)]
        with torch.no_grad():
            logprobs_SV = model.module(torch.tensor([ids])).logits[0].log_softmax(-1)
        found.append(sum(float(logprobs_SV[at - 1, ids[at]]) for at in range(len(prompt), len(ids))))
    return found[0] - found[1]


@pytest.mark.parametrize("verb", ["prefer", "sft"])
def test_the_policy_moves_towards_the_edits(
    verb: Literal["prefer", "sft"], make_project: Callable[[str], Path], tiny_model: Path
) -> None:
    folder = make_project("project")
    project = edited(folder)
    pairs = views.comparisons(project.store)
    assert len(pairs) == len(views.demonstrations(project.store)) == len(views.labelled(project.store)) == EDITS
    if verb == "prefer":
        training = Training(epochs=6, per_step=8, learning_rate=3e-3)
        made = prefer.run(prefer.Config(folder, training=training, held_out=0.2, threads=1, device="cpu"))
    else:
        pace = Imitation(epochs=6.0, batch=8, learning_rate=3e-3)
        made = sft.run(sft.Config(folder, imitation=pace, held_out=0.2, threads=1, device="cpu"))
    before, after = load(tiny_model), load(folder / "policies" / made.id)
    gains = [lead(after, pair) - lead(before, pair) for pair in pairs]
    assert min(gains) > 0, "those on held-out prompts too"
