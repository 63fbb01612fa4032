"""Campaigns with settings, guidelines, gold items, standings, drafts, the ledger, batches and chats."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from heedful.feedback.migrations.columns import (
    check,
    counter,
    foreign,
    index,
    integer,
    json,
    make_append_only,
    numbered,
    one_of,
    partial_index,
    real,
    string,
    text,
)

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

APPEND_ONLY = ("guidelines", "ledger")


def upgrade() -> None:
    """Go to revision 0002."""
    _places()
    _campaigns()
    _gold_and_standings()
    _work()
    _batches_and_chats()
    for table in APPEND_ONLY:
        make_append_only(table)


def downgrade() -> None:
    """Go back to revision 0001."""
    for table in (
        *("chats", "batch_questions", "batches", "ledger", "comments", "drafts"),
        *("turns", "standings", "gold", "readings", "guidelines", "campaigns"),
    ):
        op.drop_table(table)
    for table, indices, columns in (
        ("questions", ("open", "open_anywhere"), ("given", "wanted", "stopped")),
        ("assignments", ("annotator_id_state", "leased", "aside"), ("counts",)),
    ):
        for name in indices:
            op.drop_index(f"ix_{table}_{name}", table)
        for column in columns:
            op.drop_column(table, column)
    index("assignments", "annotator_id")


def _places() -> None:
    """Counters on questions, from the assignments that there are."""
    for name in ("given", "wanted", "stopped"):
        op.add_column("questions", counter(name))
    op.add_column("assignments", counter("counts", 1))
    op.drop_index("ix_assignments_annotator_id", "assignments")
    op.create_index("ix_assignments_annotator_id_state", "assignments", ["annotator_id", "state"])
    op.execute(
        "UPDATE questions SET wanted = overlap, given = (SELECT count(*) FROM assignments "
        "WHERE assignments.question_id = questions.id AND assignments.state = 'submitted')"
    )
    partial_index("ix_questions_open", "questions", ["campaign", "number"], "given < wanted")
    partial_index("ix_questions_open_anywhere", "questions", ["number"], "given < wanted")
    partial_index("ix_assignments_leased", "assignments", ["leased_until"], "state = 'leased'")
    partial_index("ix_assignments_aside", "assignments", ["annotator_id"], "counts = 0")


def _campaigns() -> None:
    numbered(
        "campaigns",
        string("name"),
        text("title"),
        string("state"),
        json("settings"),
        string("created"),
        sa.Column("spent_micros", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        one_of("campaigns", "state", ("open", "paused", "closed")),
        unique="name",
    )
    numbered(
        "guidelines",
        string("campaign"),
        integer("version"),
        text("text"),
        string("created"),
        sa.UniqueConstraint("campaign", "version", name="uq_guidelines_campaign_version"),
    )
    op.create_table(
        "readings",
        string("annotator_id"),
        string("campaign"),
        integer("version"),
        string("at"),
        sa.PrimaryKeyConstraint("annotator_id", "campaign", name="pk_readings"),
        foreign("readings", "annotator_id", "annotators.id"),
    )


def _gold_and_standings() -> None:
    op.create_table(
        "gold",
        string("question_id"),
        string("campaign"),
        string("use"),
        json("answer"),
        text("explanation"),
        sa.PrimaryKeyConstraint("question_id", name="pk_gold"),
        foreign("gold", "question_id", "questions.id"),
        one_of("gold", "use", ("training", "exam", "gold")),
    )
    index("gold", "campaign")
    op.create_table(
        "standings",
        string("annotator_id"),
        string("campaign"),
        string("state"),
        text("reason"),
        string("changed"),
        counter("since"),
        sa.PrimaryKeyConstraint("annotator_id", "campaign", name="pk_standings"),
        foreign("standings", "annotator_id", "annotators.id"),
        one_of("standings", "state", ("training", "exam", "working", "failed", "paused")),
    )


def _work() -> None:
    op.create_table(
        "turns",
        string("annotator_id"),
        string("campaign"),
        integer("given"),
        integer("furthest"),
        sa.PrimaryKeyConstraint("annotator_id", "campaign", name="pk_turns"),
        foreign("turns", "annotator_id", "annotators.id"),
    )
    op.create_table(
        "drafts",
        string("question_id"),
        string("annotator_id"),
        json("answer"),
        real("saved"),
        sa.PrimaryKeyConstraint("question_id", "annotator_id", name="pk_drafts"),
        foreign("drafts", "question_id", "questions.id"),
        foreign("drafts", "annotator_id", "annotators.id"),
    )
    numbered(
        "comments",
        string("id"),
        string("question_id"),
        string("author"),
        text("text"),
        string("created"),
        foreign("comments", "question_id", "questions.id"),
        unique="id",
    )
    index("comments", "question_id")
    numbered(
        "ledger",
        string("judgement_id"),
        string("campaign"),
        string("annotator_id"),
        string("kind"),
        integer("cost_micros"),
        real("duration_s", null=True),
        string("at"),
        foreign("ledger", "judgement_id", "judgements.id"),
        foreign("ledger", "annotator_id", "annotators.id"),
        unique="judgement_id",
    )
    index("ledger", "campaign")
    index("ledger", "annotator_id")


def _batches_and_chats() -> None:
    numbered(
        "batches",
        string("id"),
        string("campaign"),
        integer("minimum"),
        integer("maximum"),
        real("expires", null=True),
        string("closed", null=True),
        json("metadata"),
        string("created"),
        check("batches", "bounds", "minimum >= 0 AND maximum >= minimum AND maximum >= 1"),
        unique="id",
    )
    index("batches", "campaign")
    op.create_table(
        "batch_questions",
        string("batch_id"),
        string("question_id"),
        sa.PrimaryKeyConstraint("batch_id", "question_id", name="pk_batch_questions"),
        foreign("batch_questions", "batch_id", "batches.id"),
        foreign("batch_questions", "question_id", "questions.id"),
    )
    numbered(
        "chats",
        string("id"),
        string("annotator_id"),
        string("campaign"),
        json("policies"),
        json("messages"),
        string("pending", null=True),
        string("state"),
        real("updated"),
        foreign("chats", "annotator_id", "annotators.id"),
        one_of("chats", "state", ("open", "closed")),
        unique="id",
    )
    index("chats", "annotator_id")
