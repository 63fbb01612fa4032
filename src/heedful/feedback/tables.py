"""The store's tables, private to the room: records go in and out, rows stay here.

Every table carries `number`, the order of arrival, beside the public `id`; readers answer in that order.
`judgements`, `snapshots` and `snapshot_judgements` are append-only: triggers made by the migrations refuse UPDATE and
DELETE, on SQLite and PostgreSQL alike, save for one: erasing the content of an answer, when its author asks for it
(`accounts.erasure`). Nothing cascades: an annotator is retracted by a tombstone (`retracted`), and their answers stay.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

HEAD = "0004"
"""The newest revision in `migrations/versions`: what this code expects of a database."""

VERSION_TABLE = "heedful_schema"
"""Where Alembic keeps the database's revision; its presence tells our databases from other programs'."""

REVISION_QUERY = "SELECT version_num FROM heedful_schema"

APPEND_ONLY = ("judgements", "snapshots", "snapshot_judgements")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

annotators = Table(
    "annotators",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("kind", String, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("retracted", String),  # UTC, ISO 8601; null while the annotator stands
    Column("retracted_reason", Text),
)

prompts = Table(
    "prompts",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("text", Text, nullable=False),
    Column("messages", JSON, nullable=False),  # [[role, content], ...]
    Column("metadata", JSON, nullable=False),
)

completions = Table(
    "completions",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("prompt_id", ForeignKey(prompts.c.id), nullable=False, index=True),
    Column("text", Text, nullable=False),
    Column("policy", String, nullable=False, index=True),
    Column("token_ids", JSON, nullable=False),
    Column("logprobs", JSON, nullable=False),  # nats
    Column("sampling", JSON, nullable=False),
    Column("finish", String, nullable=False),
    Column("metadata", JSON, nullable=False),
)

_OPEN = text("given < wanted")

questions = Table(
    "questions",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("prompt_id", ForeignKey(prompts.c.id), nullable=False, index=True),
    Column("campaign", String, nullable=False, index=True),
    Column("purpose", String, nullable=False),
    Column("overlap", Integer, nullable=False),
    Column("propensity", Float),
    Column("selection", String, nullable=False),
    Column("metadata", JSON, nullable=False),
    # Kept by `places`: answers that hold, the answers that are wanted by now, and whether nobody is asked any more.
    Column("given", Integer, nullable=False, server_default=text("0")),
    Column("wanted", Integer, nullable=False, server_default=text("0")),
    Column("stopped", Integer, nullable=False, server_default=text("0")),
    Index("ix_questions_open", "campaign", "number", sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("ix_questions_open_anywhere", "number", sqlite_where=_OPEN, postgresql_where=_OPEN),
    CheckConstraint("purpose IN ('train', 'evaluate')", name="purpose"),
    CheckConstraint("overlap >= 1", name="overlap"),
)

question_completions = Table(
    "question_completions",
    metadata,
    Column("question_id", ForeignKey(questions.c.id), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("completion_id", ForeignKey(completions.c.id), nullable=False, index=True),
)

_LEASED, _ASIDE = text("state = 'leased'"), text("counts = 0")

assignments = Table(
    "assignments",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("question_id", ForeignKey(questions.c.id), nullable=False),
    Column("annotator_id", ForeignKey(annotators.c.id), nullable=False),
    Column("state", String, nullable=False),
    Column("leased_until", Float),  # seconds since 1970, UTC
    Column("shown", JSON, nullable=False),
    Column("counts", Integer, nullable=False, server_default=text("1")),  # 0: the answer is set aside
    Index("ix_assignments_annotator_id_state", "annotator_id", "state"),
    Index("ix_assignments_leased", "leased_until", sqlite_where=_LEASED, postgresql_where=_LEASED),
    Index("ix_assignments_aside", "annotator_id", sqlite_where=_ASIDE, postgresql_where=_ASIDE),
    UniqueConstraint("question_id", "annotator_id"),
    CheckConstraint("state IN ('leased', 'submitted', 'skipped', 'expired')", name="state"),
)

judgements = Table(
    "judgements",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("question_id", ForeignKey(questions.c.id), nullable=False),
    Column("annotator_id", ForeignKey(annotators.c.id), nullable=False, index=True),
    Column("answer", JSON, nullable=False),
    Column("shown", JSON, nullable=False),
    Column("created", String, nullable=False),
    Column("duration_s", Float),
    # One successor at most, and one first answer a person and question: together, a chain without forks.
    Column("supersedes", ForeignKey("judgements.id"), unique=True),
    Index(
        "uq_judgements_first",
        "question_id",
        "annotator_id",
        unique=True,
        sqlite_where=text("supersedes IS NULL"),
        postgresql_where=text("supersedes IS NULL"),
    ),
    Index("ix_judgements_question_id", "question_id"),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("hash", String, nullable=False, unique=True),
)

snapshot_judgements = Table(
    "snapshot_judgements",
    metadata,
    Column("snapshot", ForeignKey(snapshots.c.hash), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("judgement_id", ForeignKey(judgements.c.id), nullable=False, index=True),
)

models = Table(
    "models",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("path", Text, nullable=False),
    Column("parent", ForeignKey("models.id")),
    Column("reward", String),  # a model's id, or the name of a reward function
    Column("snapshot", ForeignKey(snapshots.c.hash)),
    Column("run", Text, nullable=False),
    Column("config", JSON, nullable=False),
    Column("status", String, nullable=False),
    Column("metadata", JSON, nullable=False),
    CheckConstraint("kind IN ('policy', 'reward')", name="kind"),
    CheckConstraint("status IN ('candidate', 'promoted', 'rejected')", name="status"),
)
