from __future__ import annotations

import pytest

from heedful.feedback.steering.moments import is_moment, moment_of, stamp


def test_a_moment_survives_as_text() -> None:
    assert stamp(86_400.5) == "1970-01-02T00:00:00.500+00:00"
    assert moment_of(stamp(86_400.5)) == 86_400.5
    assert moment_of("1970-01-02") == 86_400
    assert stamp().endswith("+00:00")


@pytest.mark.parametrize(("text", "known"), [("2026-05-01T18:00", True), ("2026-13-01", False), ("soon", False)])
def test_what_is_a_moment(text: str, known: bool) -> None:
    assert is_moment(text) is known
