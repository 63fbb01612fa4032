"""What the server must remember over a restart and show to nobody: made when first asked for, then kept."""

from __future__ import annotations

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from heedful.feedback import account_tables
from heedful.feedback.accounts.tokens import new_token
from heedful.feedback.store import Store

_secrets = account_tables.secrets


def secret(store: Store, name: str) -> str:
    """The secret called `name`: 256 random bits as text, the same for every process and after every restart."""
    query = select(_secrets.c.value).where(_secrets.c.name == name)
    with store.reading() as connection:
        found = connection.execute(query).scalar()
    if found is not None:
        return str(found)
    try:
        with store.writing() as connection:
            found = connection.execute(query).scalar()
            if found is None:
                found = new_token()
                connection.execute(insert(_secrets).values(name=name, value=found))
        return str(found)
    except IntegrityError:  # another process made it at the same moment
        return secret(store, name)
