"""What holds for every test: no network, no hidden randomness, a database per process, no assertion about time."""

import os
from collections.abc import Callable, Iterator

import hypothesis
import pytest
from sqlalchemy import create_engine, make_url

from heedful.feedback.store import Store

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# The same examples on every machine and at every run, and no deadline: slow machines are not defects.
hypothesis.settings.register_profile(
    "heedful",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("heedful")


def _database_of_this_worker() -> None:
    """Give each process of a parallel test run a PostgreSQL database of its own, since tests empty it."""
    given, worker = os.environ.get("HEEDFUL_TEST_POSTGRES"), os.environ.get("PYTEST_XDIST_WORKER")
    if not given or not worker:
        return
    url = make_url(given)
    if str(url.database).endswith(f"_{worker}"):
        return
    own = url.set(database=f"{url.database}_{worker}")
    engine = create_engine(url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{own.database}" WITH (FORCE)')
        connection.exec_driver_sql(f'CREATE DATABASE "{own.database}"')
    engine.dispose()
    os.environ["HEEDFUL_TEST_POSTGRES"] = own.render_as_string(hide_password=False)


_database_of_this_worker()


@pytest.fixture(scope="session")
def emptied_postgres() -> Iterator[Callable[[], str]]:
    """Empties this process's PostgreSQL database and gives its address.

    The tables are made once, in a database that the others are copied from: that is several times as fast as making
    them for every test.
    """
    given = make_url(os.environ["HEEDFUL_TEST_POSTGRES"]).set(drivername="postgresql+psycopg")
    template = given.set(database=f"{given.database}_template")
    engine = create_engine(given.set(database="postgres"), isolation_level="AUTOCOMMIT")

    def anew(database: str | None, source: str) -> None:
        with engine.connect() as connection:
            connection.exec_driver_sql(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
            connection.exec_driver_sql(f'CREATE DATABASE "{database}" TEMPLATE "{source}"')

    def empty() -> str:
        anew(given.database, str(template.database))
        return os.environ["HEEDFUL_TEST_POSTGRES"]

    anew(template.database, "template0")
    Store.open(template.render_as_string(hide_password=False)).close()
    yield empty
    engine.dispose()
