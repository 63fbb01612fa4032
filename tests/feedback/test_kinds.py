from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from heedful.errors import Problem
from heedful.feedback import kinds
from heedful.feedback.questions import KINDS
from heedful.records import Question

SHOWN = {name: kind.completions[0] for name, kind in KINDS.items()} | {"ranking": 3}

ANSWERS: list[tuple[str, dict[str, Any], bool]] = [
    ("comparison", {"choice": "a", "strength": 3}, True),
    ("comparison", {"choice": "b"}, True),
    ("comparison", {"choice": "bad", "reason": "both are rude"}, True),
    ("comparison", {"choice": "tie", "strength": 1}, False),
    ("comparison", {"choice": "c"}, False),
    ("comparison", {"choice": "a", "strength": 4}, False),
    ("ranking", {"ranks": [1, 2, 2]}, True),
    ("ranking", {"ranks": [0, 1, 2]}, False),
    ("ranking", {"ranks": "123"}, False),
    ("rating", {"ratings": {"warm": 1.5}, "scale": [1, 5]}, True),
    ("rating", {"ratings": {}, "scale": [1, 5]}, False),
    ("rating", {"ratings": {" ": 2}, "scale": [1, 5]}, False),
    ("label", {"thumb": False}, True),
    ("label", {"thumb": 0}, False),
    ("flags", {"flags": [{"name": "rude", "start": 0, "end": 2}, {"name": "false"}]}, True),
    ("flags", {"flags": [{"name": "rude", "start": 0}]}, False),
    ("flags", {"flags": [{"name": " "}]}, False),
    ("critique", {"text": "too long"}, True),
    ("critique", {"text": " \n"}, False),
    ("edit", {"text": "mended", "metadata": {"pasted_characters": 0}}, True),
    ("edit", {}, False),
    ("demonstration", {"text": "written"}, True),
    ("demonstration", {"text": 7}, False),
    *[(name, {"choice": "skip", "reason": "a language that I do not read"}, True) for name in KINDS],
    *[(name, {"withdrawn": True}, True) for name in KINDS],
    *[(name, {"withdrawn": False}, False) for name in KINDS],
    *[(name, {"choice": "skip", "odd": 1}, False) for name in KINDS],
]


@pytest.mark.parametrize(("name", "answer", "good"), ANSWERS)
def test_the_schema_and_the_check_agree(name: str, answer: dict[str, Any], good: bool) -> None:
    question = Question("q", name, "p", tuple(f"c{i}" for i in range(SHOWN[name])))
    assert jsonschema_rs.is_valid(dict(KINDS[name].schema), answer) is good
    if good:
        KINDS[name].validate(answer, question, ("one two", "three", "four")[: SHOWN[name]])
    else:
        with pytest.raises(Problem):
            KINDS[name].validate(answer, question, ("one two", "three", "four")[: SHOWN[name]])


def test_every_file_of_the_folder_is_a_kind_of_its_own_name() -> None:
    found = kinds.found()
    assert list(found) == list(KINDS)
    assert [kind.place for kind in found.values()] == sorted({kind.place for kind in found.values()})
    for kind in found.values():
        jsonschema_rs.meta.validate(dict(kind.schema))
        assert kind.title
        assert kind.ask
        assert kind.controls
