from __future__ import annotations

import threading

from heedful.feedback.accounts.secrets import secret
from heedful.feedback.store import Store


def test_a_secret_is_made_once_and_kept(store: Store, location: str) -> None:
    made = secret(store, "webhooks")
    assert len(made) >= 43
    assert secret(store, "webhooks") == made
    assert secret(store, "other") != made
    with Store.open(location) as again:
        assert secret(again, "webhooks") == made


def test_all_who_ask_first_at_once_get_the_same(store: Store) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(secret(store, "x"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1
