"""Tables of who may do what, private to the room: accounts, sessions, keys, the audit log, webhooks, secrets.

Of every token (session, invitation, key) only the SHA-256 is stored. An account that judges has an annotator;
judgements name the annotator and never the account, so that a deleted account leaves its answers pseudonymous.
"""

from __future__ import annotations

from sqlalchemy import JSON, CheckConstraint, Column, Float, ForeignKey, Integer, String, Table, Text, UniqueConstraint

from heedful.feedback.tables import annotators, metadata

APPEND_ONLY = ("audit", "outbox")

accounts = Table(
    "accounts",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("login", String, nullable=False, unique=True),  # lower case; of a deleted account, its id
    Column("name", Text, nullable=False),
    Column("password_hash", Text),  # argon2; null: cannot log in
    Column("role", String, nullable=False),
    Column("annotator_id", ForeignKey(annotators.c.id), nullable=False, unique=True),
    Column("state", String, nullable=False),
    Column("created", String, nullable=False),
    Column("preferences", JSON, nullable=False),
    CheckConstraint("role IN ('owner', 'reviewer', 'annotator')", name="role"),
    CheckConstraint("state IN ('active', 'deactivated', 'deleted')", name="state"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String, primary_key=True),
    Column("account_id", ForeignKey(accounts.c.id), nullable=False, index=True),
    Column("csrf", String, nullable=False),
    Column("created", Float, nullable=False),  # seconds since 1970, UTC, as all floats here
    Column("seen", Float, nullable=False),
    Column("expires", Float, nullable=False),
    Column("agent", Text, nullable=False),
)

invitations = Table(
    "invitations",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("token_hash", String, nullable=False, unique=True),
    Column("use", String, nullable=False),
    Column("role", String, nullable=False),
    Column("account_id", ForeignKey(accounts.c.id)),  # of a reset: whose password
    Column("note", Text, nullable=False),
    Column("uses_left", Integer, nullable=False),
    Column("created", Float, nullable=False),
    Column("expires", Float, nullable=False),
    CheckConstraint("use IN ('setup', 'invite', 'reset')", name="use"),
    CheckConstraint("role IN ('owner', 'reviewer', 'annotator')", name="role"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("token_hash", String, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("account_id", ForeignKey(accounts.c.id), nullable=False, index=True),
    Column("scopes", JSON, nullable=False),
    Column("created", Float, nullable=False),
    Column("used", Float),
    Column("expires", Float),
    Column("revoked", Float),
)

audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("at", String, nullable=False),
    Column("account_id", String, nullable=False),  # empty: the server itself
    Column("action", String, nullable=False),  # noun.verb: "campaign.pause"
    Column("target", String, nullable=False),
    Column("detail", JSON, nullable=False),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("url", Text, nullable=False),
    Column("secret", Text, nullable=False),
    Column("events", JSON, nullable=False),
    Column("active", Integer, nullable=False),
    Column("created", Float, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("event", String, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("created", Float, nullable=False),
)
"""Events for the world outside, written in the transaction of what they tell of."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("webhook_id", ForeignKey(webhooks.c.id), nullable=False),
    Column("outbox_id", ForeignKey(outbox.c.id), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due", Float, index=True),  # null: delivered, or given up
    Column("delivered", Float),
    Column("error", Text, nullable=False),
    UniqueConstraint("webhook_id", "outbox_id"),
)

secrets = Table(
    "secrets",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Text, nullable=False),
)
"""What the server must remember over a restart and show to nobody; made when first asked for."""
