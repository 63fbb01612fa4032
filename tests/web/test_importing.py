from __future__ import annotations

import gzip
import json
import re
from typing import Any

import pytest

from heedful.feedback.accounts import audit
from heedful.feedback.exchange import import_file
from heedful.feedback.store import Store

VOTES = [
    {"prompt": "Tents or <huts>?", "a": "Tents.", "b": "Huts.", "votes": [{"annotator": "w1", "choice": "a"}]},
    {"prompt": "Rope?", "a": "Yes.", "b": "No.", "votes": [{"annotator": "w1", "choice": "b"}]},
]


def lines(*rows: Any) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def look(owner: Any, content: bytes, name: str = "votes.jsonl", **form: str) -> Any:
    return owner.post("/import", form, files={"file": (name, content)})


def hidden(page: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.split("/import/confirm")[1]))


def test_a_file_is_looked_at_before_anything_is_stored(owner: Any, store: Store) -> None:
    assert owner.get("/import").status_code == 200
    page = look(owner, gzip.compress(lines(*VOTES)), "votes.jsonl.gz").text
    assert "2 rows of the shape <strong>heedful</strong>" in page
    assert "Tents or &lt;huts&gt;?" in page
    assert store.prompts() == []
    stored = owner.post("/import/confirm", hidden(page)).text
    assert "Stored" in stored
    assert [judgement.annotator_id for judgement in store.judgements()] == ["w1", "w1"]
    [entry] = audit.entries(store, action="file.import")
    assert entry.detail["judgements"] == 2


def test_a_file_waits_for_one_decision(owner: Any, store: Store) -> None:
    form = hidden(look(owner, lines(*VOTES)).text)
    assert owner.post("/import/confirm", form).status_code == 200
    again = owner.post("/import/confirm", form)
    assert again.status_code == 400
    assert "not here any more" in again.text
    assert "All of it is in the store already" in look(owner, lines(*VOTES)).text


def test_another_owner_does_not_get_at_it(owner: Any, enter: Any, store: Store) -> None:
    form = hidden(look(owner, lines(*VOTES)).text)
    other = enter("otto", "owner")
    assert other.post("/import/confirm", {**form, "csrf": other.csrf}).status_code == 400
    assert store.judgements() == []


def test_lines_can_be_pasted_into_a_campaign_of_their_own(owner: Any, store: Store) -> None:
    page = owner.post("/import", {"text": lines(*VOTES).decode(), "campaign": "pasted"}).text
    assert "<bdi>pasted.jsonl</bdi>" in page
    owner.post("/import/confirm", hidden(page))
    assert {question.campaign for question in store.questions()} == {"pasted"}


@pytest.mark.parametrize(
    ("content", "form", "words"),
    [
        (b"", {}, ("is empty", "votes.jsonl")),
        (lines(VOTES[0]) + b'{"prompt": "?", "a": 1}\n', {}, ("votes.jsonl, line 2",)),
        (lines({**VOTES[0], "votes": [{"annotator": "x", "choice": "c"}]}), {}, ("line 1", "choice", "a, b, tie, bad")),
        (lines({"colour": "red"}), {}, ("o known shape",)),
        (lines(*VOTES), {"format": "nonsense"}, ("no format called",)),
        (b"\x1f\x8b broken", {}, ("gzip archive is damaged",)),
        (b"\xff\xfe\x00", {}, ("not UTF-8",)),
    ],
)
def test_what_is_wrong_is_named_by_line_and_field(
    owner: Any, store: Store, content: bytes, form: dict[str, str], words: tuple[str, ...]
) -> None:
    answer = look(owner, content, **form)
    assert answer.status_code == 400
    for word in words:
        assert word in answer.text, word
    assert "/tmp" not in answer.text  # where the file lies for a moment is nobody's business
    assert store.prompts() == []


def test_bad_rows_can_be_left_out(owner: Any, store: Store) -> None:
    page = look(owner, lines(VOTES[0], {"prompt": "?", "a": 1}, VOTES[1]), skip_bad="yes").text
    assert "1 bad rows are left out" in page
    assert "votes.jsonl, line 2" in page
    assert "/tmp" not in page
    owner.post("/import/confirm", hidden(page))
    assert len(store.judgements()) == 2


def test_nothing_is_no_file(owner: Any) -> None:
    assert owner.post("/import", {"text": " "}).status_code == 400


def test_a_vote_that_contradicts_the_store_is_refused_as_a_whole(owner: Any, store: Store) -> None:
    owner.post("/import/confirm", hidden(look(owner, lines(VOTES[0])).text))
    other = {**VOTES[0], "votes": [{"annotator": "w1", "choice": "b"}]}
    refused = owner.post("/import/confirm", hidden(look(owner, lines(other, VOTES[1])).text))
    assert refused.status_code == 400
    assert "another answer of annotator" in refused.text
    assert len(store.judgements()) == 1


@pytest.mark.parametrize("name", ["preference", "conversational", "heedful"])
def test_exports_are_looked_at_and_downloaded(owner: Any, store: Store, tmp_path: Any, name: str) -> None:
    owner.post("/import/confirm", hidden(look(owner, lines(*VOTES)).text))
    page = owner.get(f"/export?format={name}")
    assert page.status_code == 200
    assert "Tents or &lt;huts&gt;?" in page.text
    plain = owner.get(f"/export/download?format={name}")
    assert plain.headers["content-disposition"] == f'attachment; filename="{name}-train.jsonl"'
    assert len(plain.text.splitlines()) == 2
    packed = owner.get(f"/export/download?format={name}&packed=true")
    assert gzip.decompress(packed.content) == plain.content
    if name == "heedful":
        path = tmp_path / "again.jsonl"
        path.write_bytes(plain.content)
        with Store.open(tmp_path / "other.db") as other:
            import_file(other, path)
            assert [one.answer for one in other.judgements()] == [one.answer for one in store.judgements()]
    assert {entry.action for entry in audit.entries(store, action="file.export")} == {"file.export"}


def test_an_export_of_nothing_says_why(owner: Any) -> None:
    answer = owner.get("/export?format=unpaired")
    assert answer.status_code == 400
    assert "nothing in the store can be written as unpaired" in answer.text.lower()
    assert owner.get("/export?format=parquet").status_code == 404
    assert owner.get("/export/download?format=preference&purpose=all").status_code == 404
