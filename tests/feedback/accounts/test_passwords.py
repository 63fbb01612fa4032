from __future__ import annotations

import pytest
from pwdlib.hashers.argon2 import Argon2Hasher

from heedful.feedback.accounts import passwords


def test_a_hash_is_argon2_and_different_each_time() -> None:
    one, two = (passwords.hash_password("four unrelated words") for _ in range(2))
    assert one.startswith("$argon2id$")
    assert one != two
    assert passwords.fits("four unrelated words", one) == (True, None)
    assert passwords.fits("four unrelated word", one) == (False, None)


def test_checking_against_nothing_costs_a_hash_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is not measured, but what takes it: a verification, whether there is such an account or not."""
    seen: list[str] = []
    verify = passwords._hashing.verify_and_update

    def watched(password: str, hashed: str) -> tuple[bool, str | None]:
        seen.append(hashed[:30])
        return verify(password, hashed)

    monkeypatch.setattr(passwords._hashing, "verify_and_update", watched)
    known = passwords.hash_password("four unrelated words")
    assert passwords.fits("x" * 12, known) == (False, None)
    assert passwords.fits("x" * 12, None) == (False, None)
    assert seen == [known[:30], known[:30]], "the same algorithm with the same settings"


def test_a_hash_of_weaker_settings_is_renewed() -> None:
    weak = Argon2Hasher(time_cost=1, memory_cost=1024).hash("four unrelated words")
    right, renewed = passwords.fits("four unrelated words", weak)
    assert right
    assert renewed is not None
    assert passwords.fits("four unrelated words", renewed) == (True, None)
