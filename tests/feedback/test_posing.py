from __future__ import annotations

from collections.abc import Callable

import pytest

from heedful.errors import Problem
from heedful.feedback.posing import Wish, pose, rematch
from heedful.feedback.store import Store
from heedful.records import Annotator, Completion, Judgement, Prompt, Question


@pytest.fixture
def written(store: Store) -> None:
    """Three prompts; v0 wrote three completions of p0 (two alike) and one of p1, v1 one of each of these."""
    store.add_prompts(Prompt(f"p{i}", text=f"prompt {i}") for i in range(3))
    texts = [("p0", "v0", "x"), ("p0", "v0", "x"), ("p0", "v0", "y"), ("p1", "v0", "same")]
    texts += [("p0", "v1", "z"), ("p1", "v1", "same"), ("p1", "v1", " ")]
    store.add_completions(Completion(f"c{i}", prompt, text, policy) for i, (prompt, policy, text) in enumerate(texts))


Pairs = Callable[[], list[tuple[str, ...]]]


@pytest.mark.usefixtures("written")
def test_every_pair_of_different_texts_of_a_prompt_can_be_asked(store: Store) -> None:
    posed = pose(store, Wish("one", overlap=2))
    assert (posed.possible, posed.chosen, posed.added) == (3, 3, 3)
    questions = store.questions("one")
    assert {question.completion_ids for question in questions} == {("c0", "c2"), ("c0", "c4"), ("c2", "c4")}
    assert {(q.kind, q.purpose, q.overlap, q.propensity, q.selection) for q in questions} == {
        ("comparison", "train", 2, 1.0, "random")
    }


@pytest.mark.usefixtures("written")
def test_asking_the_same_again_adds_nothing(store: Store) -> None:
    pose(store, Wish("one"))
    assert pose(store, Wish("one")).added == 0
    assert pose(store, Wish("two")).added == 3


@pytest.mark.usefixtures("written")
def test_fewer_than_possible_are_drawn_with_their_propensity(store: Store) -> None:
    posed = pose(store, Wish("one", budget=2), seed=1)
    assert (posed.possible, posed.chosen) == (3, 2)
    assert {question.propensity for question in store.questions()} == {2 / 3}


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize(
    ("wish", "count", "shown"),
    [
        (Wish("one", kind="demonstration"), 3, 0),
        (Wish("one", kind="rating", metadata={"scale": [1, 5]}), 4, 1),
        (Wish("one", kind="ranking", per_question=3), 1, 3),
        (Wish("one", policies=("v0",)), 1, 2),
        (Wish("one", kind="edit", prompt_ids=("p1",)), 1, 1),
    ],
)
def test_each_kind_shows_as_many_completions_as_it_needs(store: Store, wish: Wish, count: int, shown: int) -> None:
    pose(store, wish)
    questions = store.questions()
    assert [len(question.completion_ids) for question in questions] == [shown] * count
    assert all(question.metadata == wish.metadata for question in questions)


@pytest.mark.usefixtures("written")
def test_a_rematch_is_for_evaluation_and_leaves_out_equal_texts(store: Store) -> None:
    posed = rematch(store, Wish("again", purpose="evaluate"), "v0", "v1")
    assert (posed.possible, posed.added) == (1, 1)
    [question] = store.questions("again")
    assert (question.completion_ids, question.purpose) == (("c0", "c4"), "evaluate")


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize(
    ("wish", "what"),
    [
        (Wish("one", kind="riddle"), "no kind of question"),
        (Wish("one", budget=0), "no question was asked for"),
        (Wish("one", policies=("v7",)), "no prompt has 2 different completions by v7"),
        (Wish("one", kind="demonstration", prompt_ids=()), "no prompt to ask about"),
    ],
)
def test_what_cannot_be_asked_is_refused(store: Store, wish: Wish, what: str) -> None:
    with pytest.raises(Problem, match=what):
        pose(store, wish)
    assert store.questions() == []


@pytest.mark.usefixtures("written")
def test_versions_that_never_met_have_no_rematch(store: Store) -> None:
    with pytest.raises(Problem, match="with itself"):
        rematch(store, Wish("one"), "v0", "v0")
    with pytest.raises(Problem, match="both answered"):
        rematch(store, Wish("one"), "v0", "v9")


@pytest.fixture
def judged(store: Store) -> None:
    """Sixty prompts with three completions each by v0, of which people preferred the short one, thirty times."""
    prompts = [Prompt(f"j{i}", text=f"asked {i}") for i in range(60)]
    texts = ["short", "of middling length, this one", "a very long answer that goes on " * 3]
    store.add_everything(
        prompts=prompts,
        completions=[
            Completion(f"{p.id}-{k}", p.id, f"{text} {p.id}", "v5") for p in prompts for k, text in enumerate(texts)
        ],
        annotators=[Annotator("ann")],
        questions=[
            Question(f"q{i}", "comparison", f"j{i}", (f"j{i}-0", f"j{i}-2"), campaign="before") for i in range(40)
        ],
        judgements=[Judgement(f"said{i}", f"q{i}", "ann", {"choice": "a"}) for i in range(40)],
    )


@pytest.mark.usefixtures("judged")
@pytest.mark.parametrize("policy", ["margin", "disagreement", "d_optimal", "thompson"])
def test_every_policy_chooses_with_a_random_share(store: Store, policy: str) -> None:
    posed = pose(store, Wish("one", budget=30, policies=("v5",)), 1, policy, 0.2)
    assert (posed.possible, posed.chosen) == (180, 30)
    questions = store.questions("one")
    chosen = [question.selection for question in questions]
    assert (chosen.count("random"), chosen.count(policy)) == (6, 24)
    assert all(question.propensity and 0 < question.propensity <= 1 for question in questions)


@pytest.mark.usefixtures("judged")
def test_other_kinds_are_chosen_at_random_only(store: Store) -> None:
    wish = Wish("one", kind="ranking", budget=10, policies=("v5",))
    with pytest.raises(Problem, match="chooses between pairs"):
        pose(store, wish, 1, "margin")
    assert pose(store, wish).chosen == 10


@pytest.mark.usefixtures("written")
def test_a_policy_needs_something_to_go_by(store: Store) -> None:
    with pytest.raises(Problem, match="too few to expect anything"):
        pose(store, Wish("one", budget=2), 1, "margin")
    assert pose(store, Wish("one", budget=5), 1, "margin").chosen == 3
