from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from scipy.stats import binomtest

from heedful.errors import Problem
from heedful.feedback import lineage, posing
from heedful.feedback.campaigns import progress
from heedful.feedback.posing import Wish
from heedful.feedback.steering import desk, drafts, ledger
from heedful.feedback.steering.guidelines import mark_read, publish
from heedful.feedback.steering.settings import CampaignSettings, save_campaign, set_state
from heedful.feedback.store import Store
from heedful.records import Annotator, Completion, Judgement, Prompt, Question

Fill = Callable[..., list[Question]]
Give = Callable[..., desk.Task]
Refuse = Callable[..., str]
Hand = Callable[..., desk.Outcome]
Work = Callable[..., str]
Rule = Callable[..., None]
Told = Callable[..., list[dict[str, object]]]

NOON = 1_000_000.0


def test_work_comes_in_order_and_ends(store: Store, fill: Fill, work: Work, refuse: Refuse) -> None:
    fill(3, overlap=2)
    assert [work("ann") for _ in range(3)] == ["q0", "q1", "q2"]
    assert refuse("ann") == "nothing_left"
    assert [work("bob") for _ in range(3)] == ["q0", "q1", "q2"]
    assert refuse("cem") == "nothing_left"
    assert progress(store, "default").given == 6


def test_a_task_that_is_held_comes_back_with_its_lease_renewed(store: Store, fill: Fill, give: Give) -> None:
    fill(3)
    first = give("ann", now=NOON)
    again = give("ann", now=NOON + 600)
    assert again.assignment.question == first.assignment.question
    assert again.assignment.shown == first.assignment.shown
    assert again.assignment.leased_until == NOON + 600 + 1800
    assert give("bob").assignment.question.id == "q1"


def test_a_lease_can_be_kept_while_it_runs(store: Store, fill: Fill, give: Give) -> None:
    fill(1)
    give("ann", now=NOON)
    assert desk.keep(store, "ann", "q0", NOON + 1000)
    assert desk.keep(store, "ann", "q0", NOON + 2700)
    assert not desk.keep(store, "ann", "q0", NOON + 10_000)
    assert not desk.keep(store, "ann", "nothing", NOON)
    assert not desk.keep(store, "bob", "q0", NOON)
    assert give("bob", now=NOON + 10_000).assignment.question.id == "q0"


def test_the_campaigns_lease_holds(store: Store, fill: Fill, rule: Rule, give: Give, refuse: Refuse) -> None:
    fill(1)
    rule(lease_s=60)
    assert give("ann").assignment.leased_until == NOON + 60
    assert refuse("bob", now=NOON + 59) == "nothing_left"
    assert give("bob", now=NOON + 60).assignment.question.id == "q0"


def test_what_remains_is_counted(store: Store, fill: Fill, give: Give, hand: Hand) -> None:
    fill(4, overlap=2)
    assert give("ann").remaining == 4
    hand("ann", "q0", choice="a")
    assert give("ann").remaining == 3
    assert give("bob").remaining == 4


def test_without_a_campaign_all_are_gone_through_by_name(
    store: Store, fill: Fill, work: Work, refuse: Refuse, rule: Rule
) -> None:
    fill(1, name="x", campaign="late")
    fill(1, name="y", campaign="early")
    fill(1, name="z", campaign="middle")
    rule("middle", who=("bob",))
    assert work("ann", None) == "y0"
    assert work("ann", None) == "x0"
    assert refuse("ann", None) == "nothing_left"
    assert work("bob", None) == "z0"


def test_without_work_anywhere_the_reason_is_the_one_that_could_change(
    store: Store, fill: Fill, refuse: Refuse, rule: Rule
) -> None:
    fill(1, name="x", campaign="closed")
    fill(1, name="y", campaign="paused")
    set_state(store, "closed", "closed")
    set_state(store, "paused", "paused")
    assert refuse("ann", None) == "campaign_paused"


def test_no_question_anywhere_is_no_problem(store: Store, refuse: Refuse) -> None:
    store.add_annotators([Annotator("ann")])
    assert refuse("ann", None) == "nothing_left"
    assert refuse("ann", "nowhere") == "nothing_left"


def test_nobody_unknown_or_retracted_gets_work(store: Store, fill: Fill) -> None:
    fill(1)
    with pytest.raises(Problem, match='no annotator "eve"'):
        desk.next_task(store, "eve")
    lineage.retract(store, "ann")
    with pytest.raises(Problem, match='"ann" was retracted'):
        desk.next_task(store, "ann", "default")


def test_guidelines_are_read_before_work_and_again_when_they_change(
    store: Store, fill: Fill, give: Give, refuse: Refuse, hand: Hand
) -> None:
    fill(3)
    publish(store, "default", "Be kind.")
    found = desk.next_task(store, "ann", "default", now=NOON)
    assert isinstance(found, desk.NoTask)
    assert found.reason == "guidelines"
    assert found.guidelines is not None
    assert found.guidelines.text == "Be kind."
    mark_read(store, "default", "ann", 1)
    assert give("ann").guidelines_to_read is None
    publish(store, "default", "Be kind and quick.")
    held = give("ann")
    assert held.guidelines_to_read is not None
    assert held.guidelines_to_read.version == 2
    hand("ann", "q0", choice="a")
    assert refuse("ann") == "guidelines"
    mark_read(store, "default", "ann", 2)
    assert give("ann").assignment.question.id == "q1"


def test_guidelines_are_not_asked_for_when_nothing_waits(store: Store, fill: Fill, refuse: Refuse) -> None:
    fill(0)
    publish(store, "default", "Be kind.")
    assert refuse("ann") == "nothing_left"


def test_a_draft_comes_with_the_task_and_goes_with_the_answer(store: Store, fill: Fill, give: Give, hand: Hand) -> None:
    fill(1)
    assert give("ann").draft is None
    drafts.save(store, "q0", "ann", {"choice": "b"}, NOON)
    found = give("ann").draft
    assert found is not None
    assert found.answer == {"choice": "b"}
    hand("ann", "q0", choice="b")
    assert drafts.of(store, "q0", "ann") is None


def test_undoing_gives_the_question_back_with_the_answer_as_its_draft(
    store: Store, fill: Fill, work: Work, give: Give, hand: Hand
) -> None:
    fill(2)
    give("ann")
    hand("ann", "q0", choice="b", as_id="one")
    give("ann")
    task = desk.undo(store, "ann", "one", "two", NOON)
    assert (task.assignment.question.id, task.assignment.supersedes) == ("q0", "two")
    assert task.draft is not None
    assert task.draft.answer == {"choice": "b"}
    assert progress(store).given == 0
    assert desk.undo(store, "ann", "one", "two", NOON).assignment.question.id == "q0"
    hand("ann", "q0", choice="a", as_id="three", supersedes="two")
    assert [each.answer["choice"] for each in store.judgements()] == ["a"]
    with pytest.raises(Problem, match="answered again since"):
        desk.undo(store, "ann", "one", "two", NOON)
    with pytest.raises(Problem, match="newest answer"):
        desk.undo(store, "ann", "one", "four", NOON)


def test_only_ones_own_answers_can_be_undone(store: Store, fill: Fill, give: Give, hand: Hand) -> None:
    fill(1)
    give("ann")
    hand("ann", "q0", choice="b")
    with pytest.raises(Problem, match='no answer "ann-q0"'):
        desk.undo(store, "bob", "ann-q0", "two", NOON)
    set_state(store, "default", "closed")
    with pytest.raises(Problem, match="cannot be taken back"):
        desk.undo(store, "ann", "ann-q0", "two", NOON)


def test_history_shows_what_stands_newest_first(store: Store, fill: Fill, give: Give, hand: Hand, work: Work) -> None:
    fill(4)
    fill(1, name="t", campaign="two")
    for name, choice in (("q0", "a"), ("q1", "skip"), ("q2", "b")):
        give("ann")
        hand("ann", name, choice=choice, as_id=name)
    hand("ann", "q0", choice="tie", as_id="edit", supersedes="q0")
    desk.undo(store, "ann", "q2", "gone", NOON)
    work("ann", "two")
    found = desk.history(store, "ann", "default")
    assert [(each.judgement.id, each.editable) for each in found] == [("edit", True), ("q1", True)]
    assert found[0].question.id == "q0"
    assert len(desk.history(store, "ann")) == 3
    assert [each.judgement.id for each in desk.history(store, "ann", "default", limit=1)] == ["edit"]
    set_state(store, "default", "closed")
    assert not desk.history(store, "ann", "default")[0].editable
    assert desk.history(store, "bob") == []


def test_history_pages_past_what_was_withdrawn(store: Store, fill: Fill, give: Give, hand: Hand) -> None:
    fill(1)
    give("ann")
    hand("ann", "q0", choice="a", as_id="start")
    fill(6, name="t")
    for i in range(6):
        task = give("ann")
        name = task.assignment.question.id
        hand("ann", name, choice="a", as_id=name)
        desk.undo(store, "ann", name, f"{name}-gone", NOON)
        hand("ann", name, choice="skip", as_id=f"{name}-skip", supersedes=f"{name}-gone")
        hand("ann", name, withdrawn=True, as_id=f"{name}-end", supersedes=f"{name}-skip")
        assert i < 6
    assert [each.judgement.id for each in desk.history(store, "ann", limit=1)] == ["start"]


def test_a_page_can_fetch_ahead_but_not_hoard(store: Store, fill: Fill, refuse: Refuse) -> None:
    fill(desk.MOST_HELD + 5)
    holding: list[str] = []
    for _ in range(desk.MOST_HELD):
        task = desk.next_task(store, "ann", "default", now=NOON, besides=holding)
        assert isinstance(task, desk.Task)
        holding.append(task.assignment.question.id)
    assert holding == [f"q{i}" for i in range(desk.MOST_HELD)]
    again = desk.next_task(store, "ann", "default", now=NOON, besides=holding)
    assert isinstance(again, desk.Task)
    assert again.assignment.question.id == "q0"
    some = desk.next_task(store, "ann", "default", now=NOON, besides=holding[:3])
    assert isinstance(some, desk.Task)
    assert some.assignment.question.id == "q3"


def test_what_was_given_back_cannot_be_answered(store: Store, fill: Fill, give: Give, hand: Hand) -> None:
    fill(2)
    ahead = desk.next_task(store, "ann", "default", 0, NOON, besides=[give("ann").assignment.question.id])
    assert isinstance(ahead, desk.Task)
    desk.give_back(store, "ann", "q1")
    assert give("bob").assignment.question.id == "q1"
    with pytest.raises(Problem, match="was not given to you"):
        hand("ann", "q1", choice="a")
    hand("ann", "q0", choice="a")
    desk.undo(store, "ann", "ann-q0", "gone", NOON)
    desk.give_back(store, "ann", "q0")  # it was seen and answered once, so it stays theirs to answer
    hand("ann", "q0", choice="b", as_id="new", supersedes="gone")
    assert progress(store, "default").given == 1


def test_an_answer_is_final_where_others_answers_are_revealed(
    store: Store, fill: Fill, rule: Rule, work: Work, hand: Hand
) -> None:
    fill(2, overlap=2)
    rule(overlap=2, reveal=True)
    work("ann")
    with pytest.raises(Problem, match="one sees what others answered"):
        hand("ann", "q0", choice="b", as_id="again", supersedes="ann-q0-0")
    with pytest.raises(Problem, match="one sees what others answered"):
        desk.undo(store, "ann", "ann-q0-0", "gone", NOON)
    work("ann", choice="skip")  # nothing was revealed to somebody who could not say
    assert [found.editable for found in desk.history(store, "ann")] == [True, False]
    hand("ann", "q1", choice="b", as_id="later", supersedes="ann-q1-1")
    assert desk.take_back(store, Judgement("owner", "q0", "ann", {"withdrawn": True}, supersedes="ann-q0-0"), NOON)
    hand("ann", "q0", choice="b", as_id="anew", supersedes="owner")


def test_an_owners_withdrawal_is_told_like_ones_own(store: Store, fill: Fill, work: Work, told: Told) -> None:
    fill(1)
    work("ann")
    gone = Judgement("gone", "q0", "ann", {"withdrawn": True}, supersedes="ann-q0-0")
    assert desk.take_back(store, gone, NOON)
    assert not desk.take_back(store, gone, NOON)
    assert told("judgement.withdrawn") == [
        {"judgement": "gone", "question": "q0", "annotator": "ann", "campaign": "default", "supersedes": "ann-q0-0"}
    ]
    assert progress(store, "default").given == 0


def test_two_versions_meet_blind_with_sides_drawn_evenly(store: Store, give: Give) -> None:
    prompts = [Prompt(f"p{i}", text=f"prompt {i}") for i in range(500)]
    texts = [Completion(f"{v}-{i}", f"p{i}", f"{v} says {i}", v) for i in range(500) for v in ("v1", "v4")]
    people = [f"w{i}" for i in range(5)]
    store.add_everything(prompts=prompts, completions=texts, annotators=[Annotator(name) for name in people])
    assert posing.rematch(store, Wish("meeting", purpose="evaluate", budget=500), "v4", "v1").added == 500
    left = []
    for i in range(500):
        task = give(people[i % 5], "meeting")
        question, shown = task.assignment.question, task.assignment.shown
        policies = [completion.policy for completion in store.completions(question.completion_ids)]
        assert sorted(policies) == ["v1", "v4"]  # the record knows both versions, and what is shown names neither
        left.append(policies[shown[0]])
        desk.submit(store, Judgement(f"j{i}", question.id, people[i % 5], {"choice": "a"}), NOON)
    assert {each.shown for each in store.judgements("meeting")} == {(0, 1), (1, 0)}
    assert binomtest(left.count("v4"), 500).pvalue > 0.01


def crowd(store: Store, count: int) -> list[str]:
    names = [f"w{i}" for i in range(count)]
    store.add_annotators(Annotator(name) for name in names)
    return names


def test_threads_at_once_never_exceed_overlap_or_budget(store: Store, fill: Fill) -> None:
    fill(30, overlap=2)
    names = crowd(store, 8)
    settings = CampaignSettings(overlap=2, prices={"comparison": 0.5}, budget=20.0, gold_share=0.0)
    save_campaign(store, "default", "", settings)

    def one(name: str) -> int:
        given = 0
        while isinstance(task := desk.next_task(store, name, "default"), desk.Task):
            question = task.assignment.question.id
            desk.submit(store, Judgement(f"{name}-{question}", question, name, {"choice": "a"}))
            given += 1
        return given

    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(one, names))
    assert sum(counts) == 40
    assert ledger.spent(store, "default") == 20.0
    assert max(Counter(each.question_id for each in store.judgements()).values()) <= 2


WORK = """
import sys
from heedful.feedback.steering import desk
from heedful.feedback.store import Store
from heedful.records import Judgement
store, people = Store.open(sys.argv[1]), sys.argv[2].split(",")
print("ready", flush=True)
sys.stdin.readline()
while people:
    for person in list(people):
        task = desk.next_task(store, person, "default")
        if isinstance(task, desk.NoTask):
            people.remove(person)
            continue
        question = task.assignment.question.id
        answer = Judgement(f"{person}-{question}", question, person, {"choice": "a"})
        desk.submit(store, answer)
        desk.submit(store, answer)
        print(question, person, flush=True)
"""


def test_processes_at_once_never_exceed_the_overlap(location: str, store: Store, fill: Fill) -> None:
    fill(30, overlap=2)
    names = crowd(store, 8)
    store.submit_many([])
    said = together(location, [names[i : i + 2] for i in range(0, 8, 2)])
    given = [tuple(line.split()) for out in said for line in out.splitlines()]
    assert len(given) == len(set(given)) == 60
    assert Counter(question for question, _ in given) == {f"q{i}": 2 for i in range(30)}
    assert progress(store).given == 60


def together(location: str, groups: Sequence[Sequence[str]]) -> list[str]:
    """Start a process for each group of people, let them work at once, and return what they printed."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WORK, location, ",".join(names)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        )
        for names in groups
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate() for process in started]
    assert [process.returncode for process in started] == [0] * len(started), [error for _, error in said]
    return [out for out, _ in said]


def test_one_person_at_two_desks_gets_one_question(store: Store, fill: Fill) -> None:
    fill(20)

    def one(_: int) -> str:
        task = desk.next_task(store, "ann", "default", now=NOON)
        assert isinstance(task, desk.Task)
        return task.assignment.question.id

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(one, range(12))) == {"q0"}
