from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from heedful.feedback.accounts import accounts, keys
from heedful.feedback.store import Store
from heedful.feedback.views import comparisons
from heedful.records import Annotator, Completion, Judgement, Message, Prompt, Question
from heedful.web.app import create_app
from heedful.web.calls import Refused
from heedful.web.client import Client, NoTask, Task, verified
from heedful.web.settings import ServerSettings
from heedful.web.signatures import signature

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


@pytest.fixture
def url(store: Store) -> Iterator[str]:
    """A real server on a free port, in a thread."""
    app = create_app(store, ServerSettings())
    config = uvicorn.Config(app, port=0, log_level="warning", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def key(store: Store) -> Callable[[str, str], str]:
    def make(login: str, role: Any) -> str:
        account = accounts.create(store, login, login, None, role)
        return keys.make(store, account.id, "a test", tuple(keys.SCOPES))[0]

    return make


@pytest.fixture
def heedful(url: str, key: Any) -> Iterator[Client]:
    with Client(url, key("owner", "owner"), sleep=lambda _: None) as client:
        yield client


def pairs(count: int, campaign: str = "one") -> dict[str, list[Any]]:
    prompt = Prompt.of("Why?", {"topic": "eggs"})
    texts = [
        Completion(f"c{i}-{k}", prompt.id, f"text {i} {k}", "v0", (1, 2), (-0.5, -1.0))
        for i in range(count)
        for k in range(2)
    ]
    questions = [
        Question(f"q{i}", "comparison", prompt.id, (f"c{i}-0", f"c{i}-1"), campaign, propensity=0.5)
        for i in range(count)
    ]
    return {"prompts": [prompt], "completions": texts, "questions": questions}


def test_the_example_of_the_page_runs(url: str, key: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    names = {"url": url, "owner_key": key("owner", "owner"), "annotator_key": key("ann", "annotator")}
    exec(compile(block, str(PAGE), "exec", dont_inherit=True), names)  # noqa: S102 - our own page
    state, row = capsys.readouterr().out.splitlines()
    assert state.startswith("usable [{'choice': 'a'")
    assert row == "Seven minutes. is better than Eggs!"


def test_records_go_and_come_as_they_are(heedful: Client) -> None:
    sent = pairs(3)
    turns = Prompt.of([Message("user", "Hello"), Message("assistant", "Hi"), Message("user", "Why?")])
    sent["prompts"].append(turns)
    assert heedful.add(**sent) == {"prompts": 2, "completions": 6, "questions": 3}
    assert heedful.add(**sent) == {"prompts": 0, "completions": 0, "questions": 0}
    assert list(heedful.prompts()) == sent["prompts"]
    assert list(heedful.completions()) == sent["completions"]
    assert list(heedful.questions(campaign="one")) == sent["questions"]
    assert list(heedful.questions(campaign="two")) == []
    assert list(heedful.completions(policy="v9")) == []


def test_lists_fetch_page_after_page(heedful: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    heedful.add(**pairs(5))
    monkeypatch.setattr("heedful.web.client.AT_ONCE", 2)
    assert [question.id for question in heedful.questions()] == ["q0", "q1", "q2", "q3", "q4"]


def test_an_annotator_works_until_nothing_is_left(heedful: Client, url: str, key: Any) -> None:
    heedful.add(**pairs(3))
    with Client(url, key("ann", "annotator")) as ann:
        assert ann.me()["role"] == "annotator"
        seen = []
        while isinstance(task := ann.next_task("one"), Task):
            seen.append(task.question)
            if task.question == "q1":
                assert ann.skip(task, "unclear").new
                continue
            name = str(uuid.uuid4())
            assert [ann.submit(task, {"choice": "a"}, 1.5, name).new for _ in range(2)] == [True, False]
        assert seen == ["q0", "q1", "q2"]
        assert isinstance(task, NoTask)
        assert task.reason == "nothing_left"
        with pytest.raises(Refused) as refused:
            list(ann.judgements())
        assert refused.value.status == 403
    assert [judgement.question_id for judgement in heedful.judgements("one") if "strength" not in judgement.answer]
    assert heedful.progress("one") == {"questions": 3, "wanted": 3, "given": 2, "annotators": 1}


def test_fifty_tasks_by_a_script_of_which_only_honest_work_is_learnt_from(
    heedful: Client, url: str, key: Any, store: Store
) -> None:
    """The right answer is the text that ends in 0. Bob always says the other; what he is asked again goes to Ann."""
    heedful.add(**pairs(56))
    for number in range(6):
        heedful.calls.send("PUT", f"/gold/q{number}", json={"use": "gold", "answer": {"choice": "a"}})

    keys = {login: key(login, "annotator") for login in ("bob", "ann")}

    def work(login: str, *, honest: bool, gold_share: float, most: int = 100) -> tuple[list[str], Task | NoTask]:
        heedful.save_campaign("one", gold_share=gold_share, gold_pass=0.5, gold_window=2)
        done: list[str] = []
        with Client(url, keys[login]) as person:
            while isinstance(task := person.next_task("one"), Task) and len(done) < most:
                right, name = task.completions[0].endswith(" 0"), str(uuid.uuid4())
                answer = {"choice": "a" if right == honest else "b"}
                assert [person.submit(task, answer, 1.5, name).new for _ in range(2)] == [True, False]
                done.append(task.question)
        return done, task

    gold = {f"q{number}" for number in range(6)}
    of_bob, _ = work("bob", honest=False, gold_share=0.0, most=3)
    assert not gold & set(of_bob)
    more, refused = work("bob", honest=False, gold_share=1.0)
    assert isinstance(refused, NoTask)
    assert refused.reason == "paused"
    assert len(gold & set(more)) == 2
    of_bob += more
    of_ann, over = work("ann", honest=True, gold_share=0.5)
    assert isinstance(over, NoTask)
    assert over.reason == "nothing_left"
    assert len(of_ann) == len(set(of_ann))
    assert set(of_ann) - gold == {f"q{number}" for number in range(6, 56)}
    assert sorted(row["chosen"] for row in heedful.export("preference")) == sorted(f"text {i} 0" for i in range(6, 56))
    learnt = {id_ for comparison in comparisons(store) for id_ in comparison.judgement_ids}
    by = {each.id: each.annotator_id for each in heedful.judgements("one", current=False)}
    assert len(learnt) == 50
    assert len({by[id_] for id_ in learnt}) == 1
    assert len(by) == len(of_bob) + len(of_ann)


def test_answers_from_elsewhere(heedful: Client) -> None:
    heedful.add(**pairs(2))
    said = [Judgement(str(uuid.uuid4()), f"q{i}", "robot", {"choice": "a"}, (0, 1)) for i in range(2)]
    assert heedful.add_judgements(said, [Annotator("robot", "Robot", "model")]) == 2
    assert heedful.add_judgements(said) == 0
    assert [judgement.id for judgement in heedful.judgements(annotator="robot")] == [found.id for found in said]
    assert [row["chosen"] for row in heedful.export("preference")] == ["text 0 0", "text 1 0"]
    with pytest.raises(Refused, match="nothing in the store"), heedful.calls.stream("/exports/unpaired"):
        pass


def test_a_batch_is_waited_for_and_can_be_used_before(heedful: Client) -> None:
    heedful.add(**pairs(3))
    batch = heedful.open_batch("one", ["q0", "q1", "q2"], minimum=2, maximum=3, metadata={"round": 1})
    assert batch.wait(timeout_s=0).status().state == "running"
    assert batch.partial() == []

    def answer() -> None:
        said = [Judgement(str(uuid.uuid4()), f"q{i}", "robot", {"choice": "a"}) for i in range(2)]
        heedful.add_judgements(said, [Annotator("robot", kind="model")])

    later = threading.Timer(0.1, answer)
    later.start()
    assert len(batch.wait(timeout_s=60, poll_s=0.02).partial()) == 2
    later.join()
    assert batch.status().usable
    assert not batch.status().over
    assert batch.wait(timeout_s=0.05, full=True, poll_s=0.02).status().state == "usable"
    assert batch.cancel().state == "cancelled"
    assert batch.wait(full=True).status().over


def test_a_dataset_is_imported(heedful: Client, tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"prompt": "Why?", "chosen": "Because.", "rejected": "No."}\n')
    assert heedful.import_file(path, campaign="file")["added"]["questions"] == 1
    assert heedful.import_file(path, campaign="file")["added"]["questions"] == 0
    assert heedful.models() == []
    with pytest.raises(Refused, match="no model") as refused:
        heedful.lineage("v0")
    assert refused.value.status == 404


def test_campaigns_may_have_any_name(heedful: Client) -> None:
    for name in ("a/b c", "ü?x=1#y", "%2F"):
        assert heedful.save_campaign(name, overlap=2)["settings"]["overlap"] == 2
    assert {campaign["name"] for campaign in heedful.campaigns()} == {"a/b c", "ü?x=1#y", "%2F"}


def test_a_webhook_is_verified_by_the_client() -> None:
    assert verified("secret", signature("secret", int(time.time()), b"{}"), b"{}")
