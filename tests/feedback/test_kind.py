from __future__ import annotations

import math

from heedful.feedback.kind import answers_like, number, skipped, whole, withdrawn, wrong


def test_whole_and_number_are_no_truth_values() -> None:
    assert whole(3)
    assert not whole(True)
    assert not whole(3.0)
    assert number(3.5)
    assert not number(False)
    assert not number(math.inf)
    assert not number("3")


def test_a_wrong_field_is_named() -> None:
    assert wrong("ranks", "odd", "mend").where == 'answer, field "ranks"'
    assert wrong("", "odd", "mend").where == "answer"


def test_a_schema_takes_own_skipped_and_withdrawn_answers() -> None:
    schema = answers_like({"x": {"type": "integer"}, "y": {"type": "string"}}, optional=("y",))
    own, skip, back = schema["anyOf"]
    assert own["required"] == ["x"]
    assert own["additionalProperties"] is False
    assert skip["properties"]["choice"] == {"const": "skip"}
    assert back["required"] == ["withdrawn"]
    assert all({"reason", "metadata"} <= set(form["properties"]) for form in schema["anyOf"])


def test_skipped_and_withdrawn() -> None:
    assert skipped({"choice": "skip"})
    assert not skipped({})
    assert withdrawn({"withdrawn": True})
    assert not withdrawn({"withdrawn": 1})
