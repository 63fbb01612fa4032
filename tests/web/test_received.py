from __future__ import annotations

from dataclasses import asdict
from typing import Any

from heedful.records import Completion, Judgement, Message, Prompt, Question
from heedful.web import received


def as_sent(record: Any) -> dict[str, Any]:
    """A record as JSON has it: lists for tuples."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(record).items()}


def test_records_come_back_as_they_were() -> None:
    prompt = Prompt.of([Message("user", "Hello")], {"topic": "eggs"})
    assert received.prompt(as_sent(prompt)) == prompt
    completion = Completion("c", "p", "text", "v0", (1, 2), (-0.5, -1.0), {"seed": 1}, "stop")
    assert received.completion(as_sent(completion)) == completion
    question = Question("q", "comparison", "p", ("c0", "c1"), propensity=0.5)
    assert received.question(as_sent(question)) == question
    judgement = Judgement("j", "q", "ann", {"choice": "a"}, (1, 0), "2026-01-01T00:00:00+00:00", 1.5)
    assert received.judgement(as_sent(judgement)) == judgement


def test_a_task_is_a_conversation_or_a_text() -> None:
    task: dict[str, Any] = {
        "question": "q",
        "kind": "comparison",
        "campaign": "one",
        "completions": ["A", "B"],
        "leased_until": 1.0,
        "supersedes": None,
        "draft": None,
        "ask": {},
        "remaining": 1,
        "guidelines": None,
    }
    text = received.task(task | {"prompt": {"text": "Why?"}})
    assert (text.prompt.text, text.prompt.messages, text.completions) == ("Why?", (), ("A", "B"))
    talk = received.task(task | {"prompt": {"messages": [{"role": "user", "content": "Hello"}]}})
    assert talk.prompt.messages == (Message("user", "Hello"),)
