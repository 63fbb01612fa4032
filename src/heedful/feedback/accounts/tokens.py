"""Secrets that are shown once: random texts of 256 bits, of which only the SHA-256 is stored.

They are random and long, so a fast hash is enough; passwords, which are neither, have a slow one (see `accounts`).
"""

from __future__ import annotations

import hashlib
import secrets


def new_token(prefix: str = "") -> str:
    """A fresh secret of 256 random bits in letters that a URL can carry, after `prefix`."""
    return prefix + secrets.token_urlsafe(32)


def new_id(prefix: str) -> str:
    """A fresh public id: `prefix`, a hyphen and 80 random bits."""
    return f"{prefix}-{secrets.token_hex(10)}"


def hash_of(token: str) -> str:
    """What is stored of a token: its SHA-256 in hexadecimal."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
