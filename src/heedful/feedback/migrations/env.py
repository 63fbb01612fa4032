"""How Alembic runs our migrations: on the connection that `database` hands over, inside its transaction.

For writing a new migration, `alembic` is started by hand with a URL; see docs/feedback.md.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, create_engine

from heedful.feedback.schema import metadata
from heedful.feedback.tables import VERSION_TABLE


def run(connection: Connection) -> None:
    """Apply the migrations that were asked for."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        render_as_batch=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with create_engine(context.config.get_main_option("sqlalchemy.url") or "").connect() as own:
        run(own)
