"""Code in colours: pygments with class names only, for known languages and for as much code as stays quick."""

from __future__ import annotations

import html
import re
from functools import lru_cache

from pygments import highlight  # type: ignore[import-untyped]
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
from pygments.lexer import Lexer  # type: ignore[import-untyped]
from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]

LANGUAGES = frozenset(
    re.findall(
        r"\S+",
        """
        python py python3 pycon javascript js typescript ts jsx tsx java c cpp c++ go rust ruby rb php swift
        kotlin scala bash sh shell zsh json yaml yml toml ini html xml css sql r julia lua perl haskell latex
        tex diff dockerfile markdown md
        """,
    )
)
"""What is highlighted. Others, C# and Make among them, take time out of proportion for hostile input."""

LONGEST = 4000
"""Characters of one piece of code: the time of some languages grows with the square of it (0.5 s at worst here)."""

MOST = 8000
"""Characters of all the code in one text."""

CLASS = re.compile("hl-[A-Za-z0-9-]{1,24}")


def highlighted(code: str, language: str, before: int = 0) -> str:
    """Code as HTML: `<span class="hl-k">`, or plain where the language is unknown or there is too much.

    Args:
        code: the code.
        language: its name, as written at the fence.
        before: characters of the same text that were highlighted already.
    """
    if language not in LANGUAGES or len(code) > LONGEST or before + len(code) > MOST:
        return html.escape(code, quote=False)
    return str(highlight(code, _lexer(language), _formatter()))


@lru_cache(maxsize=64)
def _lexer(language: str) -> Lexer:
    return get_lexer_by_name(language, stripnl=False, ensurenl=False)


@lru_cache(maxsize=1)
def _formatter() -> HtmlFormatter:
    return HtmlFormatter(nowrap=True, classprefix="hl-")
