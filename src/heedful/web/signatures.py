"""The signature of a webhook's calls: HMAC-SHA256 over the time stamp, a full stop and the body."""

from __future__ import annotations

import hashlib
import hmac
import time


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """The value of the header `Heedful-Signature` for a body sent at `timestamp` (seconds since 1970)."""
    return f"t={timestamp},v1={_digest(secret, str(timestamp), body)}"


def verified(secret: str, signature: str, body: bytes, *, tolerance_s: float = 300.0, now: float | None = None) -> bool:
    """Whether a webhook's call comes from a server that knows the secret, and is no older than `tolerance_s`.

    Args:
        secret: the webhook's.
        signature: the header `Heedful-Signature`.
        body: as it came, byte for byte.
        tolerance_s: how far the clocks may differ, and how old a repeated call may be, in seconds.
        now: seconds since 1970, UTC; the clock's when it is left out.
    """
    parts = dict(part.partition("=")[::2] for part in signature.split(","))
    if not parts.get("t", "").isdecimal() or len(parts["t"]) > 15:
        return False
    right = _digest(secret, parts["t"], body)
    moment = time.time() if now is None else now
    fresh = abs(moment - int(parts["t"])) <= tolerance_s
    return hmac.compare_digest(right.encode(), parts.get("v1", "").encode()) and fresh


def _digest(secret: str, timestamp: str, body: bytes) -> str:
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
