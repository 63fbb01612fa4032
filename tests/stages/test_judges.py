from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from heedful.errors import Problem
from heedful.feedback.steering import batches
from heedful.feedback.steering.gold import set_gold
from heedful.feedback.store import Store
from heedful.records import Annotator, Completion, Judgement, Prompt, Question
from heedful.stages import judges
from heedful.stages.judges import Patience, Waiting, answer
from heedful.stages.project import Project, ProjectSettings


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Ten comparisons in the campaign `round-1`, nobody has answered."""
    made = Project(tmp_path, ProjectSettings())
    ask(made.store, 10)
    return made


def ask(store: Store, count: int, name: str = "q") -> None:
    prompt = Prompt(f"{name}-prompt", "Why?")
    texts = [Completion(f"{name}{i}-{k}", prompt.id, f"{i} {k}") for i in range(count) for k in range(2)]
    questions = [
        Question(f"{name}{i}", "comparison", prompt.id, (f"{name}{i}-0", f"{name}{i}-1"), "round-1")
        for i in range(count)
    ]
    store.add_everything(
        prompts=[prompt], completions=texts, questions=questions, annotators=[Annotator("ann"), Annotator("bob")]
    )


def say(store: Store, *numbers: int) -> None:
    store.submit_many(Judgement(f"j{i}", f"q{i}", "ann", {"choice": "a"}) for i in numbers)


def people(project: Project, patience: Patience | None = None, *, wait: bool = False) -> None:
    answer(project, "round-1", "people", purpose="train", seed=0, wait=wait, patience=patience)


def test_by_default_all_are_waited_for(project: Project) -> None:
    say(project.store, *range(9))
    with pytest.raises(Waiting, match="9 of 10 judgements are in for 'round-1'"):
        people(project)
    say(project.store, 9)
    people(project)


def test_enough_is_enough_and_later_answers_are_not_lost(project: Project) -> None:
    patience = Patience(enough=0.35)
    say(project.store, 0, 1, 2)
    with pytest.raises(Waiting, match="3 of 4 judgements"):
        people(project, patience)
    say(project.store, 3)
    people(project, patience)
    [batch] = batches.statuses(project.store, "round-1")
    assert (batch.state, batch.minimum, batch.maximum) == ("usable", 4, 10)
    say(project.store, *range(4, 10))
    people(project, patience)
    assert len(project.store.judgements()) == 10
    assert len(batches.statuses(project.store)) == 1, "a repeated command opens no second batch"


def test_after_its_time_it_goes_on_with_what_has_come(project: Project) -> None:
    patience = Patience(hours=1e-9)
    say(project.store, 0)
    people(project, patience)
    [batch] = batches.statuses(project.store)
    assert (batch.state, batch.judgements) == ("expired", 1)


def test_after_its_time_without_an_answer_it_says_so(project: Project) -> None:
    with pytest.raises(Waiting, match="nobody has answered"):
        people(project, Patience(hours=1e-9), wait=True)
    say(project.store, *range(10))
    people(project, Patience(hours=1e-9), wait=True)


def test_more_questions_are_asked_for_in_a_further_batch(project: Project) -> None:
    say(project.store, *range(9))
    with pytest.raises(Waiting):
        people(project)
    ask(project.store, 1, "r")
    with pytest.raises(Waiting, match="9 of 11"):
        people(project)


def test_gold_items_are_not_waited_for(project: Project) -> None:
    set_gold(project.store, "q9", "gold", {"choice": "a"})
    with pytest.raises(Waiting, match="0 of 9"):
        people(project)
    say(project.store, *range(9))
    people(project)


def test_it_waits_while_people_answer(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(judges, "POLL_S", 0.01)
    done = threading.Event()

    def wait() -> None:
        people(project, Patience(enough=0.5), wait=True)
        done.set()

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    for number in range(5):
        assert not done.is_set()
        say(project.store, number)
        time.sleep(0.02)
    waiting.join(timeout=60)
    assert done.is_set()
    said = capsys.readouterr().out
    assert "heedful serve" in said
    assert "Going on with 5 of 10 judgements" in said


@pytest.mark.parametrize("wrong", [Patience(enough=0), Patience(enough=1.1), Patience(hours=-1)])
def test_a_patience_that_cannot_be_is_refused(project: Project, wrong: Patience) -> None:
    with pytest.raises(Problem, match="waited for"):
        people(project, wrong)
