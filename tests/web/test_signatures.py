from __future__ import annotations

import hashlib
import hmac

import pytest

from heedful.web.signatures import signature, verified

SECRET, BODY, THEN = "a secret of the two", b'{"event": "ping"}', 1_767_225_600


def test_the_signature_is_the_hmac_of_time_and_body() -> None:
    digest = hmac.new(SECRET.encode(), b"1767225600." + BODY, hashlib.sha256).hexdigest()
    assert signature(SECRET, THEN, BODY) == f"t=1767225600,v1={digest}"


def test_only_the_right_secret_body_and_time_are_verified() -> None:
    right = signature(SECRET, THEN, BODY)
    assert verified(SECRET, right, BODY, now=THEN + 299)
    assert not verified(SECRET, right, BODY, now=THEN + 301)
    assert not verified(SECRET, right, BODY, now=THEN - 301)
    assert not verified("another secret", right, BODY, now=THEN)
    assert not verified(SECRET, right, BODY + b" ", now=THEN)
    assert not verified(SECRET, right.replace("t=1767225600", "t=1767225601"), BODY, now=THEN)


@pytest.mark.parametrize("wrong", ["", "t=,v1=", "v1=x", "t=1767225600", "t=x,v1=y", "t=" + "9" * 5000, "t=²,v1=é"])
def test_what_is_no_signature_is_not_verified(wrong: str) -> None:
    assert not verified(SECRET, wrong, BODY, now=THEN)
