from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from heedful.errors import Problem
from heedful.feedback.steering.logs import queue_logs
from heedful.feedback.store import Store
from heedful.feedback.views import labelled
from heedful.records import Annotator, Completion, Prompt


def deployed(store: Store, count: int) -> list[Completion]:
    prompts = [Prompt(f"p{i}", text=f"user {i}") for i in range(count)]
    logs = [Completion(f"log{i}", f"p{i}", f"answer {i}", "v3") for i in range(count)]
    store.add_everything(prompts=prompts, completions=logs, annotators=[Annotator("ann")])
    return logs


def test_the_queue_becomes_questions_that_people_answer(store: Store, work: Callable[..., str]) -> None:
    logs, random = deployed(store, 60), np.random.default_rng(0)
    features, scores = random.normal(size=(60, 3)), random.normal(size=(4, 60))
    queue = queue_logs(store, logs, features, scores, 10, campaign="logs", seed=1)
    asked = store.questions("logs")
    assert [question.completion_ids[0] for question in asked] == [f"log{each.position}" for each in queue]
    assert Counter(question.selection for question in asked) == {"active_queue": 8, "random": 2}
    assert [question.propensity for question in asked] == [each.propensity for each in queue]
    assert [question.metadata["doubt"] for question in asked] == [each.doubt for each in queue]
    assert queue_logs(store, logs, features, scores, 10, campaign="logs", seed=1) == queue
    assert len(store.questions("logs")) == 10
    for _ in range(10):
        work("ann", "logs", thumb=True)
    assert len(labelled(store, campaigns="logs")) == 10


def test_logs_that_are_not_stored_or_shown_in_pairs_are_refused(store: Store) -> None:
    logs = deployed(store, 3)
    with pytest.raises(Problem, match="shows 2 completions"):
        queue_logs(store, logs, np.eye(3), np.zeros(3), 1, campaign="logs", kind="comparison")
    with pytest.raises(Problem, match='no prompt "p9"'):
        queue_logs(store, [Completion("x", "p9", "?")], np.eye(1), [0.0], 1, campaign="logs")
