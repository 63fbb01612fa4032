from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

import heedful.feedback
from heedful.feedback import schema, tables
from heedful.feedback.store import Store

MIGRATIONS = Path(heedful.feedback.__file__).parent / "migrations"


def config() -> Config:
    return Config(MIGRATIONS / "alembic.ini")


def test_head_is_the_newest_migration_and_there_is_one_line_of_them() -> None:
    assert ScriptDirectory.from_config(config()).get_heads() == [tables.HEAD]


def test_the_query_for_the_revision_reads_the_version_table() -> None:
    assert tables.REVISION_QUERY.endswith(f" {tables.VERSION_TABLE}")


def test_the_migrations_make_exactly_the_tables_of_the_code(store: Store) -> None:
    with store.reading() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": tables.VERSION_TABLE, "compare_type": True}
        )
        assert compare_metadata(context, schema.metadata) == []
        made = set(inspect(connection).get_table_names())
        checks = {
            name: {check["name"] for check in inspect(connection).get_check_constraints(name)}
            for name in schema.metadata.tables
        }
    assert made == {*schema.metadata.tables, tables.VERSION_TABLE}
    assert checks["questions"] == {"ck_questions_purpose", "ck_questions_overlap"}
    assert checks["assignments"] == {"ck_assignments_state"}
    assert checks["models"] == {"ck_models_kind", "ck_models_status"}


def test_downgrading_leaves_an_empty_database_that_can_be_upgraded_again(store: Store) -> None:
    with store.writing() as connection:
        found = config()
        found.attributes["connection"] = connection
        command.downgrade(found, "base")
        assert set(inspect(connection).get_table_names()) == {tables.VERSION_TABLE}
        command.upgrade(found, "head")
        assert set(schema.metadata.tables) <= set(inspect(connection).get_table_names())


def test_a_developer_can_run_the_migrations_by_hand(tmp_path: Path) -> None:
    found = config()
    found.set_main_option("sqlalchemy.url", f"sqlite:///{tmp_path / 'development.db'}")
    command.upgrade(found, "head")
    with Store.open(tmp_path / "development.db", create=False) as store:
        assert store.questions() == []


@pytest.mark.parametrize("name", schema.APPEND_ONLY)
def test_append_only_tables_exist(name: str) -> None:
    assert name in schema.metadata.tables
