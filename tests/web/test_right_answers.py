from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from heedful.errors import Problem
from heedful.feedback.questions import KINDS, kind_of
from heedful.records import Question
from heedful.web.right_answers import Input, answer_of, inputs

ANSWERS: dict[str, tuple[int, Mapping[str, Any]]] = {
    "comparison": (2, {"choice": "b", "strength": 2}),
    "ranking": (3, {"ranks": [2, 1, 2]}),
    "rating": (1, {"ratings": {"helpful": 4, "honest": 5, "harmless": 1}, "scale": [1, 5]}),
    "label": (1, {"thumb": False}),
    "flags": (1, {"flags": [{"name": "unsafe"}]}),
    "critique": (1, {"text": "Too long."}),
    "edit": (1, {"text": "Shorter."}),
    "demonstration": (0, {"text": "Like this."}),
}


def asked(kind: str, completions: int) -> Question:
    return Question("q", kind, "p", tuple(f"c{i}" for i in range(completions)))


def as_browser(some: list[Input]) -> dict[str, list[str]]:
    """What a browser sends of the form when nothing is touched."""
    form: dict[str, list[str]] = {}
    for one in some:
        chosen = [value for value, _, picked in one.options if picked]
        if one.shape in ("radio", "ticks"):
            form |= {one.name: chosen} if chosen else {}
        else:
            form[one.name] = [one.value]
    return form


def test_every_kind_is_tried() -> None:
    assert {name for name, kind in KINDS.items() if kind.controls} <= set(ANSWERS)


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_that_fills_the_form_comes_back(kind: str) -> None:
    count, answer = ANSWERS[kind]
    question = asked(kind, count)
    found = answer_of(question, as_browser(inputs(question, answer)))
    assert found == answer
    kind_of(question).validate(found, question)


@pytest.mark.parametrize("kind", [kind for kind in ANSWERS if kind != "flags"])
def test_an_empty_form_is_no_answer(kind: str) -> None:
    question = asked(kind, ANSWERS[kind][0])
    with pytest.raises(Problem):
        kind_of(question).validate(answer_of(question, as_browser(inputs(question))), question)


def test_a_choice_without_a_strength_can_be_chosen() -> None:
    [one] = inputs(asked("comparison", 2), {"choice": "a"})
    assert one.options[0] == (json.dumps({"choice": "a"}), "A is better", True)


def test_flags_of_ones_own_are_kept() -> None:
    question = asked("flags", 1)
    answer = {"flags": [{"name": "sarcastic"}]}
    assert answer_of(question, as_browser(inputs(question, answer))) == answer


@pytest.mark.parametrize("form", [{"choice": ["{"]}, {"choice": ["[1]"]}, {}])
def test_a_forged_form_is_no_answer(form: dict[str, list[str]]) -> None:
    assert answer_of(asked("comparison", 2), form) == {}


def test_a_rank_that_is_no_number_is_named() -> None:
    with pytest.raises(Problem, match="no number"):
        answer_of(asked("ranking", 2), {"ranks:0": ["first"], "ranks:1": ["2"]})
