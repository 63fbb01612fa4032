from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heedful.feedback import lineage, views
from heedful.feedback.questions import KINDS
from heedful.feedback.store import Store
from heedful.records import Annotator, Comparison, Completion, Demonstration, Judgement, Labelled, Prompt, Question

Fill = Callable[..., list[Question]]
Says = Callable[..., Judgement]


def test_votes_of_one_question_are_pooled(store: Store, fill: Fill, says: Says) -> None:
    fill(2, overlap=3)
    says("ann", "q0", choice="a", strength=3)
    says("bob", "q0", choice="b", strength=1)
    says("cem", "q0", choice="tie")
    says("bob", "q1", choice="skip")
    says("cem", "q1", choice="a")
    prompts = {prompt.id: prompt for prompt in store.prompts()}
    assert views.comparisons(store) == [
        Comparison(
            prompt=prompts["q0-prompt"],
            a="q0 text 0",
            b="q0 text 1",
            target=0.5,  # (1 + 0 + 1/2) / 3
            weight=3.0,
            margin=2 / 3,  # (1 + 1/3) / 2: the tie has no direction
            annotator_ids=("ann", "bob", "cem"),
            judgement_ids=("ann-q0", "bob-q0", "cem-q0"),
            question_id="q0",
            metadata={"group": "q0", "campaign": "default", "kind": "comparison"},
        ),
        Comparison(
            prompt=prompts["q1-prompt"],
            a="q1 text 0",
            b="q1 text 1",
            target=1.0,
            weight=1.0,
            annotator_ids=("cem",),
            judgement_ids=("cem-q1",),
            question_id="q1",
            metadata={"group": "q1", "campaign": "default", "kind": "comparison"},
        ),
    ]


@settings(max_examples=50)
@given(votes=st.lists(st.sampled_from(["a", "b", "tie", "bad"]), min_size=1, max_size=12), gap=st.floats(-20, 20))
def test_pooling_keeps_the_bradley_terry_loss(empty_database: Path, votes: list[str], gap: float) -> None:
    """sum over votes of the cross-entropy = weight x cross-entropy at the mean target."""
    with Store.open(empty_database.with_name("pooling.db")) as store:
        number = len(store.questions())
        question = Question(f"q{number}", "comparison", "p", ("c", "d"), campaign=f"c{number}")
        store.add_everything(
            prompts=[Prompt("p", "x")],
            completions=[Completion("c", "p", "1"), Completion("d", "p", "2")],
            annotators=[Annotator(f"a{i}") for i in range(len(votes))],
            questions=[question],
            judgements=[
                Judgement(f"{number}-{i}", question.id, f"a{i}", {"choice": vote}) for i, vote in enumerate(votes)
            ],
        )
        [pooled] = views.comparisons(store, campaigns=question.campaign)

    def cross_entropy(target: float) -> float:
        return target * math.log1p(math.exp(-gap)) + (1 - target) * math.log1p(math.exp(gap))

    targets = {"a": 1.0, "b": 0.0, "tie": 0.5, "bad": 0.5}
    single = sum(cross_entropy(targets[vote]) for vote in votes)
    assert pooled.weight * cross_entropy(pooled.target) == pytest.approx(single, rel=1e-12)


def test_a_question_that_everybody_skipped_gives_nothing(store: Store, fill: Fill, says: Says) -> None:
    fill(1)
    says("ann", "q0", choice="skip")
    assert views.comparisons(store) == []
    assert views.labelled(store) == []


def test_both_bad_is_even_and_labels_both(store: Store, fill: Fill, says: Says) -> None:
    fill(1, overlap=2)
    says("ann", "q0", choice="bad")
    says("bob", "q0", choice="a")
    [pair] = views.comparisons(store)
    assert (pair.target, pair.weight) == (0.75, 2.0)
    prompt = store.prompts()[0]
    about = {"question": "q0", "campaign": "default"}
    assert views.labelled(store) == [
        Labelled(prompt, text, "bad", 1.0, ("ann",), ("ann-q0",), about) for text in ("q0 text 0", "q0 text 1")
    ]


def test_a_ranking_gives_every_pair_in_one_group(store: Store, fill: Fill, says: Says) -> None:
    fill(1, kind="ranking", completions=4, overlap=2)
    ranks = {"ann": [2, 1, 2, 4], "bob": [1, 2, 3, 4]}
    for person, given_ranks in ranks.items():
        says(person, "q0", ranks=given_ranks)
    found = {(pair.a[-1], pair.b[-1]): pair for pair in views.comparisons(store)}
    # ann: 1 > (0 = 2) > 3; bob: 0 > 1 > 2 > 3
    assert {key: pair.target for key, pair in found.items()} == {
        ("0", "1"): 0.5,
        ("0", "2"): 0.75,
        ("0", "3"): 1.0,
        ("1", "2"): 1.0,
        ("1", "3"): 1.0,
        ("2", "3"): 1.0,
    }
    assert len(found) == math.comb(4, 2)
    assert {pair.metadata["group"] for pair in found.values()} == {"q0"}
    assert {pair.weight for pair in found.values()} == {2.0}


def test_an_edit_is_a_demonstration_and_says_whether_it_mended_anything(store: Store, fill: Fill, says: Says) -> None:
    fill(1, kind="edit", completions=1, overlap=2)
    says("ann", "q0", text="much better")
    says("bob", "q0", text="q0 text 0")  # nothing to mend
    prompt = store.prompts()[0]
    about = {"question": "q0", "campaign": "default"}
    assert views.demonstrations(store) == [
        Demonstration(prompt, "much better", ("ann",), ("ann-q0",), about),
        Demonstration(prompt, "q0 text 0", ("bob",), ("bob-q0",), about),
    ]
    [pair] = views.comparisons(store)
    assert (pair.a, pair.b, pair.target, pair.judgement_ids) == ("much better", "q0 text 0", 1.0, ("ann-q0",))
    assert views.labelled(store) == [
        Labelled(prompt, "q0 text 0", "flag:edited", 1.0, ("ann",), ("ann-q0",), about),
        Labelled(prompt, "q0 text 0", "flag:edited", 0.0, ("bob",), ("bob-q0",), about),
    ]


def test_ratings_stay_apart_by_rater_and_aspect(store: Store, fill: Fill, says: Says) -> None:
    fill(1, kind="rating", completions=1, overlap=2)
    says("ann", "q0", ratings={"kind": 2, "true": 5}, scale=[1, 5])
    says("bob", "q0", ratings={"kind": 4}, scale=[1, 5])
    found = [(row.name, row.value, row.annotator_ids, row.metadata["scale"]) for row in views.labelled(store)]
    assert found == [
        ("rating:kind", 2.0, ("ann",), [1, 5]),
        ("rating:true", 5.0, ("ann",), [1, 5]),
        ("rating:kind", 4.0, ("bob",), [1, 5]),
    ]


def test_a_critique_says_what_it_is_about(store: Store, fill: Fill, says: Says) -> None:
    fill(1, kind="critique", completions=1)
    says("ann", "q0", text="too long")
    [found] = views.critiques(store)
    assert (found.text, found.metadata["about"]) == ("too long", "q0 text 0")
    assert views.demonstrations(store) == []


def test_evaluate_questions_never_reach_a_training_view(store: Store, fill: Fill, says: Says) -> None:
    fill(1)
    fill(1, name="e", purpose="evaluate")
    fill(1, name="w", kind="demonstration", completions=0, purpose="evaluate")
    says("ann", "q0", choice="bad")
    says("ann", "e0", choice="bad")
    says("ann", "w0", text="held out")
    assert [pair.question_id for pair in views.comparisons(store)] == ["q0"]
    assert {row.metadata["question"] for row in views.labelled(store)} == {"q0"}
    assert views.demonstrations(store) == []
    assert [pair.question_id for pair in views.comparisons(store, purpose="evaluate")] == ["e0"]
    assert [each.text for each in views.demonstrations(store, purpose="evaluate")] == ["held out"]


def test_views_are_limited_to_campaigns_and_kinds(store: Store, fill: Fill, says: Says) -> None:
    fill(1, campaign="one")
    fill(1, name="t", campaign="two")
    fill(1, name="r", campaign="two", kind="ranking")
    says("ann", "q0", choice="a")
    says("ann", "t0", choice="a")
    says("ann", "r0", ranks=[1, 2])
    assert [pair.question_id for pair in views.comparisons(store, campaigns="two")] == ["t0", "r0"]
    assert [pair.question_id for pair in views.comparisons(store, campaigns=["one", "two"], kinds="comparison")] == [
        "q0",
        "t0",
    ]
    assert views.comparisons(store, campaigns=[]) == []
    assert views.comparisons(store, kinds=["label"]) == []


def test_views_follow_the_questions_and_only_what_holds(store: Store, fill: Fill, says: Says) -> None:
    fill(3, overlap=2)
    says("ann", "q2", choice="a")
    says("ann", "q1", choice="a")
    says("bob", "q1", choice="a")
    says("ann", "q0", choice="a", as_id="old")
    says("ann", "q0", choice="b", as_id="new", supersedes="old")
    lineage.retract(store, "bob")
    found = [(pair.question_id, pair.target, pair.judgement_ids) for pair in views.comparisons(store)]
    assert found == [("q0", 0.0, ("new",)), ("q1", 1.0, ("ann-q1",)), ("q2", 1.0, ("ann-q2",))]


def test_a_margin_that_the_question_brought_stands_in_for_strengths(store: Store, fill: Fill, says: Says) -> None:
    fill(1, metadata={"margin": 0.25}, overlap=2)
    says("ann", "q0", choice="a")
    assert views.comparisons(store)[0].margin == 0.25
    says("bob", "q0", choice="a", strength=3)
    assert views.comparisons(store)[0].margin == 0.5  # (0 + 1) / 2


def test_a_view_can_be_limited_to_the_judgements_of_a_snapshot(store: Store, fill: Fill, says: Says) -> None:
    fill(2, overlap=2)
    says("ann", "q0", choice="a")
    frozen = lineage.snapshot(store, ["ann-q0"])
    says("bob", "q0", choice="b")
    says("bob", "q1", choice="b")
    [pair] = views.comparisons(store, judgement_ids=frozen.judgement_ids)
    assert (pair.question_id, pair.target, pair.weight, pair.judgement_ids) == ("q0", 1.0, 1.0, ("ann-q0",))
    assert views.comparisons(store, judgement_ids=()) == []


def test_two_equal_texts_give_no_pair(store: Store) -> None:
    store.add_everything(
        prompts=[Prompt("p", "x")],
        completions=[Completion("c", "p", "same"), Completion("d", "p", "same"), Completion("e", "p", "other")],
        annotators=[Annotator("ann")],
        questions=[Question("q", "comparison", "p", ("c", "d")), Question("r", "ranking", "p", ("c", "d", "e"))],
        judgements=[
            Judgement("1", "q", "ann", {"choice": "a"}),
            Judgement("2", "r", "ann", {"ranks": [1, 2, 3]}),
        ],
    )
    [pair] = views.comparisons(store)
    assert (pair.question_id, pair.a, pair.b, pair.target, pair.weight) == ("r", "same", "other", 1.0, 2.0)


def test_columns_of_prompt_and_question_come_along(store: Store) -> None:
    store.add_everything(
        prompts=[Prompt("p", "x", metadata={"topic": "tea", "kind": "prompts say this"})],
        completions=[Completion("c", "p", "1"), Completion("d", "p", "2")],
        annotators=[Annotator("ann")],
        questions=[Question("q", "comparison", "p", ("c", "d"), metadata={"worker": 7})],
        judgements=[Judgement("1", "q", "ann", {"choice": "a"})],
    )
    assert views.comparisons(store)[0].metadata == {
        "topic": "tea",
        "worker": 7,
        "group": "q",
        "campaign": "default",
        "kind": "comparison",
    }


# Every kind, from an answer through the store to what it teaches

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(str.strip)
COUNT = {"ranking": 3} | {name: kind.completions[0] for name, kind in KINDS.items() if name != "ranking"}
EXTRAS = st.fixed_dictionaries(
    {}, optional={"reason": TEXT, "metadata": st.dictionaries(TEXT, st.integers(), max_size=2)}
)
SCALED = st.fixed_dictionaries(
    {"ratings": st.dictionaries(TEXT, st.integers(1, 5), min_size=1, max_size=3), "scale": st.just([1, 5])}
)
FLAG = st.fixed_dictionaries({"name": st.sampled_from(["rude", "false"])})
SPANNED = FLAG.map(lambda flag: {**flag, "start": 0, "end": 1})
ANSWERS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "comparison": st.sampled_from(["a", "b", "tie", "bad"]).map(lambda choice: {"choice": choice})
    | st.tuples(st.sampled_from("ab"), st.integers(1, 3)).map(lambda pair: {"choice": pair[0], "strength": pair[1]}),
    "ranking": st.lists(st.integers(1, 3), min_size=3, max_size=3).map(lambda ranks: {"ranks": ranks}),
    "rating": SCALED,
    "label": st.booleans().map(lambda thumb: {"thumb": thumb}),
    "flags": st.lists(FLAG | SPANNED, max_size=3).map(lambda flags: {"flags": flags}),
    "critique": TEXT.map(lambda text: {"text": text}),
    "edit": TEXT.map(lambda text: {"text": text}),
    "demonstration": TEXT.map(lambda text: {"text": text}),
}


def test_every_kind_has_a_generator_here() -> None:
    assert set(ANSWERS) == set(KINDS)


def expected(kind: str, answer: dict[str, Any], texts: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """What the views are to show for one answer, written down once more from the documentation."""
    if answer.get("choice") == "skip":
        return []
    if kind == "comparison":
        shown: list[tuple[Any, ...]] = [
            ("pair", *texts, {"a": 1.0, "b": 0.0}.get(answer["choice"], 0.5), answer.get("strength", 0) / 3)
        ]
        return shown + [("label", text, "bad", 1.0) for text in texts if answer["choice"] == "bad"]
    if kind == "ranking":
        pairs = itertools.combinations(zip(answer["ranks"], texts, strict=True), 2)
        return [("pair", a, b, 1.0 if i < j else 0.0 if j < i else 0.5, 0.0) for (i, a), (j, b) in pairs]
    if kind == "rating":
        return [("label", texts[0], f"rating:{name}", float(value)) for name, value in answer["ratings"].items()]
    if kind == "label":
        return [("label", texts[0], "thumb", 1.0 if answer["thumb"] else 0.0)]
    if kind == "flags":
        return [("label", texts[0], f"flag:{name}", 1.0) for name in {flag["name"]: 0 for flag in answer["flags"]}]
    if kind == "critique":
        return [("critique", answer["text"], texts[0])]
    if kind == "edit" and answer["text"] != texts[0]:
        return [
            ("pair", answer["text"], texts[0], 1.0, 0.0),
            ("demonstration", answer["text"]),
            ("label", texts[0], "flag:edited", 1.0),
        ]
    return [("demonstration", answer["text"])]


def shown_by_views(store: Store, campaign: str) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = [
        ("pair", pair.a, pair.b, pair.target, pytest.approx(pair.margin))
        for pair in views.comparisons(store, campaigns=campaign)
    ]
    found += [("demonstration", each.text) for each in views.demonstrations(store, campaigns=campaign)]
    found += [("critique", each.text, each.metadata["about"]) for each in views.critiques(store, campaigns=campaign)]
    return found + [("label", row.text, row.name, row.value) for row in views.labelled(store, campaigns=campaign)]


@settings(max_examples=60)
@given(data=st.data(), kind=st.sampled_from(sorted(KINDS)), skip=st.integers(0, 9), extras=EXTRAS)
def test_any_answer_of_any_kind_comes_back_and_teaches_what_is_documented(
    empty_database: Path, data: st.DataObject, kind: str, skip: int, extras: dict[str, Any]
) -> None:
    answer = {"choice": "skip"} if skip == 0 else data.draw(ANSWERS[kind])
    answer = {**answer, **extras}
    with Store.open(empty_database.with_name("kinds.db")) as store:
        number = len(store.questions())
        texts = tuple(f"text {i}" for i in range(COUNT[kind]))
        completions = [Completion(text, "p", text) for text in ("text 0", "text 1", "text 2")]
        question = Question(f"q{number}", kind, "p", texts, campaign=f"c{number}")
        judgement = Judgement(f"j{number}", question.id, "ann", answer)
        people = [Annotator("ann")]
        store.add_everything(
            prompts=[Prompt("p", "x")],
            completions=completions,
            annotators=people,
            questions=[question],
            judgements=[judgement],
        )
        assert store.judgements(question.campaign) == [judgement]
        order = ("pair", "demonstration", "critique", "label")
        wanted = sorted(expected(kind, answer, texts), key=lambda lesson: order.index(lesson[0]))
        assert shown_by_views(store, question.campaign) == wanted
