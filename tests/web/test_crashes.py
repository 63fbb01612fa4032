"""The server is killed in the middle of the work and started again: what it had acknowledged is there."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from heedful.feedback.store import Store

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "serving.py"


@pytest.fixture(scope="module")
def serving() -> Any:
    """The benchmark, whose annotators and server are these."""
    spec = importlib.util.spec_from_file_location("heedful_serving_benchmark", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_a_killed_server_has_kept_every_answer_that_it_acknowledged(serving: Any, store: Store, tmp_path: Path) -> None:
    url = store.location if "://" in store.location else ""
    store.close()
    plan = serving.Plan(questions=200, overlap=3, annotators=8, think_s=0.1, kills=1)
    found = serving.kill(tmp_path, url, plan)
    assert found["answers"] == 600
