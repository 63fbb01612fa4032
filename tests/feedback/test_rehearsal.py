from __future__ import annotations

import json
from pathlib import Path

from heedful.feedback.exchange import import_file, read
from heedful.feedback.rehearsal import unseen
from heedful.feedback.store import Store

ROWS = [
    {"prompt": "Tents or huts?", "a": "Tents.", "b": "Huts.", "votes": [{"annotator": "w1", "choice": "a"}]},
    {"prompt": "Rope?", "a": "Yes.", "b": "No.", "votes": [{"annotator": "w1", "choice": "b"}]},
]


def test_it_says_what_an_import_would_add_and_writes_nothing(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "votes.jsonl"
    path.write_text(json.dumps(ROWS[0]) + "\n", encoding="utf-8")
    everything = {"prompts": 1, "completions": 2, "annotators": 1, "questions": 1, "judgements": 1}
    assert unseen(store, read(path)) == everything
    assert store.prompts() == []
    assert import_file(store, path).added == everything
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    assert unseen(store, read(path)) == {**everything, "annotators": 0}
    import_file(store, path)
    assert set(unseen(store, read(path)).values()) == {0}
