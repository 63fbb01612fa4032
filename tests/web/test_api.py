from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from heedful.feedback.accounts import keys
from heedful.feedback.store import Store
from heedful.web.api import operations, reading, schema
from heedful.web.api.fields import MAX_DEPTH

V1 = "/api/v1"

Ask = Callable[..., Any]


class Program:
    """A program with a key."""

    def __init__(self, app: FastAPI, token: str) -> None:
        self.http = TestClient(app, base_url="http://testserver", headers={"Authorization": f"Bearer {token}"})

    def get(self, path: str, **query: Any) -> Any:
        return self.http.get(V1 + path, params=query)

    def send(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        return self.http.request(method, V1 + path, json=body, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        return self.send("POST", path, body, **options)


@pytest.fixture
def program(app: FastAPI, store: Store, enter: Any) -> Callable[..., Program]:
    """A program of somebody new: `program("owner", "read", "write")`; every scope when none is named."""

    def make(role: str, *scopes: str) -> Program:
        account = enter(f"{role}-{uuid.uuid4().hex[:8]}", role).account
        token, _ = keys.make(store, account.id, "a test", scopes or tuple(keys.SCOPES))
        return Program(app, token)

    return make


@pytest.fixture
def owner_program(program: Callable[..., Program]) -> Program:
    return program("owner")


@pytest.fixture
def ask(owner_program: Program) -> Ask:
    """Add questions q0, q1 ... each with a prompt and two completions of its own, through the API."""

    def add(count: int = 1, **fields: Any) -> None:
        prompts = [{"id": f"p{i}", "text": f"prompt {i}"} for i in range(count)]
        texts = [
            {"id": f"c{i}-{k}", "prompt_id": f"p{i}", "text": f"text {i} {k}", "policy": f"v{k}"}
            for i in range(count)
            for k in range(2)
        ]
        questions = [
            {"id": f"q{i}", "kind": "comparison", "prompt_id": f"p{i}", "completion_ids": [f"c{i}-0", f"c{i}-1"]}
            | fields
            for i in range(count)
        ]
        assert owner_program.post("/prompts", {"prompts": prompts}).status_code == 201
        assert owner_program.post("/completions", {"completions": texts}).status_code == 201
        assert owner_program.post("/questions", {"questions": questions}).json()["new"] == count

    return add


def answer(person: str, question: str, **more: Any) -> dict[str, Any]:
    return {"id": str(uuid.uuid4()), "question_id": question, "annotator_id": person, "answer": {"choice": "a"}} | more


def error(response: Any, status: int) -> str:
    """The words of a failure, which must have one form."""
    assert response.status_code == status, response.text
    found = response.json()["error"]
    assert set(found) - {"fields"} == {"what", "where", "mend"}
    return f"{found['what']} {found['where']} {found['mend']}"


# Who may


def test_a_sign_of_life_needs_no_key(client: Any) -> None:
    assert client.get(f"{V1}/health").json()["status"] == "ok"
    assert error(client.get(f"{V1}/me"), 401)
    assert error(client.get(f"{V1}/nothing"), 404)
    assert error(client.get(f"{V1}/me", headers={"Authorization": "Bearer heedful_wrong"}), 401)


def test_a_key_is_its_account_in_its_scopes(program: Callable[..., Program]) -> None:
    me = program("owner", "read", "judge").get("/me").json()
    assert (me["role"], me["via"], me["scopes"]) == ("owner", "key", ["judge", "read"])
    assert program("annotator").get("/me").json()["scopes"] == ["judge"]
    assert program("reviewer").get("/me").json()["scopes"] == ["judge", "read"]
    assert program("owner").get("/me").json()["scopes"] == ["judge", "read", "write", "admin"]


def test_a_session_may_what_its_role_may_with_its_token(annotator: Any, reviewer: Any, owner: Any) -> None:
    assert annotator.get(f"{V1}/me").json()["scopes"] == ["judge"]
    assert error(annotator.get(f"{V1}/prompts"), 403)
    assert reviewer.get(f"{V1}/prompts").status_code == 200
    body = {"prompts": [{"text": "Hello"}]}
    assert error(reviewer.send("POST", f"{V1}/prompts", body), 403)
    assert owner.send("POST", f"{V1}/prompts", body).status_code == 201
    assert error(owner.http.post(f"{V1}/prompts", json=body), 403)


def test_every_operation_asks_for_its_scope(app: FastAPI, program: Callable[..., Program]) -> None:
    """With every scope but the right one, and as every role that is too low, it answers 403 before anything else."""
    scopes = tuple(keys.SCOPES)
    lacking = {scope: program("owner", *(other for other in scopes if other != scope)) for scope in scopes}
    by_role = {role: program(role) for role in ("annotator", "reviewer")}
    least = {"judge": "", "read": "annotator", "write": "reviewer", "admin": "reviewer"}
    tried = 0
    for path, method, scope in operations.scopes():
        if not scope:
            continue
        tried += 1
        bare = re.sub(r"\{.*?\}", "x", path).removeprefix(V1)
        assert lacking[scope].send(method, bare).status_code == 403, (method, path)
        if least[scope]:
            assert by_role[least[scope]].send(method, bare).status_code == 403, (method, path)
    assert tried > 40


# What is asked


def test_material_goes_in_and_comes_out(owner_program: Program, ask: Ask) -> None:
    ask(3, campaign="one", overlap=2)
    question = owner_program.get("/questions/q1").json()
    assert (question["campaign"], question["overlap"], question["completion_ids"]) == ("one", 2, ["c1-0", "c1-1"])
    assert owner_program.get("/completions/c1-0").json()["policy"] == "v0"
    assert owner_program.get("/prompts/p1").json()["text"] == "prompt 1"
    assert [q["id"] for q in owner_program.get("/questions", campaign="one").json()["items"]] == ["q0", "q1", "q2"]
    assert owner_program.get("/questions", campaign="two").json() == {"items": [], "after": None}
    for path in ("/questions/x", "/completions/x", "/prompts/x"):
        assert "x" in error(owner_program.get(path), 404)


def test_lists_come_in_pages(owner_program: Program, ask: Ask) -> None:
    ask(5)
    found: list[str] = []
    after: int | None = 0
    for _ in range(3):
        page = owner_program.get("/questions", limit=2, after=after).json()
        found += [question["id"] for question in page["items"]]
        after = page["after"]
    assert found == ["q0", "q1", "q2", "q3", "q4"]
    assert after is None
    for wrong in ({"limit": 0}, {"limit": 10**6}, {"after": -1}, {"after": 2**31}, {"after": "x"}, {"after": 10**30}):
        assert error(owner_program.get("/questions", **wrong), 422)


def test_ids_follow_from_content_where_none_is_given(owner_program: Program) -> None:
    body = {"prompts": [{"text": "Hello"}, {"messages": [{"role": "user", "content": "Hello"}]}]}
    first, second = owner_program.post("/prompts", body).json(), owner_program.post("/prompts", body).json()
    assert (first["new"], second["new"]) == (2, 0)
    assert first["ids"] == second["ids"]
    texts = {"completions": [{"prompt_id": first["ids"][0], "text": "A", "token_ids": [1, 2], "logprobs": [-0.5, -1]}]}
    assert owner_program.post("/completions", texts).json()["new"] == 1
    assert owner_program.post("/completions", texts).json()["new"] == 0


def test_other_content_under_the_same_id_is_a_conflict(owner_program: Program, ask: Ask) -> None:
    ask()
    assert "p0" in error(owner_program.post("/prompts", {"prompts": [{"id": "p0", "text": "other"}]}), 409)
    wrong = {"completions": [{"prompt_id": "nowhere", "text": "x"}]}
    assert "nowhere" in error(owner_program.post("/completions", wrong), 400)
    assert "haiku" in error(
        owner_program.post("/questions", {"questions": [{"kind": "haiku", "prompt_id": "p0"}]}), 400
    )


def test_kinds_come_with_the_schema_of_their_answers(program: Callable[..., Program]) -> None:
    kinds = program("reviewer").get("/kinds").json()
    assert {"comparison", "ranking", "rating", "flags", "demonstration"} <= set(kinds)
    assert kinds["comparison"]["fewest"] == kinds["comparison"]["most"] == 2
    assert "choice" in json.dumps(kinds["comparison"]["answer"])


# Answers


def test_answers_given_elsewhere_are_stored_once(owner_program: Program, ask: Ask) -> None:
    ask(2, campaign="one")
    said = [answer("other", "q0"), answer("other", "q1", duration_s=3.5, shown=[1, 0])]
    body = {"annotators": [{"id": "other", "kind": "model"}], "judgements": said}
    assert owner_program.post("/judgements", body).json() == {"new": 2}
    assert owner_program.post("/judgements", body).json() == {"new": 0}
    listed = owner_program.get("/judgements", campaign="one").json()["items"]
    assert [(found["id"], found["duration_s"], found["shown"]) for found in listed] == [
        (said[0]["id"], None, []),
        (said[1]["id"], 3.5, [1, 0]),
    ]
    assert owner_program.get(f"/judgements/{said[0]['id']}").json()["annotator_id"] == "other"
    assert error(owner_program.post("/judgements", {"judgements": [said[0] | {"answer": {"choice": "b"}}]}), 409)
    assert error(owner_program.post("/judgements", {"judgements": [answer("other", "q0")]}), 409)
    assert error(owner_program.post("/judgements", {"judgements": [answer("nobody", "q0")]}), 400)


def test_an_answer_is_taken_back_by_an_event(owner_program: Program, ask: Ask) -> None:
    ask()
    said, gone = answer("other", "q0"), {"id": str(uuid.uuid4())}
    owner_program.post("/judgements", {"annotators": [{"id": "other"}], "judgements": [said]})
    first = owner_program.post(f"/judgements/{said['id']}/withdraw", gone)
    assert (first.status_code, first.json()["supersedes"]) == (200, said["id"])
    assert owner_program.post(f"/judgements/{said['id']}/withdraw", gone).json() == first.json()
    assert owner_program.get("/judgements").json()["items"] == []
    assert len(owner_program.get("/judgements", current=False).json()["items"]) == 2
    again = owner_program.post(f"/judgements/{said['id']}/withdraw", {"id": str(uuid.uuid4())})
    assert error(again, 409)


def test_annotators_see_their_own_answers_alone(
    program: Callable[..., Program], owner_program: Program, ask: Ask
) -> None:
    ask()
    said = answer("other", "q0")
    owner_program.post("/judgements", {"annotators": [{"id": "other"}], "judgements": [said]})
    nosy = program("annotator")
    assert error(nosy.get(f"/judgements/{said['id']}"), 404)
    assert error(nosy.post(f"/judgements/{said['id']}/withdraw", {"id": str(uuid.uuid4())}), 404)
    assert len(owner_program.get("/judgements").json()["items"]) == 1


# What no database can hold

HOSTILE = [
    *("a\0b", "\0", "x\ud800", "\udfff"),
    *(10**400, 2**64, -(2**63) - 1, 1e308 * 10, float("nan")),
]


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"x": value}
    return value


@pytest.mark.parametrize("value", HOSTILE, ids=ascii)
def test_what_no_database_can_hold_is_refused_wherever_it_stands(owner_program: Program, ask: Ask, value: Any) -> None:
    ask()
    bodies = [
        ("/prompts", {"prompts": [{"text": "x", "metadata": {"x": [value]}}]}),
        ("/prompts", {"prompts": [{"id": value, "text": "x"}]}),
        ("/prompts", {"prompts": [{"text": value}]}),
        ("/questions", {"questions": [{"kind": "comparison", "prompt_id": value, "overlap": value}]}),
        ("/judgements", {"judgements": [answer("x", "q0", answer={"choice": "a", "metadata": {"v": value}})]}),
        ("/judgements", {"judgements": [answer("x", "q0", duration_s=value)]}),
        ("/tasks/next", {"campaign": value}),
        ("/batches", {"campaign": "x", "questions": [value], "minimum": 0, "maximum": 1}),
        ("/webhooks", {"url": value, "events": [value]}),
    ]
    for path, body in bodies:
        content = json.dumps(body).encode()  # as Python writes it: NaN and lone surrogates too
        response = owner_program.http.post(V1 + path, content=content, headers={"Content-Type": "application/json"})
        assert error(response, 422), (path, body)
    if isinstance(value, str) and "\0" in value:
        assert error(owner_program.get(f"/prompts/{value.replace(chr(0), '%00')}"), 422)
        assert error(owner_program.get("/questions", campaign=value), 422)


def test_deep_json_is_refused(owner_program: Program) -> None:
    for depth in (MAX_DEPTH + 1, 500):
        assert error(owner_program.post("/prompts", {"prompts": [{"text": "x", "metadata": nested(depth)}]}), 422)
    for text in ("[" * 100_000, '{"prompts":' * 100_000, "[" * 100_000 + "]" * 100_000, "1" * 100_000, '"', "{"):
        response = owner_program.http.post(f"{V1}/prompts", content=text, headers={"Content-Type": "application/json"})
        assert response.status_code in (400, 422)
        error(response, response.status_code)
    assert owner_program.post("/prompts", {"prompts": [{"text": "x", "metadata": nested(MAX_DEPTH - 1)}]}).status_code


# The description


def test_the_description_is_complete(client: Any) -> None:
    described = client.get("/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    seen = set()
    for path, methods in described["paths"].items():
        assert path.startswith(V1)
        for method, operation in methods.items():
            where = (method, path)
            assert operation["description"].strip(), where
            assert operation["operationId"] not in seen, where
            seen.add(operation["operationId"])
            assert operation["tags"][0] in schema.TAGS, where
            assert "422" in operation["responses"], where
            assert "security" in operation, where
            for status, reply in operation["responses"].items():
                assert reply["description"] not in ("", "Successful Response"), where
                if status >= "400":
                    assert reply["content"]["application/json"]["schema"]["$ref"].endswith("/Failure"), where
    for name, shape in described["components"]["schemas"].items():
        if not name.startswith(("answer-", "Body_", "Page_")):
            assert shape.get("description"), name


def test_every_tag_has_operations() -> None:
    described = schema.describe()
    used = {operation["tags"][0] for methods in described["paths"].values() for operation in methods.values()}
    assert used == set(schema.TAGS)


def test_the_page_shows_every_operation_and_shape(client: Any) -> None:
    page = client.get("/api/docs")
    assert page.status_code == 200, page.text
    described = schema.describe()
    for path, methods in described["paths"].items():
        assert path in page.text
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in page.text
    for name in described["components"]["schemas"]:
        assert f'id="shape-{name}"' in page.text
    assert "<script>" not in page.text
    assert "style=" not in page.text
    targets = set(re.findall(r'href="#([^"]+)"', page.text))
    assert targets <= set(re.findall(r'id="([^"]+)"', page.text))


@pytest.mark.parametrize(
    ("schema_", "words"),
    [
        ({"type": "string", "maxLength": 200}, "text, at most 200 characters"),
        (
            {"type": "array", "items": {"$ref": "#/components/schemas/Prompt"}, "minItems": 1},
            "list of Prompt, at least 1",
        ),
        (
            {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 5}, {"type": "null"}]},
            "whole number, 0 to 5 or null",
        ),
        ({"enum": ["a", "b"]}, '"a" or "b"'),
        ({"type": "object", "additionalProperties": {"type": "number"}}, "object of number"),
        ({}, "anything"),
    ],
)
def test_types_in_words(schema_: dict[str, Any], words: str) -> None:
    assert reading.type_of(schema_) == words
