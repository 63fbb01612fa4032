from __future__ import annotations

from collections.abc import Callable

from heedful.feedback.accounts import accounts, activity, sessions
from heedful.feedback.store import Store
from heedful.records import Judgement, Question


def test_what_people_did_is_counted(store: Store, fill: Callable[..., list[Question]]) -> None:
    ann = accounts.create(store, "ann", "Ann", None, "annotator")
    bob = accounts.create(store, "bob", "Bob", None, "annotator")
    fill(3, campaign="one")
    fill(1, name="r", campaign="two")
    for name, answer, before in (
        ("q0", {"choice": "a"}, None),
        ("q1", {"choice": "skip"}, None),
        ("q2", {"choice": "a"}, None),
        ("q2", {"withdrawn": True}, "ann-q2"),
        ("r0", {"choice": "b"}, None),
    ):
        store.submit(
            Judgement(f"ann-{name}" + ("-2" if before else ""), name, ann.annotator_id, answer, supersedes=before)
        )
    _, session = sessions.begin(store, ann.id)
    assert activity.activities(store) == {
        ann.id: activity.Activity(3, session.seen),
        bob.id: activity.Activity(0, None),
    }
    assert activity.by_campaign(store, ann.annotator_id) == {"one": 2, "two": 1}
    assert activity.by_campaign(store, bob.annotator_id) == {}
    sizes = activity.sizes(store)
    assert (sizes["questions"], sizes["judgements"], sizes["models"]) == (4, 5, 0)
