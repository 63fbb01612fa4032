from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import insert

from heedful.feedback.earnings import earnings
from heedful.feedback.steering_tables import ledger
from heedful.feedback.store import Store
from heedful.records import Judgement, Question


def test_work_is_summed_by_person_and_campaign(
    store: Store, fill: Callable[..., list[Question]], says: Callable[..., Judgement]
) -> None:
    assert earnings(store) == []
    fill(2, overlap=2)
    for person, question in (("ann", "q0"), ("ann", "q1"), ("bob", "q0")):
        says(person, question, choice="a")
    lines = [("ann", "q0", 100_000, 30.0), ("ann", "q1", 250_000, None), ("bob", "q0", 100_000, 3600.0)]
    with store.writing() as connection:
        for person, question, cost, duration in lines:
            of = {"judgement_id": f"{person}-{question}", "campaign": "default", "annotator_id": person}
            what = {"kind": "comparison", "cost_micros": cost, "duration_s": duration, "at": ""}
            connection.execute(insert(ledger).values(**of, **what))
    [ann, bob] = earnings(store)
    assert (ann.annotator_id, ann.campaign, ann.count, bob.annotator_id, bob.count) == ("ann", "default", 2, "bob", 1)
    assert (ann.cost, bob.cost) == (0.35, 0.1)
    assert (ann.hours, bob.hours) == (30 / 3600, 1.0)
