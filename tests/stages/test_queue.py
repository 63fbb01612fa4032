"""Answers of a deployed model, of which people are asked about those that tell most."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.stages.test_doubts import settings

from heedful.errors import Problem
from heedful.stages import collect, import_, judge, queue, reward
from heedful.stages.project import Project

Make = Callable[[str], Path]


def test_logs_are_queued_by_doubt_and_novelty(make_project: Make, tmp_path: Path) -> None:
    folder = make_project("project")
    store = Project.open(folder).store
    prompts = [prompt.as_text() for prompt in store.prompts()[:40]]
    logs = tmp_path / "logs.jsonl"
    rows = [
        {"prompt": text, "completion": f"answer {number}", "policy": "live" if number % 4 else "canary", "user": number}
        for number, text in enumerate(prompts)
    ]
    logs.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    import_.run(import_.Config(folder, logs, format="logs"))
    assert len(store.completions(policy="live")) == 30
    assert sorted(log.metadata["user"] for log in store.completions(policy="canary")) == list(range(0, 40, 4))
    assert store.questions(kind="demonstration", ids=None, campaign="logs") == [], "a log is not to be imitated"
    with pytest.raises(Problem, match="the project has none"):
        queue.run(queue.Config(folder, policy="live"))
    collect.run(settings(collect.Config, folder, campaign="first", questions=60))
    judge.run(judge.Config(folder, by=f"{folder.parent / 'rewards.py'}:score"))
    for seed in (1, 2):
        reward.run(settings(reward.Config, folder, seed=seed))
    with pytest.raises(Problem, match='no answer of "nobody"'):
        queue.run(queue.Config(folder, policy="nobody"))
    assert queue.run(queue.Config(folder, policy="live", questions=10, random_share=0.2)) == 10
    asked = store.questions("logs-live")
    assert Counter(question.selection for question in asked) == {"random": 2, "active_queue": 8}
    assert all(question.kind == "label" and question.propensity for question in asked)
    assert {log.policy for question in asked for log in store.completions(question.completion_ids)} == {"live"}
    assert queue.run(queue.Config(folder, policy="live", questions=100)) == 20, "what was asked is not again"
    with pytest.raises(Problem, match="30 were asked about already"):
        queue.run(queue.Config(folder, policy="live"))
