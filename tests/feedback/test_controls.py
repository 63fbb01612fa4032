from __future__ import annotations

from heedful.feedback.controls import ASPECTS, BOTH_BAD, FLAGS, STEPS, Flags, Scales
from heedful.feedback.questions import KINDS
from heedful.records import Question


def test_the_steps_of_a_preference_are_answers_and_have_their_own_keys() -> None:
    question = Question("q", "comparison", "p", ("c", "d"))
    for step in (*STEPS, BOTH_BAD):
        KINDS["comparison"].validate(step.value, question)
    keys = [key for step in (*STEPS, BOTH_BAD) for key in step.keys]
    assert len(keys) == len(set(keys))
    assert [step.keys[0] for step in STEPS] == list("1234567")


def test_scales_follow_the_question() -> None:
    assert Scales().drawn(Question("q", "rating", "p", ("c",)))["aspects"] == ASPECTS
    own = Scales().drawn(Question("q", "rating", "p", ("c",), metadata={"aspects": ["warm"], "scale": [0, 3]}))
    assert (own["aspects"], own["steps"]) == (["warm"], [0, 1, 2, 3])
    fine = Scales().drawn(Question("q", "rating", "p", ("c",), metadata={"scale": [0, 1.5]}))
    assert (fine["low"], fine["high"], fine["steps"]) == (0, 1.5, [])


def test_flags_follow_the_question() -> None:
    assert Flags().drawn(Question("q", "flags", "p", ("c",))) == {"offered": FLAGS, "own": True}
    own = Question("q", "flags", "p", ("c",), metadata={"flags": ["rude"]})
    assert Flags().drawn(own) == {"offered": ["rude"], "own": False}
