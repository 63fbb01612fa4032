"""Many people, an owner who changes everything under their hands, and counters that are exact afterwards."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from sqlalchemy import func, select

from heedful.errors import Problem
from heedful.feedback import places, tables
from heedful.feedback.steering import batches, desk, gold, ledger, standing
from heedful.feedback.steering.settings import CampaignSettings, save_campaign, set_state
from heedful.feedback.steering_tables import campaigns
from heedful.feedback.store import Store
from heedful.records import Annotator, Judgement, Question

SETTINGS = CampaignSettings(
    overlap=2, maximum_overlap=3, sure=0.9, gold_share=0.2, gold_window=4, prices={"comparison": 0.01}, budget=50.0
)


def worker(store: Store, name: str, seed: int, turns: int) -> None:
    """Take tasks, answer, edit, take back and skip at random."""
    random = np.random.default_rng(seed)
    for turn in range(turns):
        task = desk.next_task(store, name, "default")
        if isinstance(task, desk.NoTask):
            continue
        question, uuid = task.assignment.question.id, f"{name}-{turn}"
        choice = str(random.choice(["a", "b", "tie", "skip"], p=[0.6, 0.2, 0.1, 0.1]))
        answer = Judgement(uuid, question, name, {"choice": choice}, supersedes=task.assignment.supersedes)
        desk.submit(store, answer)
        try:
            if random.random() < 0.2:
                edit = Judgement(f"{uuid}-edit", question, name, {"choice": "b"}, supersedes=uuid)
                desk.submit(store, edit)
            elif random.random() < 0.2:
                desk.undo(store, name, uuid, f"{uuid}-gone")
        except Problem as problem:
            if "cannot be taken back" not in problem.what:  # they were paused a moment ago
                raise


def owner(store: Store, names: list[str], turns: int) -> None:
    """Pause and reinstate people, open and cancel batches, change the rules."""
    random = np.random.default_rng(99)
    for turn in range(turns):
        name = str(random.choice(names))
        standing.pause(store, "default", name, "a test", reask=bool(turn % 2))
        some = [f"q{i}" for i in random.choice(30, 6, replace=False)]
        batch = batches.open_batch(store, "default", some, 2, 8, ttl_s=0.05 if turn % 3 else None)
        save_campaign(store, "default", "", SETTINGS if turn % 2 else CampaignSettings(overlap=2, gold_share=0.2))
        set_state(store, "default", "open")
        if turn % 4 == 0:
            batches.cancel(store, batch.id)
        standing.reinstate(store, "default", name)


def test_everything_at_once_leaves_exact_counters(store: Store, fill: Callable[..., list[Question]]) -> None:
    fill(30, overlap=2)
    fill(10, name="g")
    for i in range(10):
        gold.set_gold(store, f"g{i}", "gold", {"choice": "a"})
    save_campaign(store, "default", "", SETTINGS)
    names = [f"w{i}" for i in range(6)]
    store.add_annotators(Annotator(name) for name in names)
    with ThreadPoolExecutor(7) as pool:
        jobs = [pool.submit(worker, store, name, seed, 20) for seed, name in enumerate(names)]
        jobs.append(pool.submit(owner, store, names, 12))
        for job in jobs:
            job.result()
    questions = tables.questions
    with store.writing() as connection:
        before = {row.id: row for row in connection.execute(select(questions))}
        places.recount(connection, list(before))
        after = {row.id: row for row in connection.execute(select(questions))}
        states = connection.execute(select(tables.assignments)).all()
        kept = connection.execute(select(campaigns.c.spent_micros)).scalar()
        heads = connection.execute(select(func.count()).where(tables.judgements.c.supersedes.is_(None))).scalar()
    assert {name: (row.given, row.wanted) for name, row in before.items()} == {
        name: (row.given, row.wanted) for name, row in after.items()
    }
    given = [row for row in states if row.state == "submitted" and row.counts]
    assert sum(row.given for row in before.values()) == len(given)
    assert sum(line.count for line in ledger.totals(store) if line.kind == "comparison") <= (heads or 0)
    assert kept == round(ledger.spent(store, "default") * 1e6)
