from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import DBAPIError

from heedful.errors import Problem
from heedful.feedback import campaigns, lineage, steering_tables, tables
from heedful.feedback.accounts import accounts, audit, erasure, invitations, keys, sessions
from heedful.feedback.accounts.accounts import Account
from heedful.feedback.steering import chats, standing
from heedful.feedback.store import Store
from heedful.records import Judgement, Model, Question

Fill = Callable[..., list[Question]]
Says = Callable[..., Judgement]

SECRET = "a sentence that nobody else would ever write"


@pytest.fixture
def person(store: Store, fill: Fill) -> Account:
    """Somebody with a session, a key, an answer, a correction of it, a draft, a remark and a lease."""
    accounts.create(store, "olga", "Olga Owner", None, "owner")
    account = accounts.create(store, "ann@example.org", "Ann Example", None, "annotator")
    fill(3, kind="critique", completions=1)
    me = account.annotator_id
    store.submit(Judgement("j1", "q0", me, {"text": SECRET}, created="2026-01-01", duration_s=7.0))
    store.submit(
        Judgement("j2", "q0", me, {"text": "x", "reason": SECRET, "metadata": {"paste": SECRET}}, supersedes="j1")
    )
    sessions.begin(store, account.id, "Firefox of Ann")
    keys.make(store, account.id, "Ann's laptop", ["read"])
    invitations.reset(store, account.id)
    campaigns.claim(store, me)
    drafts, comments = steering_tables.drafts, steering_tables.comments
    with store.writing() as connection:
        connection.execute(insert(drafts).values(question_id="q1", annotator_id=me, answer={"text": SECRET}, saved=1.0))
        connection.execute(
            insert(comments).values(id="c", question_id="q1", author=account.id, text=SECRET, created="2026-01-01")
        )
    return account


def test_an_export_has_everything_about_one_person_and_nothing_that_opens_a_door(
    store: Store, person: Account, says: Says
) -> None:
    says("bob", "q1", text="bob's business")
    document = json.loads(json.dumps(erasure.export_person(store, person.id)))
    assert document["accounts"][0]["login"] == "ann@example.org"
    assert document["annotators"][0]["name"] == "Ann Example"
    assert [row["answer"]["text"] for row in document["judgements"]] == [SECRET, "x"]
    assert document["drafts"][0]["answer"] == {"text": SECRET}
    assert document["comments"][0]["text"] == SECRET
    assert document["sessions"][0]["agent"] == "Firefox of Ann"
    assert document["api_keys"][0]["name"] == "Ann's laptop"
    assert {row["action"] for row in document["audit"]} == {"account.create", "key.create"}
    text = json.dumps(document)
    assert "bob's business" not in text
    assert "hash" not in text
    assert "csrf" not in text


def test_every_table_with_rows_about_people_is_exported() -> None:
    """A column that points to a person must be known here, or its rows would be forgotten in both directions."""
    telling = {
        table.name
        for table in tables.metadata.sorted_tables
        if {"annotator_id", "account_id", "author"} & set(table.columns.keys())
    }

    class Row:
        id = annotator_id = "x"

    assert telling <= {table.name for table, _ in erasure._theirs(Row())}  # type: ignore[arg-type]


def test_deleting_somebody_leaves_their_answers_without_a_name(store: Store, person: Account) -> None:
    erasure.delete_person(store, person.id, "keep", by="olga")
    [judgement] = store.judgements()
    assert (judgement.annotator_id, judgement.answer["reason"]) == (person.annotator_id, SECRET)
    everything = json.dumps([_rows(store, table.name) for table in tables.metadata.sorted_tables], default=str)
    for gone in ("ann@example.org", "Ann Example", "Firefox of Ann", "Ann's laptop"):
        assert gone not in everything
    assert _rows(store, "drafts") == _rows(store, "comments") == _rows(store, "sessions") == []
    assert [account.login for account in accounts.all_accounts(store)] == ["olga"]
    [tombstone] = [account for account in accounts.all_accounts(store, deleted=True) if account.state == "deleted"]
    assert (tombstone.id, tombstone.login, tombstone.name) == (person.id, person.id, "")
    assert audit.entries(store)[0].action == "account.delete"
    accounts.create(store, "ann@example.org", "Another Ann", None, "annotator")


def test_what_was_written_of_somebody_is_gone_with_them(store: Store, person: Account) -> None:
    for about in (person.annotator_id, "bob"):
        standing.pause(store, "default", about, f"{about} is drunk", reask=False, by="olga")
        lineage.retract(store, about, f"{about} is still drunk")
    erasure.delete_person(store, person.id, "keep", by="olga")
    everything = json.dumps([_rows(store, table.name) for table in tables.metadata.sorted_tables], default=str)
    assert f"{person.annotator_id} is" not in everything
    assert everything.count("bob is") == 2  # the standing and the retraction; nothing in the audit log and the outbox


def test_a_blind_conversation_stays_blind_in_the_export(store: Store, person: Account) -> None:
    chats.open_chat(store, person.annotator_id, "arena", ("version-one", "version-two"))
    document = json.dumps(erasure.export_person(store, person.id))
    assert '"arena"' in document
    assert "version-" not in document


def test_removing_the_answers_removes_their_content_and_says_what_rests_on_them(store: Store, person: Account) -> None:
    frozen = lineage.snapshot(store, ["j2"])
    store.add_model(Model("r1", "reward", "rewards/r1", snapshot=frozen.hash))
    store.add_model(Model("v1", "policy", "policies/v1", reward="r1"))
    touched = erasure.delete_person(store, person.id, "remove")
    assert touched == lineage.touched_by(store, person.annotator_id)
    assert (touched.snapshots, [model.id for model in touched.models]) == ((frozen.hash,), ["r1", "v1"])
    assert store.judgements() == []
    events = store.judgements(current=False)
    assert [(event.id, event.answer, event.duration_s) for event in events] == [
        ("j1", {"withdrawn": True}, None),
        ("j2", {"withdrawn": True}, None),
    ]
    assert lineage.snapshot_of(store, frozen.hash) == frozen
    with pytest.raises(Problem, match="retracted"):
        lineage.snapshot_that_stands(store, frozen.hash)
    assert {row["state"] for row in _rows(store, "assignments")} == {"expired"}


def test_nothing_of_what_was_removed_is_left_in_the_file(store: Store, person: Account) -> None:
    if "://" in store.location:
        pytest.skip("a server's files are the server's business")
    store.close()
    assert SECRET.encode() in Path(store.location).read_bytes()
    erasure.delete_person(store, person.id, "remove")
    for path in Path(store.location).parent.iterdir():
        content = path.read_bytes()
        for gone in (SECRET, "ann@example.org", "Ann Example", "Firefox of Ann", "Ann's laptop"):
            assert gone.encode() not in content, path


@pytest.mark.parametrize(
    "change",
    [
        "answer = '{\"withdrawn\": false}', duration_s = NULL",
        "answer = '{\"withdrawn\": true}', duration_s = 8.0",
        "answer = '{\"withdrawn\": true}', duration_s = NULL, annotator_id = 'bob'",
        "answer = '{\"withdrawn\": true}', duration_s = NULL, created = 'never'",
        "answer = '{\"withdrawn\": true}', duration_s = NULL, shown = '[1]'",
        "answer = '{\"withdrawn\": true}', duration_s = NULL, supersedes = NULL, id = 'j9'",
        "duration_s = NULL",
    ],
)
def test_an_answer_can_be_erased_and_changed_in_no_other_way(store: Store, person: Account, change: str) -> None:
    before = store.judgements(current=False)

    def run() -> None:
        with store.writing() as connection:
            connection.exec_driver_sql(f"UPDATE judgements SET {change} WHERE id = 'j1'")  # noqa: S608

    with pytest.raises(DBAPIError, match="is append-only"):
        run()
    assert store.judgements(current=False) == before


def test_the_only_owner_stays(store: Store, person: Account) -> None:
    [owner] = [account for account in accounts.all_accounts(store) if account.role == "owner"]
    for answers in erasure.ANSWERS:
        with pytest.raises(Problem, match="only owner"):
            erasure.delete_person(store, owner.id, answers)
    assert store.annotators(retracted=True) == []
    with pytest.raises(Problem, match="kept or removed"):
        erasure.delete_person(store, person.id, "burn")  # type: ignore[arg-type]


def test_deleting_twice_is_a_problem(store: Store, person: Account) -> None:
    erasure.delete_person(store, person.id)
    for again in (erasure.delete_person, erasure.export_person):
        with pytest.raises(Problem, match="no such account"):
            again(store, person.id)


def test_the_words_of_a_chat_go_with_it(store: Store, person: Account, fill: Fill) -> None:
    [turn] = fill(1, name="turn", metadata={"chat": "c1"})
    fill(1, name="shared", metadata={"chat": "c1"})
    with store.writing() as connection:
        connection.execute(
            insert(steering_tables.chats).values(
                id="c1",
                annotator_id=person.annotator_id,
                campaign="default",
                policies=["v0", "v1"],
                messages=[["user", SECRET]],
                state="open",
                updated=1.0,
            )
        )
        for question in ("turn0", "shared0"):
            connection.execute(
                insert(tables.assignments).values(
                    question_id=question, annotator_id=person.annotator_id, state="submitted", shown=[0, 1]
                )
            )
    store.add_questions([Question("other", "comparison", "shared0-prompt", ("shared0-0", "shared0-1"))])
    assert [row["id"] for row in erasure.export_person(store, person.id)["prompts"]] == [turn.prompt_id]
    erasure.delete_person(store, person.id, "remove")
    assert _rows(store, "chats") == []
    assert store.prompts([turn.prompt_id, "shared0-prompt"])[0].as_text() == ""
    assert store.prompts(["shared0-prompt"])[0].as_text() == "shared0 prompt"
    assert {each.text for each in store.completions(prompt_ids=[turn.prompt_id])} == {""}, "a reply quotes the words"
    assert all(each.text for each in store.completions(prompt_ids=["shared0-prompt"]))


def _rows(store: Store, name: str) -> list[dict[str, object]]:
    with store.reading() as connection:
        return [dict(row._mapping) for row in connection.execute(select(tables.metadata.tables[name]))]
