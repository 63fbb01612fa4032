from __future__ import annotations

from heedful.feedback.accounts.tokens import hash_of, new_id, new_token


def test_tokens_are_long_different_and_fit_into_an_address() -> None:
    tokens = {new_token("x_") for _ in range(100)}
    assert len(tokens) == 100
    for token in tokens:
        assert token.startswith("x_")
        assert len(token) >= 45
        assert token.replace("_", "").replace("-", "").isalnum()
    assert len({new_id("key") for _ in range(100)}) == 100


def test_a_hash_is_sha256() -> None:
    assert hash_of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert len(hash_of("\udcff")) == 64
