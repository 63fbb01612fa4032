"""Tables of how work is steered, private to the room: campaigns, guidelines, gold items, standings, drafts, money.

A campaign is a name on questions (`questions.campaign`); a row here gives it settings, and one without a row goes by
the defaults. `guidelines` and `ledger` are append-only, like the judgements that they belong to.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from heedful.feedback.tables import annotators, judgements, metadata, questions

APPEND_ONLY = ("guidelines", "ledger")

STANDINGS = ("training", "exam", "working", "failed", "paused")
GOLD_USES = ("training", "exam", "gold")

campaigns = Table(
    "campaigns",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("created", String, nullable=False),
    Column("spent_micros", BigInteger, nullable=False, server_default=text("0")),  # the sum of its ledger
    CheckConstraint("state IN ('open', 'paused', 'closed')", name="state"),
)

guidelines = Table(
    "guidelines",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("campaign", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("created", String, nullable=False),
    UniqueConstraint("campaign", "version"),
)

readings = Table(
    "readings",
    metadata,
    Column("annotator_id", ForeignKey(annotators.c.id), primary_key=True),
    Column("campaign", String, primary_key=True),
    Column("version", Integer, nullable=False),  # the newest that was read
    Column("at", String, nullable=False),
)

gold = Table(
    "gold",
    metadata,
    Column("question_id", ForeignKey(questions.c.id), primary_key=True),
    Column("campaign", String, nullable=False, index=True),  # the question's
    Column("use", String, nullable=False),
    Column("answer", JSON, nullable=False),
    Column("explanation", Text, nullable=False),
    CheckConstraint("use IN ('training', 'exam', 'gold')", name="use"),
)
"""Questions whose right answer is known. They are `evaluate` questions: nothing is ever trained on them."""

standings = Table(
    "standings",
    metadata,
    Column("annotator_id", ForeignKey(annotators.c.id), primary_key=True),
    Column("campaign", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("changed", String, nullable=False),
    # The number of the newest judgement when they were last reinstated: gold answers up to it are forgiven.
    Column("since", Integer, nullable=False, server_default=text("0")),
    CheckConstraint("state IN ('training', 'exam', 'working', 'failed', 'paused')", name="state"),
)
"""Where an annotator stands in a campaign that asks for a qualification, or that paused them."""

turns = Table(
    "turns",
    metadata,
    Column("annotator_id", ForeignKey(annotators.c.id), primary_key=True),
    Column("campaign", String, primary_key=True),
    Column("given", Integer, nullable=False),  # tasks given out to them
    Column("furthest", Integer, nullable=False),  # the highest number of a question given to them
)
"""How far an annotator has come in a campaign, so that the next question is found without passing over all before."""

drafts = Table(
    "drafts",
    metadata,
    Column("question_id", ForeignKey(questions.c.id), primary_key=True),
    Column("annotator_id", ForeignKey(annotators.c.id), primary_key=True),
    Column("answer", JSON, nullable=False),
    Column("saved", Float, nullable=False),  # seconds since 1970, UTC, by the writer's clock: the newest wins
)

comments = Table(
    "comments",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("question_id", ForeignKey(questions.c.id), nullable=False, index=True),
    Column("author", String, nullable=False),  # an account's id
    Column("text", Text, nullable=False),
    Column("created", String, nullable=False),
)

ledger = Table(
    "ledger",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("judgement_id", ForeignKey(judgements.c.id), nullable=False, unique=True),
    Column("campaign", String, nullable=False, index=True),
    Column("annotator_id", ForeignKey(annotators.c.id), nullable=False, index=True),
    Column("kind", String, nullable=False),
    Column("cost_micros", Integer, nullable=False),  # millionths of the campaign's currency
    Column("duration_s", Float),
    Column("at", String, nullable=False),
)

batches = Table(
    "batches",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("campaign", String, nullable=False, index=True),
    Column("minimum", Integer, nullable=False),  # judgements with which it may be used
    Column("maximum", Integer, nullable=False),  # judgements with which it is full
    Column("expires", Float),  # seconds since 1970, UTC; null: never
    Column("closed", String),  # "full", "expired" or "cancelled"; null while its questions are asked
    Column("metadata", JSON, nullable=False),
    Column("created", String, nullable=False),
    CheckConstraint("minimum >= 0 AND maximum >= minimum AND maximum >= 1", name="bounds"),
)

batch_questions = Table(
    "batch_questions",
    metadata,
    Column("batch_id", ForeignKey(batches.c.id), primary_key=True),
    Column("question_id", ForeignKey(questions.c.id), primary_key=True),
)

chats = Table(
    "chats",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("annotator_id", ForeignKey(annotators.c.id), nullable=False, index=True),
    Column("campaign", String, nullable=False),
    Column("policies", JSON, nullable=False),  # the two versions, in the order drawn for this conversation
    Column("messages", JSON, nullable=False),  # [[role, content], ...]: the turns so far, with the answers chosen
    Column("pending", String),  # the question of the turn that waits for a vote
    Column("state", String, nullable=False),
    Column("updated", Float, nullable=False),
    CheckConstraint("state IN ('open', 'closed')", name="state"),
)
"""Live conversations. Each turn's two answers are completions, and the vote on them a judgement like any other."""
