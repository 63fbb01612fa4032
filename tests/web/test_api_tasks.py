"""What an annotator's program and an owner's program do with one another, over HTTP alone."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from heedful.feedback.accounts import keys
from heedful.feedback.store import Store

V1 = "/api/v1"


class Program:
    """A program with a key."""

    def __init__(self, app: FastAPI, store: Store, account: Any) -> None:
        token, _ = keys.make(store, account.id, "a test", tuple(keys.SCOPES))
        self.http = TestClient(app, base_url="http://testserver", headers={"Authorization": f"Bearer {token}"})
        self.annotator_id = account.annotator_id

    def get(self, path: str, **query: Any) -> Any:
        return self.done(self.http.get(V1 + path, params=query))

    def send(self, method: str, path: str, body: Any = None) -> Any:
        return self.done(self.http.request(method, V1 + path, json=body))

    def post(self, path: str, body: Any = None) -> Any:
        return self.send("POST", path, body)

    def refused(self, status: int, method: str, path: str, body: Any = None) -> str:
        response = self.http.request(method, V1 + path, json=body)
        assert response.status_code == status, response.text
        return str(response.json()["error"])

    def done(self, response: Any) -> Any:
        assert response.is_success, response.text
        return response.json() if response.content else None

    def next(self, campaign: str | None = None) -> Any:
        return self.post("/tasks/next", {"campaign": campaign})["task"]

    def say(self, task: Any, **answer: Any) -> Any:
        body = {"id": str(uuid.uuid4()), "question": task["question"], "supersedes": task["supersedes"]}
        return self.post("/tasks/submit", body | {"answer": answer, "duration_s": 2.5})


@pytest.fixture
def somebody(app: FastAPI, store: Store, enter: Any) -> Callable[..., Program]:
    def make(login: str, role: str = "annotator") -> Program:
        return Program(app, store, enter(login, role).account)

    return make


@pytest.fixture
def owner_(somebody: Callable[..., Program]) -> Program:
    return somebody("owner", "owner")


@pytest.fixture
def ann(somebody: Callable[..., Program]) -> Program:
    return somebody("ann")


@pytest.fixture
def ask(owner_: Program) -> Callable[..., None]:
    """Add comparisons q0, q1 ... to the campaign `one`."""

    def add(count: int, name: str = "q", **fields: Any) -> None:
        prompt = {"id": f"{name}-prompt", "text": "Why?"}
        texts = [
            {"id": f"{name}{i}-{k}", "prompt_id": prompt["id"], "text": f"text {k} of {name}{i}", "policy": f"v{k}"}
            for i in range(count)
            for k in range(2)
        ]
        questions = [
            {"id": f"{name}{i}", "kind": "comparison", "prompt_id": prompt["id"], "campaign": "one"}
            | {"completion_ids": [f"{name}{i}-0", f"{name}{i}-1"]}
            | fields
            for i in range(count)
        ]
        owner_.post("/prompts", {"prompts": [prompt]})
        owner_.post("/completions", {"completions": texts})
        owner_.post("/questions", {"questions": questions})

    return add


Ask = Callable[..., None]


# Work


def test_work_goes_out_and_comes_in(owner_: Program, ann: Program, ask: Ask) -> None:
    ask(2)
    first = ann.next("one")
    assert (first["question"], first["kind"], first["campaign"], first["remaining"]) == ("q0", "comparison", "one", 2)
    assert first["prompt"] == {"text": "Why?"}
    assert ann.next()["question"] == "q0", "who holds a question gets the same one"
    assert ann.say(first, choice="a", strength=2)["new"]
    second = ann.next()
    assert ann.say(second, choice="tie")["standing"] == "working"
    offer = ann.post("/tasks/next", {})
    assert (offer["task"], offer["reason"]) == (None, "nothing_left")
    assert offer["message"]
    assert owner_.get("/campaigns/one/progress") == {"questions": 2, "wanted": 2, "given": 2, "annotators": 1}
    stored = owner_.get("/judgements", campaign="one")["items"]
    assert [judgement["duration_s"] for judgement in stored] == [2.5, 2.5]


def test_an_answer_speaks_of_the_order_that_was_shown(owner_: Program, somebody: Any, ask: Ask) -> None:
    """Whoever prefers what stands first says "a", and the store knows which completion that was."""
    ask(1, overlap=12)
    orders = set()
    for number in range(12):
        person = somebody(f"person{number}")
        task = person.next()
        person.say(task, choice="a")
        [judgement] = owner_.get("/judgements", annotator=person.annotator_id)["items"]
        preferred = {"a": "text 0 of q0", "b": "text 1 of q0"}[judgement["answer"]["choice"]]
        assert task["completions"][0] == preferred
        assert judgement["shown"] == ([0, 1] if preferred == "text 0 of q0" else [1, 0])
        orders.add(tuple(judgement["shown"]))
        [own] = person.get("/tasks/history")
        assert own["answer"]["choice"] == "a"
    assert orders == {(0, 1), (1, 0)}


def test_a_task_does_not_tell_who_wrote_what(ann: Program, ask: Ask) -> None:
    ask(1, metadata={"ask": "Which is kinder?", "policy": "v7", "margin": 0.5})
    task = ann.next()
    assert task["ask"] == {"ask": "Which is kinder?"}
    said = json.dumps(task)
    assert "v0" not in said
    assert "v7" not in said
    assert "q0-0" not in said
    for path in ("/completions", "/completions/q0-0", "/questions/q0", "/judgements", "/models"):
        assert ann.http.get(V1 + path).status_code == 403


def test_the_same_answer_twice_is_stored_once(owner_: Program, ann: Program, ask: Ask) -> None:
    ask(1)
    task = ann.next()
    body = {"id": str(uuid.uuid4()), "question": "q0", "answer": {"choice": "a"}, "duration_s": 1.5}
    assert [ann.post("/tasks/submit", body)["new"] for _ in range(3)] == [True, False, False]
    assert len(owner_.get("/judgements", current=False)["items"]) == 1
    other = body | {"answer": {"choice": "b"}}
    assert "another judgement" in ann.refused(409, "POST", "/tasks/submit", other)
    again = body | {"id": str(uuid.uuid4())}
    assert "already" in ann.refused(409, "POST", "/tasks/submit", again)
    better = again | {"supersedes": body["id"], "answer": {"choice": "b"}}
    assert ann.post("/tasks/submit", better)["new"]
    assert task["question"] == "q0"


def test_nobody_answers_what_they_were_not_given(ann: Program, somebody: Any, ask: Ask) -> None:
    ask(1)
    ann.next()
    body = {"id": str(uuid.uuid4()), "question": "q0", "answer": {"choice": "a"}}
    stranger = somebody("bob")
    assert stranger.refused(404, "POST", "/tasks/submit", body)
    assert stranger.refused(404, "POST", "/tasks/skip", {"id": body["id"], "question": "q0"})
    assert stranger.refused(404, "PUT", "/drafts/q0", {"answer": {}, "saved": 1.0})
    assert ann.refused(404, "POST", "/tasks/submit", body | {"question": "nowhere"})
    assert ann.refused(400, "POST", "/tasks/submit", body | {"answer": {"choice": "neither"}})
    assert ann.refused(422, "POST", "/tasks/submit", body | {"id": "not-a-uuid"})


def test_a_skip_goes_to_somebody_else(ann: Program, somebody: Any, ask: Ask) -> None:
    ask(1)
    ann.next()
    body = {"id": str(uuid.uuid4()), "question": "q0", "reason": "I do not speak this language"}
    assert [ann.post("/tasks/skip", body)["new"] for _ in range(2)] == [True, False]
    assert ann.next() is None
    assert somebody("bob").next()["question"] == "q0"


def test_an_own_answer_is_taken_back_and_given_again(owner_: Program, ann: Program, ask: Ask) -> None:
    ask(1)
    ann.say(ann.next(), choice="a", reason="first thought")
    [own] = ann.get("/tasks/history")
    body = {"id": str(uuid.uuid4()), "judgement": own["judgement"]}
    task = ann.post("/tasks/undo", body)
    assert (task["question"], task["supersedes"]) == ("q0", body["id"])
    assert task["draft"] == {"choice": "a", "reason": "first thought"}
    assert owner_.get("/judgements")["items"] == []
    assert ann.say(task, choice="b")["new"]
    assert [each["answer"]["choice"] for each in ann.get("/tasks/history")] == ["b"]


def test_an_own_answer_is_withdrawn(owner_: Program, ann: Program, ask: Ask) -> None:
    ask(1)
    said = ann.say(ann.next(), choice="a")["judgement"]
    body = {"id": str(uuid.uuid4())}
    gone = ann.post(f"/judgements/{said}/withdraw", body)
    assert (gone["supersedes"], gone["answer"]) == (said, {"withdrawn": True})
    assert ann.post(f"/judgements/{said}/withdraw", body) == gone
    assert owner_.get("/judgements")["items"] == []
    assert owner_.get("/campaigns/one/progress")["given"] == 0


def test_a_draft_is_kept_and_the_newest_wins(ann: Program, ask: Ask) -> None:
    ask(1)
    ann.next()
    assert ann.refused(404, "GET", "/drafts/q0")
    assert ann.send("PUT", "/drafts/q0", {"answer": {"choice": "a", "reason": "because"}, "saved": 100.0}) == {
        "kept": True
    }
    assert ann.send("PUT", "/drafts/q0", {"answer": {"choice": "b"}, "saved": 99.0}) == {"kept": False}
    assert ann.get("/drafts/q0") == {"question": "q0", "answer": {"choice": "a", "reason": "because"}, "saved": 100.0}
    assert ann.next()["draft"] == {"choice": "a", "reason": "because"}


# Steering


def test_a_campaign_has_settings_and_a_state(owner_: Program, ann: Program, ask: Ask) -> None:
    ask(2)
    assert owner_.get("/campaigns/one")["settings"]["overlap"] == 1
    rules = {"title": "First round", "settings": {"overlap": 2, "prices": {"comparison": 0.25}, "currency": "EUR"}}
    saved = owner_.send("PUT", "/campaigns/one", rules)
    assert (saved["title"], saved["settings"]["overlap"], saved["state"]) == ("First round", 2, "open")
    assert owner_.get("/questions/q0")["overlap"] == 2
    ann.say(ann.next(), choice="a")
    [line] = owner_.get("/campaigns/one/ledger")
    assert (line["kind"], line["count"], line["cost"]) == ("comparison", 1, 0.25)
    owner_.send("PUT", "/campaigns/one/state", {"state": "paused"})
    assert ann.post("/tasks/next", {"campaign": "one"})["reason"] == "campaign_paused"
    assert [campaign["name"] for campaign in owner_.get("/campaigns")] == ["one"]
    assert owner_.refused(404, "GET", "/campaigns/two")
    assert owner_.refused(422, "PUT", "/campaigns/one", {"settings": {"overlap": 0}})
    assert owner_.refused(422, "PUT", "/campaigns/one", {"settings": {"overlapp": 1}})
    assert owner_.refused(400, "PUT", "/campaigns/one", {"settings": {"deadline": "tomorrow"}})


def test_guidelines_are_read_before_there_is_work(owner_: Program, ann: Program, ask: Ask) -> None:
    ask(1)
    assert owner_.post("/campaigns/one/guidelines", {"text": "Prefer what is true."})["version"] == 1
    assert ann.post("/tasks/next", {"campaign": "one"})["reason"] == "guidelines"
    [newest] = ann.get("/campaigns/one/guidelines")
    assert newest["text"] == "Prefer what is true."
    ann.post("/campaigns/one/guidelines/read", {"version": 1})
    assert ann.next("one")["question"] == "q0"
    owner_.post("/campaigns/one/guidelines", {"text": "Prefer what is kind."})
    assert ann.next("one")["guidelines"] == 2
    assert [found["version"] for found in owner_.get("/campaigns/one/guidelines")] == [2, 1]
    assert len(ann.get("/campaigns/one/guidelines")) == 1


def test_gold_items_are_set_and_unset(owner_: Program, ask: Ask) -> None:
    ask(2)
    made = owner_.send("PUT", "/gold/q0", {"use": "gold", "answer": {"choice": "a"}, "explanation": "B is made up."})
    assert (made["question"], made["use"]) == ("q0", "gold")
    assert owner_.get("/questions/q0")["purpose"] == "evaluate"
    assert owner_.get("/campaigns/one/gold") == [made]
    assert owner_.get("/campaigns/one/gold", use="exam") == []
    assert owner_.refused(400, "PUT", "/gold/nowhere", {"use": "gold", "answer": {"choice": "a"}})
    assert owner_.refused(400, "PUT", "/gold/q1", {"use": "gold", "answer": {"choice": "neither"}})
    assert owner_.send("DELETE", "/gold/q0") is None
    assert owner_.get("/campaigns/one/gold") == []


def test_batches_are_usable_before_they_are_full(owner_: Program, ann: Program, ask: Ask) -> None:
    ask(3)
    opened = owner_.post(
        "/batches", {"campaign": "one", "questions": ["q0", "q1"], "minimum": 1, "maximum": 2, "ttl_s": 3600}
    )
    assert (opened["state"], opened["questions"], opened["judgements"]) == ("running", 2, 0)
    assert owner_.get(f"/batches/{opened['id']}/judgements") == []
    ann.say(ann.next(), choice="a")
    assert owner_.get(f"/batches/{opened['id']}")["state"] == "usable"
    assert len(owner_.get(f"/batches/{opened['id']}/judgements")) == 1
    ann.say(ann.next(), choice="b")
    full = owner_.get(f"/batches/{opened['id']}")
    assert (full["state"], full["over"], full["waiting"]) == ("full", True, 0)
    second = owner_.post("/batches", {"campaign": "one", "questions": ["q2"], "minimum": 0, "maximum": 5})
    assert owner_.post(f"/batches/{second['id']}/cancel")["state"] == "cancelled"
    assert ann.next() is None, "what was cancelled is asked no more"
    assert [found["id"] for found in owner_.get("/batches", campaign="one")] == [second["id"], opened["id"]]
    assert owner_.refused(404, "GET", "/batches/nowhere")
    assert owner_.refused(404, "POST", "/batches/nowhere/cancel")
    for wrong in ({"minimum": 3, "maximum": 2}, {"questions": ["nowhere"]}, {"campaign": "two"}):
        body = {"campaign": "one", "questions": ["q0"], "minimum": 0, "maximum": 1} | wrong
        assert owner_.refused(400, "POST", "/batches", body)


# Who, how well, and what came of it


def test_annotators_are_paused_and_retracted(owner_: Program, ann: Program, ask: Ask) -> None:
    ask(3)
    ann.say(ann.next(), choice="a")
    here = f"/annotators/{ann.annotator_id}"
    assert owner_.get(here)["answers"] == 1
    assert [found["annotator_id"] for found in owner_.get("/annotators", campaign="one")] == [ann.annotator_id]
    assert owner_.get(f"{here}/standing", campaign="one")["state"] == "working"
    assert owner_.post(f"{here}/pause", {"campaign": "one", "reason": "too fast", "reask": True})["state"] == "paused"
    assert ann.post("/tasks/next", {"campaign": "one"})["reason"] == "paused"
    assert owner_.get("/judgements")["items"] == []
    assert owner_.post(f"{here}/reinstate", {"campaign": "one"})["state"] == "working"
    assert len(owner_.get("/judgements")["items"]) == 1
    assert owner_.get(f"{here}/touched") == {"judgements": 1, "snapshots": [], "models": []}
    hook = owner_.post("/webhooks", {"url": "https://example.org/in", "events": ["annotator.retracted"]})
    assert [owner_.post(f"{here}/retract", {"reason": "a robot"})["judgements"] for _ in range(2)] == [1, 1]
    [told] = owner_.get(f"/webhooks/{hook['id']}/deliveries")["items"]
    assert told["payload"] == {"annotator": ann.annotator_id, "snapshots": [], "models": []}
    assert owner_.get("/judgements")["items"] == []
    assert ann.refused(400, "POST", "/tasks/next", {})
    assert owner_.refused(404, "POST", "/annotators/nobody/retract", {})
    assert owner_.refused(404, "GET", "/annotators/nobody")
    actions = {entry["action"] for entry in owner_.get("/audit")["items"]}
    assert {"annotator.pause", "annotator.reinstate", "annotator.retract"} <= actions


def test_agreement_and_consensus(owner_: Program, somebody: Any, ask: Ask) -> None:
    ask(6, overlap=2)
    for name in ("bob", "cem"):
        person = somebody(name)
        while task := person.next():
            first = task["completions"][0].startswith("text 0")
            person.say(task, choice="a" if first else "b")
    [agreement] = owner_.get("/campaigns/one/agreement")
    assert (agreement["what"], agreement["items"], agreement["annotators"]) == ("choice", 6, 2)
    assert agreement["alpha"] == 1
    found = owner_.get("/campaigns/one/consensus")
    assert [consensus["question_id"] for consensus in found] == [f"q{i}" for i in range(6)]
    assert all(consensus["probabilities"]["a"] > 0.5 for consensus in found)
    assert owner_.get("/campaigns/two/agreement") == []


def test_exports_are_whole_and_imports_are_once(owner_: Program, ann: Program, ask: Ask) -> None:
    ask(2)
    for _ in range(2):
        ann.say(ann.next(), choice="a")
    assert set(owner_.get("/exports/formats")) == {
        *("preference", "conversational", "unpaired", "prompt-completion", "heedful"),
    }
    response = owner_.http.get(f"{V1}/exports/preference")
    assert response.headers["content-type"] == "application/x-ndjson"
    rows = [json.loads(line) for line in response.text.splitlines()]
    assert [set(row) for row in rows] == [{"prompt", "chosen", "rejected"}] * 2
    assert owner_.refused(400, "GET", "/exports/unpaired")
    assert owner_.refused(422, "GET", "/exports/haiku")
    file = {"file": ("pairs.jsonl", response.content)}
    first = owner_.done(owner_.http.post(f"{V1}/imports", files=file, data={"campaign": "again"}))
    assert (first["rows"], first["added"]["questions"]) == (2, 2)
    second = owner_.done(owner_.http.post(f"{V1}/imports", files=file, data={"campaign": "again"}))
    assert sum(second["added"].values()) == 0
    bad = owner_.http.post(f"{V1}/imports", files={"file": ("../../x.jsonl", b"{broken")})
    assert bad.status_code == 400
    assert bad.json()["error"]["where"].startswith("x.jsonl")
    assert owner_.http.post(f"{V1}/imports").status_code == 422


def test_webhooks_are_kept_and_told_their_secret_once(owner_: Program) -> None:
    made = owner_.post("/webhooks", {"url": "https://example.org/in", "events": ["judgement.stored"]})
    assert len(made["secret"]) >= 32
    [listed] = owner_.get("/webhooks")
    assert "secret" not in listed
    assert listed["id"] == made["id"]
    assert "judgement.stored" in owner_.get("/webhooks/events")
    event = owner_.post(f"/webhooks/{made['id']}/ping")["event_id"]
    [delivery] = owner_.get(f"/webhooks/{made['id']}/deliveries")["items"]
    assert (delivery["event_id"], delivery["event"], delivery["state"]) == (event, "ping", "due")
    assert owner_.post(f"/webhooks/{made['id']}/deliveries/{event}/retry") == {"event_id": event}
    assert owner_.refused(404, "POST", f"/webhooks/{made['id']}/deliveries/nothing/retry")
    assert owner_.send("DELETE", f"/webhooks/{made['id']}") is None
    assert owner_.get("/webhooks") == []
    for method, path in (("DELETE", ""), ("POST", "/ping"), ("GET", "/deliveries")):
        assert owner_.refused(404, method, f"/webhooks/{made['id']}{path}")
    assert owner_.refused(400, "POST", "/webhooks", {"url": "ftp://x", "events": ["judgement.stored"]})


def test_answers_reach_webhooks(owner_: Program, ann: Program, ask: Ask, store: Store) -> None:
    hook = owner_.post("/webhooks", {"url": "https://example.org/in", "events": ["judgement.stored", "batch.full"]})
    ask(1)
    owner_.post("/batches", {"campaign": "one", "questions": ["q0"], "minimum": 1, "maximum": 1})
    said = ann.say(ann.next(), choice="a")
    events = {
        delivery["event"]: delivery["payload"] for delivery in owner_.get(f"/webhooks/{hook['id']}/deliveries")["items"]
    }
    assert set(events) == {"judgement.stored", "batch.full"}
    assert events["judgement.stored"]["judgement"] == said["judgement"]
