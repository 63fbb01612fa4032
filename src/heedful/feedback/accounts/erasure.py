"""One person's data: all of it in one document, and gone when they ask for it.

Deleting leaves a tombstone: the account's id, and an annotator without a name. Login, name, password, preferences,
sessions, keys, drafts and remarks are gone. Answers are kept under the annotator's id, or their content is removed as
well: then every answer becomes a withdrawal, the annotator is retracted, and what was trained on the answers is named
(`heedful.feedback.lineage.touched_by`). Backups made before still hold everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, Table, delete, select, update

from heedful.errors import Problem
from heedful.feedback import account_tables, lineage, steering_tables, tables
from heedful.feedback.accounts import accounts, audit
from heedful.feedback.backup import forget_log
from heedful.feedback.intake import chunks
from heedful.feedback.lineage import Touched
from heedful.feedback.steering.tasks import CHAT
from heedful.feedback.store import Store

Answers = Literal["keep", "remove"]
ANSWERS: tuple[Answers, ...] = ("keep", "remove")

WITHDRAWN = {"withdrawn": True}
"""What an erased answer reads, as every withdrawal does."""

SECRET_COLUMNS = frozenset({"password_hash", "token_hash", "csrf", "policies"})
"""Never exported: they open something, or say which models a blind conversation is with; of nobody do they tell."""

REMOVED = "their answers were removed"
"""Why somebody is retracted whose answers were removed."""


def export_person(store: Store, account_id: str) -> dict[str, Any]:
    """Everything that is kept about one person, as JSON: table -> rows.

    Raises:
        Problem: there is no such account.
    """
    with store.reading() as connection:
        account = accounts.row_of(connection, account_id)
        found = {
            table.name: [_plain(row) for row in connection.execute(select(table).where(theirs))]
            for table, theirs in _theirs(account)
        }
        written = _prompts_written(connection, account.annotator_id)
        found["prompts"] = [
            _plain(row)
            for chunk in chunks(sorted(written))
            for row in connection.execute(select(tables.prompts).where(tables.prompts.c.id.in_(chunk)))
        ]
    return found


def delete_person(store: Store, account_id: str, answers: Answers = "keep", *, by: str = "") -> Touched:
    """Delete one person's data; says what rests on their answers.

    Args:
        store: where they are.
        account_id: whose.
        answers: `keep` them without a name, or `remove` their content too.
        by: the account that does it, for the audit log.

    Raises:
        Problem: there is no such account, or it is the only owner's.
    """
    if answers not in ANSWERS:
        raise Problem(f"answers can be kept or removed, not {answers!r}", where="answers", mend="say keep or remove")
    with store.reading() as connection:
        found = accounts.row_of(connection, account_id)
        accounts.leave_an_owner(connection, found)
    if answers == "remove":
        lineage.retract(store, found.annotator_id, REMOVED)
    with store.writing() as connection:
        _overwrite_what_is_freed(connection)
        account = accounts.row_of(connection, account_id, lock=True)
        accounts.leave_an_owner(connection, account)
        _forget_account(connection, account)
        if answers == "remove":
            _forget_answers(connection, account.annotator_id)
        audit.record(connection, by, "account.delete", account_id, {"answers": answers})
    forget_log(store)
    return lineage.touched_by(store, found.annotator_id)


def _theirs(account: Row[Any]) -> Iterable[tuple[Table, ColumnElement[bool]]]:
    """Every table with rows about a person, and which rows."""
    person = account.annotator_id
    yield account_tables.accounts, account_tables.accounts.c.id == account.id
    for table in (account_tables.sessions, account_tables.api_keys, account_tables.audit, account_tables.invitations):
        yield table, table.c.account_id == account.id
    yield tables.annotators, tables.annotators.c.id == person
    yield steering_tables.comments, steering_tables.comments.c.author == account.id
    yield tables.judgements, tables.judgements.c.annotator_id == person
    yield tables.assignments, tables.assignments.c.annotator_id == person
    for table in (
        steering_tables.drafts,
        steering_tables.chats,
        steering_tables.readings,
        steering_tables.standings,
        steering_tables.turns,
        steering_tables.ledger,
    ):
        yield table, table.c.annotator_id == person


def _forget_account(connection: Connection, account: Row[Any]) -> None:
    for table in (account_tables.sessions, account_tables.api_keys, account_tables.invitations):
        connection.execute(delete(table).where(table.c.account_id == account.id))
    people, everybody = account_tables.accounts, tables.annotators
    connection.execute(
        update(people)
        .where(people.c.id == account.id)
        .values(login=account.id, name="", password_hash=None, state="deleted", preferences={})
    )
    connection.execute(update(everybody).where(everybody.c.id == account.annotator_id).values(name="", metadata={}))
    drafts, work = steering_tables.drafts, tables.assignments
    connection.execute(delete(drafts).where(drafts.c.annotator_id == account.annotator_id))
    connection.execute(
        update(work)
        .where(work.c.annotator_id == account.annotator_id, work.c.state == "leased")
        .values(state="expired", leased_until=None)
    )
    connection.execute(delete(steering_tables.comments).where(steering_tables.comments.c.author == account.id))
    _forget_reasons(connection, account.annotator_id)


def _forget_reasons(connection: Connection, annotator_id: str) -> None:
    """What others wrote of the person: why they were paused or retracted. Events and the audit log never held it."""
    standings, people = steering_tables.standings, tables.annotators
    connection.execute(update(standings).where(standings.c.annotator_id == annotator_id).values(reason=""))
    connection.execute(
        update(people)
        .where(people.c.id == annotator_id, people.c.retracted_reason != REMOVED)
        .values(retracted_reason="")
    )


def _forget_answers(connection: Connection, annotator_id: str) -> None:
    events, chats = tables.judgements, steering_tables.chats
    prompts, replies = tables.prompts, tables.completions
    connection.execute(
        update(events).where(events.c.annotator_id == annotator_id).values(answer=WITHDRAWN, duration_s=None)
    )
    for chunk in chunks(sorted(_prompts_written(connection, annotator_id))):
        connection.execute(update(prompts).where(prompts.c.id.in_(chunk)).values(text="", messages=[], metadata={}))
        said = {"text": "", "token_ids": [], "logprobs": []}  # a reply quotes what it replies to
        connection.execute(update(replies).where(replies.c.prompt_id.in_(chunk)).values(**said))
    connection.execute(delete(chats).where(chats.c.annotator_id == annotator_id))


def _prompts_written(connection: Connection, annotator_id: str) -> set[str]:
    """The prompts that this person wrote, and nobody else was asked about: the turns of their live chats."""
    mine = select(steering_tables.chats.c.id).where(steering_tables.chats.c.annotator_id == annotator_id)
    chats = set(connection.execute(mine).scalars())
    if not chats:
        return set()
    work, questions = tables.assignments, tables.questions
    asked = select(questions.c.prompt_id, questions.c.metadata).join(work, work.c.question_id == questions.c.id)
    written = {
        row.prompt_id
        for row in connection.execute(asked.where(work.c.annotator_id == annotator_id))
        if row.metadata.get(CHAT) in chats
    }
    for chunk in chunks(sorted(written)):
        for row in connection.execute(
            select(questions.c.prompt_id, questions.c.metadata).where(questions.c.prompt_id.in_(chunk))
        ):
            if row.metadata.get(CHAT) not in chats:
                written.discard(row.prompt_id)
    return written


def _overwrite_what_is_freed(connection: Connection) -> None:
    """Let SQLite fill with zeros what this transaction frees, so that the file does not hold it any longer."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")


def _plain(row: Row[Any]) -> dict[str, Any]:
    return {name: value for name, value in row._mapping.items() if name not in SECRET_COLUMNS | {"number"}}
