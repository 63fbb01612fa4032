"""Judging in the terminal goes over the same desk as on the web: guidelines, training, exam, then work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from heedful.feedback.steering import gold, guidelines, ledger, standing
from heedful.feedback.steering.settings import CampaignSettings, save_campaign
from heedful.records import Completion, Prompt, Question
from heedful.stages import judge
from heedful.stages.project import Project

Make = Callable[[str], Path]


def test_guidelines_are_read_and_a_qualification_is_passed_in_the_terminal(
    make_project: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_project("project")
    store = Project.open(folder).store
    prompts = [Prompt(f"p{i}", text=f"Question {i}") for i in range(3)]
    texts = [Completion(f"c{i}", f"p{i}", f"Answer {i}", "v0") for i in range(3)]
    asked = [Question(f"q{i}", "label", f"p{i}", (f"c{i}",), campaign="thumbs") for i in range(3)]
    store.add_everything(prompts=prompts, completions=texts, questions=asked)
    gold.set_gold(store, "q0", "training", {"thumb": True}, "It answers the question.")
    gold.set_gold(store, "q1", "exam", {"thumb": False})
    save_campaign(store, "thumbs", "Thumbs", CampaignSettings(qualification=True, prices={"label": 0.5}))
    guidelines.publish(store, "thumbs", "Be fair.")
    keys = iter(["r", "n", "n", "y"])
    monkeypatch.setattr("heedful.stages.console.console.input", lambda _text: next(keys))
    assert judge.run(judge.Config(folder, annotator="ada", campaign="thumbs")) == 3
    said = capsys.readouterr().out
    assert "Be fair." in said
    assert "The expected answer is another one. It answers the question." in said
    assert "Nothing" not in said.partition("Answer 2")[0]
    assert standing.standing(store, "thumbs", "ada").state == "working"
    assert [judgement.answer for judgement in store.judgements("thumbs", "train")] == [{"thumb": True}]
    assert ledger.spent(store, "thumbs") == 0.5
