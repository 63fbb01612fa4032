"""Words in which a migration says what it makes: columns, constraints, tables, indices, append-only triggers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op


def text(name: str, *, null: bool = False) -> sa.Column[str]:
    """A column of text."""
    return sa.Column(name, sa.Text(), nullable=null)


def string(name: str, *, null: bool = False) -> sa.Column[str]:
    """A column of a short string."""
    return sa.Column(name, sa.String(), nullable=null)


def real(name: str, *, null: bool = False) -> sa.Column[float]:
    """A column of floating-point numbers."""
    return sa.Column(name, sa.Float(), nullable=null)


def integer(name: str) -> sa.Column[int]:
    """A column of whole numbers."""
    return sa.Column(name, sa.Integer(), nullable=False)


def json(name: str) -> sa.Column[object]:
    """A column of JSON."""
    return sa.Column(name, sa.JSON(), nullable=False)


def foreign(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    """A foreign key, named as `tables.metadata` names it."""
    return sa.ForeignKeyConstraint([column], [target], name=f"fk_{table}_{column}")


def check(table: str, name: str, rule: str) -> sa.CheckConstraint:
    """A check, named as `tables.metadata` names it."""
    return sa.CheckConstraint(rule, name=op.f(f"ck_{table}_{name}"))


def one_of(table: str, column: str, words: Sequence[str]) -> sa.CheckConstraint:
    """A check that a column holds one of some words."""
    return check(table, column, f"{column} IN ({', '.join(repr(word) for word in words)})")


def numbered(table: str, *columns: sa.Column[Any] | sa.Constraint, unique: str = "") -> None:
    """A table with the order of arrival as its key."""
    keys: list[sa.Constraint] = [sa.PrimaryKeyConstraint("number", name=f"pk_{table}")]
    if unique:
        keys.append(sa.UniqueConstraint(unique, name=f"uq_{table}_{unique}"))
    op.create_table(table, integer("number"), *columns, *keys)


def index(table: str, column: str) -> None:
    """An index on one column."""
    op.create_index(f"ix_{table}_{column}", table, [column])


def counter(name: str, first: int = 0) -> sa.Column[int]:
    """A column that counts."""
    return sa.Column(name, sa.Integer(), nullable=False, server_default=sa.text(str(first)))


def partial_index(name: str, table: str, columns: Sequence[str], rule: str) -> None:
    """An index on the rows for which a rule holds."""
    op.create_index(name, table, columns, sqlite_where=sa.text(rule), postgresql_where=sa.text(rule))


def make_append_only(table: str) -> None:
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
