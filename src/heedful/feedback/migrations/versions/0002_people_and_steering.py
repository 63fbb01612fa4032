"""Accounts, campaigns with settings, guidelines, gold items, drafts, the ledger, batches, webhooks."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

APPEND_ONLY = ("guidelines", "ledger", "audit", "outbox")


def upgrade() -> None:
    """Go to revision 0002."""
    _campaigns()
    _work()
    _batches_and_chats()
    _accounts()
    _tokens()
    _events()
    for table in APPEND_ONLY:
        _make_append_only(table)


def downgrade() -> None:
    """Go back to revision 0001."""
    for table in (
        *("secrets", "deliveries", "outbox", "webhooks", "audit", "api_keys", "invitations", "sessions", "accounts"),
        *("chats", "batch_questions", "batches", "ledger", "comments", "drafts"),
        *("standings", "gold", "readings", "guidelines", "campaigns"),
    ):
        op.drop_table(table)


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=null)


def _string(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=null)


def _float(name: str, *, null: bool = False) -> sa.Column[float]:
    return sa.Column(name, sa.Float(), nullable=null)


def _integer(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _json(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.JSON(), nullable=False)


def _foreign(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [target], name=f"fk_{table}_{column}")


def _check(table: str, name: str, rule: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(rule, name=op.f(f"ck_{table}_{name}"))


def _one_of(table: str, column: str, words: Sequence[str]) -> sa.CheckConstraint:
    return _check(table, column, f"{column} IN ({', '.join(repr(word) for word in words)})")


def _numbered(table: str, *columns: sa.Column[object] | sa.Constraint, unique: str = "") -> None:
    """A table with the order of arrival as its key."""
    keys: list[sa.Constraint] = [sa.PrimaryKeyConstraint("number", name=f"pk_{table}")]
    if unique:
        keys.append(sa.UniqueConstraint(unique, name=f"uq_{table}_{unique}"))
    op.create_table(table, _integer("number"), *columns, *keys)


def _index(table: str, column: str) -> None:
    op.create_index(f"ix_{table}_{column}", table, [column])


def _campaigns() -> None:
    _numbered(
        "campaigns",
        _string("name"),
        _text("title"),
        _string("state"),
        _json("settings"),
        _string("created"),
        _one_of("campaigns", "state", ("open", "paused", "closed")),
        unique="name",
    )
    _numbered(
        "guidelines",
        _string("campaign"),
        _integer("version"),
        _text("text"),
        _string("created"),
        sa.UniqueConstraint("campaign", "version", name="uq_guidelines_campaign_version"),
    )
    op.create_table(
        "readings",
        _string("annotator_id"),
        _string("campaign"),
        _integer("version"),
        _string("at"),
        sa.PrimaryKeyConstraint("annotator_id", "campaign", name="pk_readings"),
        _foreign("readings", "annotator_id", "annotators.id"),
    )
    op.create_table(
        "gold",
        _string("question_id"),
        _string("use"),
        _json("answer"),
        _text("explanation"),
        sa.PrimaryKeyConstraint("question_id", name="pk_gold"),
        _foreign("gold", "question_id", "questions.id"),
        _one_of("gold", "use", ("training", "exam", "gold")),
    )
    op.create_table(
        "standings",
        _string("annotator_id"),
        _string("campaign"),
        _string("state"),
        _text("reason"),
        _string("changed"),
        sa.PrimaryKeyConstraint("annotator_id", "campaign", name="pk_standings"),
        _foreign("standings", "annotator_id", "annotators.id"),
        _one_of("standings", "state", ("training", "exam", "working", "failed", "paused")),
    )


def _work() -> None:
    op.create_table(
        "drafts",
        _string("question_id"),
        _string("annotator_id"),
        _json("answer"),
        _float("saved"),
        sa.PrimaryKeyConstraint("question_id", "annotator_id", name="pk_drafts"),
        _foreign("drafts", "question_id", "questions.id"),
        _foreign("drafts", "annotator_id", "annotators.id"),
    )
    _numbered(
        "comments",
        _string("id"),
        _string("question_id"),
        _string("author"),
        _text("text"),
        _string("created"),
        _foreign("comments", "question_id", "questions.id"),
        unique="id",
    )
    _index("comments", "question_id")
    _numbered(
        "ledger",
        _string("judgement_id"),
        _string("campaign"),
        _string("annotator_id"),
        _string("kind"),
        _integer("cost_micros"),
        _float("duration_s", null=True),
        _string("at"),
        _foreign("ledger", "judgement_id", "judgements.id"),
        _foreign("ledger", "annotator_id", "annotators.id"),
        unique="judgement_id",
    )
    _index("ledger", "campaign")
    _index("ledger", "annotator_id")


def _batches_and_chats() -> None:
    _numbered(
        "batches",
        _string("id"),
        _string("campaign"),
        _integer("minimum"),
        _integer("maximum"),
        _float("expires", null=True),
        _string("cancelled", null=True),
        _json("metadata"),
        _string("created"),
        _check("batches", "bounds", "minimum >= 0 AND maximum >= minimum AND maximum >= 1"),
        unique="id",
    )
    _index("batches", "campaign")
    op.create_table(
        "batch_questions",
        _string("batch_id"),
        _string("question_id"),
        sa.PrimaryKeyConstraint("batch_id", "question_id", name="pk_batch_questions"),
        _foreign("batch_questions", "batch_id", "batches.id"),
        _foreign("batch_questions", "question_id", "questions.id"),
    )
    _numbered(
        "chats",
        _string("id"),
        _string("annotator_id"),
        _string("campaign"),
        _json("policies"),
        _json("messages"),
        _string("pending", null=True),
        _string("state"),
        _float("updated"),
        _foreign("chats", "annotator_id", "annotators.id"),
        _one_of("chats", "state", ("open", "closed")),
        unique="id",
    )
    _index("chats", "annotator_id")


def _accounts() -> None:
    _numbered(
        "accounts",
        _string("id"),
        _string("login"),
        _text("name"),
        _text("password_hash", null=True),
        _string("role"),
        _string("annotator_id"),
        _string("state"),
        _string("created"),
        _json("preferences"),
        sa.UniqueConstraint("login", name="uq_accounts_login"),
        sa.UniqueConstraint("annotator_id", name="uq_accounts_annotator_id"),
        _foreign("accounts", "annotator_id", "annotators.id"),
        _one_of("accounts", "role", ("owner", "reviewer", "annotator")),
        _one_of("accounts", "state", ("active", "deactivated", "deleted")),
        unique="id",
    )
    op.create_table(
        "sessions",
        _string("token_hash"),
        _string("account_id"),
        _string("csrf"),
        _float("created"),
        _float("seen"),
        _float("expires"),
        _text("agent"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_sessions"),
        _foreign("sessions", "account_id", "accounts.id"),
    )
    _index("sessions", "account_id")


def _tokens() -> None:
    _numbered(
        "invitations",
        _string("id"),
        _string("token_hash"),
        _string("use"),
        _string("role"),
        _string("account_id", null=True),
        _text("note"),
        _integer("uses_left"),
        _float("created"),
        _float("expires"),
        sa.UniqueConstraint("token_hash", name="uq_invitations_token_hash"),
        _foreign("invitations", "account_id", "accounts.id"),
        _one_of("invitations", "use", ("setup", "invite", "reset")),
        _one_of("invitations", "role", ("owner", "reviewer", "annotator")),
        unique="id",
    )
    _numbered(
        "api_keys",
        _string("id"),
        _string("token_hash"),
        _text("name"),
        _string("account_id"),
        _json("scopes"),
        _float("created"),
        _float("used", null=True),
        _float("expires", null=True),
        _float("revoked", null=True),
        sa.UniqueConstraint("token_hash", name="uq_api_keys_token_hash"),
        _foreign("api_keys", "account_id", "accounts.id"),
        unique="id",
    )
    _index("api_keys", "account_id")
    op.create_table("secrets", _string("name"), _text("value"), sa.PrimaryKeyConstraint("name", name="pk_secrets"))


def _events() -> None:
    _numbered("audit", _string("at"), _string("account_id"), _string("action"), _string("target"), _json("detail"))
    _numbered(
        "webhooks",
        _string("id"),
        _text("url"),
        _text("secret"),
        _json("events"),
        _integer("active"),
        _float("created"),
        unique="id",
    )
    _numbered("outbox", _string("id"), _string("event"), _json("payload"), _float("created"), unique="id")
    _numbered(
        "deliveries",
        _string("webhook_id"),
        _string("outbox_id"),
        _integer("attempts"),
        _float("due", null=True),
        _float("delivered", null=True),
        _text("error"),
        sa.UniqueConstraint("webhook_id", "outbox_id", name="uq_deliveries_webhook_id_outbox_id"),
        _foreign("deliveries", "webhook_id", "webhooks.id"),
        _foreign("deliveries", "outbox_id", "outbox.id"),
    )
    _index("deliveries", "due")


def _make_append_only(table: str) -> None:
    """Triggers that refuse to change or remove rows (the function is the first revision's)."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION heedful_refuse_change()"
        )
        return
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
