from __future__ import annotations

import re
import time

import pytest

from heedful.web.highlighting import CLASS, LANGUAGES, LONGEST, MOST, highlighted

HARD = ("a.", '\\"', "x\n ", "/*", "{", "<", "&", "a:", "0.", "'''", "${")
"""Repeated, these cost the languages of pygments most."""


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_language_colours_and_loses_nothing(language: str) -> None:
    code = "if x < 1 and y > 2:\n    print('&amp;')  # done\n"
    made = highlighted(code, language)
    assert all(CLASS.fullmatch(name) for names in re.findall(r'class="([^"]*)"', made) for name in names.split())
    text = re.sub(r"<[^>]*>", "", made)
    assert (
        text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", '"')
        .replace("&#39;", "'")
        .replace("&amp;", "&")
        == code
    )


@pytest.mark.parametrize("language", ["python", "javascript", "html", "json", "bash"])
def test_hostile_code_costs_little(language: str) -> None:
    for piece in HARD:
        started = time.perf_counter()
        highlighted((piece * LONGEST)[:LONGEST], language)
        assert time.perf_counter() - started < 3, piece  # a bound for slow machines


def test_unknown_languages_and_long_code_stay_plain() -> None:
    assert highlighted("a < b", "nonesuch") == "a &lt; b"
    assert highlighted("x" * (LONGEST + 1), "python") == "x" * (LONGEST + 1)
    assert "<span" not in highlighted("def f(): pass", "python", before=MOST)
