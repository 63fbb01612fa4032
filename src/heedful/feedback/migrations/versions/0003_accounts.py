"""Accounts, sessions, invitations, keys, secrets, the audit log, webhooks and what is sent to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from heedful.feedback.migrations.columns import (
    foreign,
    index,
    integer,
    json,
    make_append_only,
    numbered,
    one_of,
    real,
    string,
    text,
)

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

APPEND_ONLY = ("audit", "outbox")


def upgrade() -> None:
    """Go to revision 0003."""
    _accounts()
    _tokens()
    _events()
    for table in APPEND_ONLY:
        make_append_only(table)


def downgrade() -> None:
    """Go back to revision 0002."""
    for table in (
        *("secrets", "deliveries", "outbox", "webhooks", "audit"),
        *("api_keys", "invitations", "sessions", "accounts"),
    ):
        op.drop_table(table)


def _accounts() -> None:
    numbered(
        "accounts",
        string("id"),
        string("login"),
        text("name"),
        text("password_hash", null=True),
        string("role"),
        string("annotator_id"),
        string("state"),
        string("created"),
        json("preferences"),
        sa.UniqueConstraint("login", name="uq_accounts_login"),
        sa.UniqueConstraint("annotator_id", name="uq_accounts_annotator_id"),
        foreign("accounts", "annotator_id", "annotators.id"),
        one_of("accounts", "role", ("owner", "reviewer", "annotator")),
        one_of("accounts", "state", ("active", "deactivated", "deleted")),
        unique="id",
    )
    op.create_table(
        "sessions",
        string("token_hash"),
        string("account_id"),
        string("csrf"),
        real("created"),
        real("seen"),
        real("expires"),
        text("agent"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_sessions"),
        foreign("sessions", "account_id", "accounts.id"),
    )
    index("sessions", "account_id")


def _tokens() -> None:
    numbered(
        "invitations",
        string("id"),
        string("token_hash"),
        string("use"),
        string("role"),
        string("account_id", null=True),
        text("note"),
        integer("uses_left"),
        real("created"),
        real("expires"),
        sa.UniqueConstraint("token_hash", name="uq_invitations_token_hash"),
        foreign("invitations", "account_id", "accounts.id"),
        one_of("invitations", "use", ("setup", "invite", "reset")),
        one_of("invitations", "role", ("owner", "reviewer", "annotator")),
        unique="id",
    )
    numbered(
        "api_keys",
        string("id"),
        string("token_hash"),
        text("name"),
        string("account_id"),
        json("scopes"),
        real("created"),
        real("used", null=True),
        real("expires", null=True),
        real("revoked", null=True),
        sa.UniqueConstraint("token_hash", name="uq_api_keys_token_hash"),
        foreign("api_keys", "account_id", "accounts.id"),
        unique="id",
    )
    index("api_keys", "account_id")
    op.create_table("secrets", string("name"), text("value"), sa.PrimaryKeyConstraint("name", name="pk_secrets"))


def _events() -> None:
    numbered("audit", string("at"), string("account_id"), string("action"), string("target"), json("detail"))
    numbered(
        "webhooks",
        string("id"),
        text("url"),
        text("secret"),
        json("events"),
        integer("active"),
        real("created"),
        unique="id",
    )
    numbered("outbox", string("id"), string("event"), json("payload"), real("created"), unique="id")
    numbered(
        "deliveries",
        string("webhook_id"),
        string("outbox_id"),
        integer("attempts"),
        real("due", null=True),
        real("delivered", null=True),
        text("error"),
        sa.UniqueConstraint("webhook_id", "outbox_id", name="uq_deliveries_webhook_id_outbox_id"),
        foreign("deliveries", "webhook_id", "webhooks.id"),
        foreign("deliveries", "outbox_id", "outbox.id"),
    )
    index("deliveries", "due")
