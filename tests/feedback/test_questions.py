from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from heedful.errors import Problem
from heedful.feedback import views
from heedful.feedback.lessons import Imitation, Lesson, Mark, Pair, Remark
from heedful.feedback.questions import KINDS, MARGINS, Kind, kind_of, lessons, skipped, withdrawn
from heedful.feedback.store import Store
from heedful.records import Comparison, Question

SHOWN = {name: kind.completions[0] for name, kind in KINDS.items()} | {"ranking": 3}
TEXTS = ("first", "second", "third")


def ask(kind: str, **metadata: object) -> Question:
    return Question("q", kind, "p", tuple(f"c{i}" for i in range(SHOWN[kind])), metadata=metadata)


def test_the_kinds_are_those_that_are_documented() -> None:
    names = ["comparison", "ranking", "rating", "label", "flags", "critique", "edit", "demonstration"]
    assert list(KINDS) == names
    assert [kind.name for kind in KINDS.values()] == names


GOOD: list[tuple[str, dict[str, Any], list[Lesson]]] = [
    ("comparison", {"choice": "a"}, [Pair("first", "second", 1.0)]),
    ("comparison", {"choice": "b", "strength": 1}, [Pair("first", "second", 0.0, 1 / 3)]),
    ("comparison", {"choice": "a", "strength": 2, "reason": "warmer"}, [Pair("first", "second", 1.0, 2 / 3)]),
    ("comparison", {"choice": "a", "strength": 3, "metadata": {"pasted": False}}, [Pair("first", "second", 1.0, 1.0)]),
    ("comparison", {"choice": "tie"}, [Pair("first", "second", 0.5)]),
    (
        "comparison",
        {"choice": "bad"},
        [Pair("first", "second", 0.5), Mark("first", "bad", 1.0), Mark("second", "bad", 1.0)],
    ),
    ("comparison", {"choice": "skip", "reason": "a language I do not read"}, []),
    (
        "ranking",
        {"ranks": [2, 1, 2]},
        [Pair("first", "second", 0.0), Pair("first", "third", 0.5), Pair("second", "third", 1.0)],
    ),
    ("ranking", {"choice": "skip"}, []),
    (
        "rating",
        {"ratings": {"helpful": 4, "honest": 1.5}, "scale": [1, 5]},
        [
            Mark("first", "rating:helpful", 4.0, {"scale": [1, 5]}),
            Mark("first", "rating:honest", 1.5, {"scale": [1, 5]}),
        ],
    ),
    ("label", {"thumb": True}, [Mark("first", "thumb", 1.0)]),
    ("label", {"thumb": False}, [Mark("first", "thumb", 0.0)]),
    ("flags", {"flags": []}, []),
    (
        "flags",
        {"flags": [{"name": "rude", "start": 0, "end": 2}, {"name": "false"}, {"name": "rude", "start": 3, "end": 5}]},
        [Mark("first", "flag:rude", 1.0, {"spans": [[0, 2], [3, 5]]}), Mark("first", "flag:false", 1.0)],
    ),
    ("critique", {"text": "too long"}, [Remark("first", "too long")]),
    (
        "edit",
        {"text": "mended"},
        [Imitation("mended"), Pair("mended", "first", 1.0), Mark("first", "flag:edited", 1.0)],
    ),
    ("edit", {"text": "first"}, [Imitation("first"), Mark("first", "flag:edited", 0.0)]),
    ("demonstration", {"text": "written"}, [Imitation("written")]),
    ("demonstration", {"withdrawn": True}, []),
]


@pytest.mark.parametrize(("kind", "answer", "taught"), GOOD)
def test_good_answers_are_taken_and_teach(kind: str, answer: dict[str, Any], taught: list[Lesson]) -> None:
    texts = TEXTS[: SHOWN[kind]]
    KINDS[kind].validate(answer, ask(kind), texts)
    assert lessons(ask(kind), answer, texts) == taught


BAD: list[tuple[str, Any, str]] = [
    ("comparison", {}, "choice"),
    ("comparison", {"choice": "A"}, "choice"),
    ("comparison", {"choice": ["a"]}, "choice"),
    ("comparison", {"choice": "a", "strength": 0}, "strength"),
    ("comparison", {"choice": "a", "strength": 4}, "strength"),
    ("comparison", {"choice": "a", "strength": 1.0}, "strength"),
    ("comparison", {"choice": "a", "strength": True}, "strength"),
    ("comparison", {"choice": "tie", "strength": 1}, "strength"),
    ("comparison", {"choice": "skip", "strength": 1}, "strength"),
    ("comparison", {"choice": "a", "strenght": 1}, "strenght"),
    ("comparison", {"choice": "a", "reason": 7}, "reason"),
    ("comparison", {"choice": "a", "metadata": "x"}, "metadata"),
    ("ranking", {}, "ranks"),
    ("ranking", {"ranks": [1, 2]}, "ranks"),
    ("ranking", {"ranks": [1, 2, 4]}, "ranks"),
    ("ranking", {"ranks": [0, 1, 2]}, "ranks"),
    ("ranking", {"ranks": [1, 2, 2.5]}, "ranks"),
    ("ranking", {"ranks": "123"}, "ranks"),
    ("rating", {"ratings": {"helpful": 4}}, "scale"),
    ("rating", {"ratings": {"helpful": 4}, "scale": [5, 1]}, "scale"),
    ("rating", {"ratings": {}, "scale": [1, 5]}, "ratings"),
    ("rating", {"ratings": [4], "scale": [1, 5]}, "ratings"),
    ("rating", {"ratings": {" ": 4}, "scale": [1, 5]}, "ratings"),
    ("rating", {"ratings": {"helpful": 6}, "scale": [1, 5]}, "ratings.helpful"),
    ("rating", {"ratings": {"helpful": math.nan}, "scale": [1, 5]}, "ratings.helpful"),
    ("rating", {"ratings": {"helpful": True}, "scale": [0, 1]}, "ratings.helpful"),
    ("label", {}, "thumb"),
    ("label", {"thumb": 1}, "thumb"),
    ("flags", {}, "flags"),
    ("flags", {"flags": "rude"}, "flags"),
    ("flags", {"flags": ["rude"]}, "flags.0"),
    ("flags", {"flags": [{"name": "ok"}, {"name": ""}]}, "flags.1"),
    ("flags", {"flags": [{"name": "rude", "start": 1}]}, "flags.0"),
    ("flags", {"flags": [{"name": "rude", "start": 2, "end": 2}]}, "flags.0"),
    ("flags", {"flags": [{"name": "rude", "start": 0, "end": 6}]}, "flags.0"),
    ("flags", {"flags": [{"name": "rude", "start": -1, "end": 2}]}, "flags.0"),
    ("flags", {"flags": [{"name": "rude", "from": 0}]}, "flags.0.from"),
    ("critique", {"text": " \n"}, "text"),
    ("edit", {}, "text"),
    ("demonstration", {"text": 7}, "text"),
    ("demonstration", {"withdrawn": False}, "withdrawn"),
    ("demonstration", {"withdrawn": True, "text": "x"}, "text"),
]


@pytest.mark.parametrize(("kind", "answer", "field"), BAD)
def test_bad_answers_are_refused_by_the_name_of_their_field(kind: str, answer: Any, field: str) -> None:
    with pytest.raises(Problem) as caught:
        KINDS[kind].validate(answer, ask(kind), TEXTS[: SHOWN[kind]])
    assert caught.value.where == f'answer, field "{field}"'
    assert caught.value.mend


def test_an_answer_is_a_mapping() -> None:
    with pytest.raises(Problem, match=r"^answer: an answer is a mapping"):
        KINDS["label"].validate("up", ask("label"))  # type: ignore[arg-type]  # what a careless client sends


def test_a_rating_may_take_its_scale_from_the_question() -> None:
    asked = ask("rating", scale=[0, 10])
    KINDS["rating"].validate({"ratings": {"kind": 7}}, asked)
    assert lessons(asked, {"ratings": {"kind": 7}}, ("x",)) == [Mark("x", "rating:kind", 7.0, {"scale": [0, 10]})]


def test_flags_that_were_offered_and_not_raised_are_known_to_be_absent() -> None:
    asked = ask("flags", flags=["rude", "false"])
    assert lessons(asked, {"flags": [{"name": "false"}]}, ("x",)) == [
        Mark("x", "flag:false", 1.0),
        Mark("x", "flag:rude", 0.0),
    ]
    with pytest.raises(Problem, match="'odd' was not offered"):
        KINDS["flags"].validate({"flags": [{"name": "odd"}]}, asked)


@pytest.mark.parametrize(
    ("kind", "count", "good"),
    [
        ("comparison", 1, False),
        ("comparison", 2, True),
        ("comparison", 3, False),
        ("ranking", 1, False),
        ("ranking", 9, True),
        ("label", 0, False),
        ("demonstration", 0, True),
        ("demonstration", 1, False),
    ],
)
def test_a_question_shows_as_many_completions_as_its_kind_wants(kind: str, count: int, good: bool) -> None:
    question = Question("q", kind, "p", tuple(f"c{i}" for i in range(count)))
    if good:
        kind_of(question).validate_question(question)
        return
    with pytest.raises(Problem, match=rf'question "q", field "completion_ids": a {kind} shows .* not {count}'):
        kind_of(question).validate_question(question)


def test_a_completion_is_not_compared_with_itself() -> None:
    question = Question("q", "comparison", "p", ("c", "c"))
    with pytest.raises(Problem, match="shown twice"):
        kind_of(question).validate_question(question)


def test_skipped_and_withdrawn_are_told_apart() -> None:
    assert skipped({"choice": "skip"})
    assert not skipped({"choice": "tie"})
    assert withdrawn({"withdrawn": True})
    assert not withdrawn({"choice": "skip"})


def test_margins_are_the_upper_steps_of_the_small_margins() -> None:
    assert MARGINS == {1: 1 / 3, 2: 2 / 3, 3: 1.0}


def test_a_new_kind_is_one_value(
    store: Store, fill: Callable[..., list[Question]], says: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Best of n: the chosen completion beats every other one."""

    def check(answer: Any, question: Question, _texts: Any) -> None:
        if answer.get("best") not in range(len(question.completion_ids)):
            raise Problem("no such completion", where='answer, field "best"')

    def teach(answer: Any, _question: Question, texts: Any) -> list[Lesson]:
        best = texts[answer["best"]]
        return [Pair(best, text, 1.0) for text in texts if text != best]

    monkeypatch.setitem(KINDS, "best", Kind("best", (2, None), ("best",), check, teach))
    fill(1, kind="best", completions=3)
    with pytest.raises(Problem, match='"ann-q0", answer, field "best": no such completion'):
        says("ann", "q0", best=3)
    says("ann", "q0", best=1)
    found: list[Comparison] = views.comparisons(store)
    assert [(pair.a, pair.b, pair.target) for pair in found] == [
        ("q0 text 1", "q0 text 0", 1.0),
        ("q0 text 1", "q0 text 2", 1.0),
    ]
