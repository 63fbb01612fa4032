"""Requests made from the API's own description, sound and unsound: no answer is a defect or undocumented."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any

import hypothesis
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import Phase, strategies
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from heedful.feedback.accounts import keys
from heedful.feedback.store import Store
from heedful.records import Annotator, Completion, Judgement, Model, Prompt, Question
from heedful.web.settings import ServerSettings

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

EXAMPLES = 5
"""For each operation, of sound requests and as many of unsound ones."""

KNOWN = {
    "prompts": "p",
    "completions": "c0",
    "questions": "q0",
    "judgements": "j0",
    "campaigns": "one",
    "annotators": "ann",
    "drafts": "q0",
    "gold": "q0",
    "models": "v0",
}
"""Ids that are there, by the word after /api/v1: with random ones nothing but 404 would be seen."""


@pytest.fixture
def settings() -> ServerSettings:
    return ServerSettings(public_url="http://testserver", api_rate="1000000 per minute")


@pytest.fixture
def filled(store: Store) -> Store:
    """A store with one of everything."""
    store.add_everything(
        prompts=[Prompt("p", "Why?")],
        completions=[Completion(f"c{i}", "p", f"text {i}", "v0") for i in range(3)],
        questions=[Question(f"q{i}", "comparison", "p", (f"c{i}", f"c{i + 1}"), "one", overlap=2) for i in range(2)],
        annotators=[Annotator("ann"), Annotator("bob")],
        judgements=[
            Judgement("j0", "q0", "ann", {"choice": "a"}, (0, 1)),
            Judgement("j1", "q0", "bob", {"choice": "b"}),
        ],
    )
    store.add_model(Model("v0", "policy", "models/v0"))
    return store


def try_out(operation: Any, mode: GenerationMode, key: str, seen: Counter[int]) -> None:
    """Call an operation with requests that its description allows, or with others."""
    known = KNOWN.get(operation.path.split("/")[3], "") if "{id}" in operation.path else ""

    @hypothesis.settings(
        max_examples=EXAMPLES, phases=[Phase.generate], suppress_health_check=list(hypothesis.HealthCheck)
    )
    @hypothesis.given(operation.as_strategy(generation_mode=mode), strategies.booleans())
    def ask(case: Any, real: bool) -> None:
        if known and real and isinstance(case.path_parameters, dict):
            case.path_parameters["id"] = known
        response = case.call(headers={"Authorization": f"Bearer {key}"})
        seen[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    ask()


@pytest.mark.slow
def test_no_answer_is_a_defect_or_undocumented(app: FastAPI, filled: Store, enter: Any) -> None:
    key, _ = keys.make(filled, enter("olga", "owner").account.id, "a test", tuple(keys.SCOPES))
    seen: Counter[int] = Counter()
    described = schemathesis.openapi.from_asgi("/openapi.json", app)
    operations: list[Any] = list(described.get_all_operations())
    for found in operations:
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    try_out(operation, mode, key, seen)
                except hypothesis.errors.Unsatisfiable:  # it takes nothing that could be unsound
                    assert mode is GenerationMode.NEGATIVE, operation.label
    assert {200, 201, 204, 400, 404, 422} <= set(seen), seen
    assert sum(seen.values()) > 500
