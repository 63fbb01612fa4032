from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import pytest
from sqlalchemy import select

from heedful.errors import Problem
from heedful.feedback import lineage, tables
from heedful.feedback.campaigns import Progress, claim, display_order, held, progress, release
from heedful.feedback.store import Store
from heedful.records import Annotator, Judgement, Question

Fill = Callable[..., list[Question]]
Says = Callable[..., Judgement]

NOON = 1_000_000.0


def states(store: Store) -> dict[tuple[str, str], str]:
    table = tables.assignments
    with store.reading() as connection:
        found = connection.execute(select(table.c.question_id, table.c.annotator_id, table.c.state))
        return {(row.question_id, row.annotator_id): row.state for row in found}


def take(store: Store, person: str, now: float = NOON, lease_s: float = 60) -> str | None:
    found = claim(store, person, lease_s=lease_s, now=now)
    return None if found is None else found.question.id


def test_everybody_gets_every_question_once_in_order(store: Store, fill: Fill) -> None:
    fill(3, overlap=2)
    assert [take(store, "ann") for _ in range(4)] == ["q0", "q1", "q2", None]
    assert [take(store, "bob") for _ in range(4)] == ["q0", "q1", "q2", None]
    assert take(store, "cem") is None


def test_an_assignment_says_all_that_is_needed_to_show_it(store: Store, fill: Fill) -> None:
    [question] = fill(1)
    found = claim(store, "ann", lease_s=60, seed=3, now=NOON)
    assert found is not None
    assert found.question == question
    assert (found.annotator_id, found.leased_until, found.supersedes) == ("ann", NOON + 60, None)
    assert found.shown == display_order(question, "ann", 3)
    assert states(store) == {("q0", "ann"): "leased"}


def test_only_the_questions_of_the_campaign_are_given(store: Store, fill: Fill) -> None:
    fill(1, campaign="one")
    fill(1, name="t", campaign="two")
    found = claim(store, "ann", "two")
    assert found is not None
    assert found.question.id == "t0"
    assert claim(store, "ann", "two") is None
    assert claim(store, "ann", "three") is None


def test_a_lease_that_ran_out_is_given_again(store: Store, fill: Fill, says: Says) -> None:
    fill(1)
    assert take(store, "ann", NOON) == "q0"
    assert take(store, "bob", NOON + 59.9) is None
    assert take(store, "bob", NOON + 60) == "q0"
    assert states(store) == {("q0", "ann"): "expired", ("q0", "bob"): "leased"}
    assert take(store, "ann", NOON + 61) is None
    says("bob", "q0", choice="a")
    assert take(store, "ann", NOON + 1000) is None


def test_an_answer_that_comes_too_late_is_kept(store: Store, fill: Fill, says: Says) -> None:
    fill(1)
    take(store, "ann", NOON)
    take(store, "bob", NOON + 60)
    says("bob", "q0", choice="a")
    says("ann", "q0", choice="b")
    assert len(store.judgements()) == 2
    assert take(store, "cem", NOON + 1000) is None


def test_ones_own_expired_question_comes_back_last_and_in_the_same_order(store: Store, fill: Fill) -> None:
    fill(3)
    first = claim(store, "ann", lease_s=60, seed=1, now=NOON)
    assert first is not None
    later = NOON + 100
    assert [take(store, "ann", later) for _ in range(2)] == ["q1", "q2"]
    again = claim(store, "ann", lease_s=60, seed=2, now=later)
    assert again is not None
    assert (again.question.id, again.shown, again.leased_until) == ("q0", first.shown, later + 60)
    assert take(store, "ann", later) is None


def test_a_released_question_is_free_at_once(store: Store, fill: Fill) -> None:
    fill(1)
    mine = claim(store, "ann")
    assert mine is not None
    assert claim(store, "bob") is None
    release(store, mine)
    assert states(store) == {("q0", "ann"): "expired"}
    assert take(store, "bob") == "q0"


def test_releasing_what_was_answered_changes_nothing(store: Store, fill: Fill, says: Says) -> None:
    fill(1)
    mine = claim(store, "ann")
    assert mine is not None
    says("ann", "q0", choice="a")
    release(store, mine)
    assert states(store) == {("q0", "ann"): "submitted"}


def test_a_skipped_question_goes_to_somebody_else_and_never_comes_back(store: Store, fill: Fill, says: Says) -> None:
    fill(1)
    take(store, "ann", NOON)
    says("ann", "q0", choice="skip")
    assert take(store, "ann", NOON + 10_000) is None
    assert take(store, "bob", NOON) == "q0"
    assert states(store) == {("q0", "ann"): "skipped", ("q0", "bob"): "leased"}
    assert progress(store).given == 0


def test_a_withdrawn_answer_is_given_back_with_what_to_supersede(store: Store, fill: Fill, says: Says) -> None:
    fill(1)
    take(store, "ann", NOON)
    says("ann", "q0", choice="a", as_id="one")
    says("ann", "q0", withdrawn=True, as_id="two", supersedes="one")
    again = claim(store, "ann", now=NOON)
    assert again is not None
    assert again.supersedes == "two"
    assert held(store, "ann", now=NOON) == [again]
    says("ann", "q0", choice="b", as_id="three", supersedes=again.supersedes)
    assert states(store) == {("q0", "ann"): "submitted"}


def test_held_lists_what_is_leased_now(store: Store, fill: Fill, says: Says) -> None:
    fill(3, campaign="one")
    fill(1, name="t", campaign="two")
    claims = [claim(store, "ann", lease_s=60 * (i + 1), now=NOON) for i in range(4)]
    says("ann", "q1", choice="a")
    assert held(store, "ann", now=NOON) == [claims[0], claims[2], claims[3]]
    assert held(store, "ann", now=NOON + 60) == [claims[2], claims[3]]
    assert held(store, "ann", "two", now=NOON) == [claims[3]]
    assert held(store, "bob", now=NOON) == []


def test_the_clock_is_used_when_no_moment_is_given(store: Store, fill: Fill) -> None:
    fill(1)
    mine = claim(store, "ann", lease_s=3600)
    assert mine is not None
    assert mine.leased_until > 1_700_000_000
    assert held(store, "ann") == [mine]


def test_unknown_and_retracted_annotators_get_nothing(store: Store, fill: Fill) -> None:
    fill(1)
    with pytest.raises(Problem, match='no annotator "eve"'):
        claim(store, "eve")
    lineage.retract(store, "ann")
    with pytest.raises(Problem, match='"ann" was retracted'):
        claim(store, "ann")


def test_the_places_of_a_retracted_annotator_are_free(store: Store, fill: Fill, says: Says) -> None:
    fill(2)
    says("ann", "q0", choice="a")
    take(store, "ann")
    assert take(store, "bob") is None
    lineage.retract(store, "ann")
    assert [take(store, "bob") for _ in range(3)] == ["q0", "q1", None]
    assert progress(store) == Progress(questions=2, wanted=2, given=0, annotators=0)


def test_answers_without_a_lease_take_a_place(store: Store, fill: Fill, says: Says) -> None:
    fill(1, overlap=2)
    says("ann", "q0", choice="a")
    says("bob", "q0", choice="a")
    assert claim(store, "cem") is None


def test_progress_counts_answers_that_hold(store: Store, fill: Fill, says: Says) -> None:
    assert progress(store, "one") == Progress(0, 0, 0, 0)
    fill(3, campaign="one", overlap=2)
    fill(1, name="t", campaign="two")
    says("ann", "q0", choice="a", as_id="x")
    says("ann", "q0", choice="b", as_id="y", supersedes="x")
    says("bob", "q0", choice="tie")
    says("ann", "q1", choice="skip")
    says("bob", "q1", choice="a")
    says("cem", "t0", choice="a")
    take(store, "cem")
    assert progress(store, "one") == Progress(questions=3, wanted=6, given=3, annotators=2)
    assert progress(store) == Progress(questions=4, wanted=7, given=4, annotators=3)


def test_display_orders_are_drawn_evenly_and_do_not_hang_on_each_other() -> None:
    ranking = [Question(f"q{i}", "ranking", "p", ("a", "b", "c")) for i in range(1200)]
    counts = Counter(display_order(question, "ann", 0) for question in ranking)
    # Six orders, 200 expected of each; chi-squared with 5 degrees of freedom exceeds 20.5 once in a thousand.
    assert len(counts) == 6
    assert sum((count - 200) ** 2 / 200 for count in counts.values()) < 20.5
    same = sum(display_order(question, "ann", 0) == display_order(question, "bob", 0) for question in ranking)
    assert 150 < same < 250  # 200 expected, standard deviation 13
    assert display_order(ranking[0], "ann", 7) == display_order(ranking[0], "ann", 7)


def test_a_question_without_completions_has_no_order(store: Store, fill: Fill) -> None:
    fill(1, kind="demonstration", completions=0)
    found = claim(store, "ann")
    assert found is not None
    assert found.shown == ()


CLAIM_ALL = """
import sys
from heedful.feedback import campaigns
from heedful.feedback.store import Store
from heedful.records import Judgement
store, people = Store.open(sys.argv[1]), sys.argv[2].split(",")
print("ready", flush=True)
sys.stdin.readline()
while people:
    for person in list(people):
        found = campaigns.claim(store, person)
        if found is None:
            people.remove(person)
            continue
        print(found.question.id, person, flush=True)
        store.submit(Judgement(f"{person}-{found.question.id}", found.question.id, person, {"choice": "a"}))
"""


def test_processes_that_claim_at_once_never_exceed_the_overlap(location: str, store: Store, fill: Fill) -> None:
    fill(40, overlap=2)
    crowd = [[f"w{process}-{i}" for i in range(2)] for process in range(4)]
    store.add_annotators(Annotator(name) for names in crowd for name in names)
    started = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIM_ALL, location, ",".join(names)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for names in crowd
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:  # all at once, when all are ready
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate() for process in started]
    assert [process.returncode for process in started] == [0] * 4, [error for _, error in said]
    given = [tuple(line.split()) for out, _ in said for line in out.splitlines()]
    assert len(given) == len(set(given)), "somebody got a question twice"
    assert Counter(question for question, _ in given) == {f"q{i}": 2 for i in range(40)}
    assert progress(store) == Progress(questions=40, wanted=80, given=80, annotators=len({who for _, who in given}))
