"""Passwords, kept as argon2id hashes; checking one takes as long where there is nothing to check it against."""

from __future__ import annotations

import threading
from functools import lru_cache

from pwdlib import PasswordHash

from heedful.errors import Problem
from heedful.feedback.accounts.tokens import new_token

LENGTHS = (10, 1000)
"""Fewest and most characters of a password."""

_hashing = PasswordHash.recommended()
_turns = threading.BoundedSemaphore(2)
"""One hash takes 64 MiB of memory; so many are made at once."""


def hash_password(password: str, login: str = "") -> str:
    """The hash of a password; takes about a tenth of a second, so never inside a transaction.

    Raises:
        Problem: it is too short or too long, the login itself, or nearly one character only.
    """
    low, high = LENGTHS
    mend = f"use at least {low} characters; several unrelated words are good"
    if len(password) < low:
        raise Problem("the password is too short", where="password", mend=mend)
    if len(password) > high:
        raise Problem("the password is too long", where="password", mend=f"use at most {high} characters")
    if len(set(password)) < 4 or password.strip().lower() == login:
        raise Problem("the password is too easy to guess", where="password", mend=mend)
    with _turns:
        return _hashing.hash(password)


def fits(password: str, hashed: str | None) -> tuple[bool, str | None]:
    """Whether a password is the one of a hash, and a new hash where the old one is of weaker settings.

    Without a hash the answer is no, and takes the same time.
    """
    with _turns:
        right, renewed = _hashing.verify_and_update(password[: LENGTHS[1]], hashed or _nobody())
    return right and hashed is not None, renewed if hashed is not None else None


@lru_cache(maxsize=1)
def _nobody() -> str:
    return _hashing.hash(new_token())
