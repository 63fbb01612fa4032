from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from heedful.feedback.steering import batch_ends, desk
from heedful.feedback.steering.batches import open_batch, status
from heedful.feedback.store import Store
from heedful.records import Annotator, Judgement, Question

Fill = Callable[..., list[Question]]


def test_of_answers_that_come_at_once_one_fills_the_batch(
    store: Store, fill: Fill, told: Callable[..., list[dict[str, object]]]
) -> None:
    fill(12)
    names = [f"w{i}" for i in range(12)]
    store.add_annotators(Annotator(name) for name in names)
    made = open_batch(store, "default", [f"q{i}" for i in range(12)], 3, 6)
    tasks = [desk.next_task(store, name, "default") for name in names]

    def answer(pair: tuple[str, desk.Task | desk.NoTask]) -> None:
        name, task = pair
        assert isinstance(task, desk.Task)
        question = task.assignment.question.id
        desk.submit(store, Judgement(f"{name}-{question}", question, name, {"choice": "a"}))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(answer, zip(names, tasks, strict=True)))
    assert status(store, made.id).state == "full"
    assert status(store, made.id).judgements == 12  # those who held one were still heard
    assert [each["judgements"] for each in told("batch.usable")] == [3]
    assert [each["judgements"] for each in told("batch.full")] == [6]


def test_only_running_batches_are_found(store: Store, fill: Fill) -> None:
    fill(2)
    made = open_batch(store, "default", ["q0"], 0, 1, ttl_s=10, now=100.0)
    with store.writing() as connection:
        assert batch_ends.running_with(connection, "q0") == [made.id]
        assert batch_ends.running_with(connection, "q1") == []
        assert batch_ends.counts(connection, [made.id]) == ({made.id: 0}, True)
        assert batch_ends.counts(connection, []) == ({}, False)
        batch_ends.expire(connection, "default", 109.0)
        assert batch_ends.running_with(connection, "q0") == [made.id]
        batch_ends.expire(connection, "default", 110.0)
        assert batch_ends.running_with(connection, "q0") == []
