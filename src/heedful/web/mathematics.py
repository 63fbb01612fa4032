"""TeX formulas as MathML, from model output, which is hostile: only known elements, attributes and values come out.

`latex2mathml` reads the formula. What it makes is not used as it is, since it puts text and attributes of the
formula into its output unchecked; its tree of elements is written anew here.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from latex2mathml.converter import convert_to_element
from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from markdown_it.rules_inline import StateInline

LONGEST = 2000
"""Characters of a formula; a longer one is shown as code."""

TAGS = frozenset(
    re.findall(
        r"\S+",
        """
        math mrow mi mn mo ms mtext mspace mfrac msqrt mroot mstyle merror mpadded mphantom mfenced menclose
        msub msup msubsup munder mover munderover mmultiscripts mprescripts none mtable mtr mtd mlabeledtr
        """,
    )
)

_WORD = re.compile(r"[a-z-]{1,20}( [a-z-]{1,20}){0,11}")
_LENGTH = re.compile(r"-?\d{0,1}(\.\d{1,3})?(em|ex|pt)")
_COLOUR = re.compile(r"[a-zA-Z]{1,20}|#[0-9a-fA-F]{3,6}")

ATTRIBUTES: Mapping[str, re.Pattern[str]] = {
    "display": re.compile("block|inline"),
    "displaystyle": _WORD,
    "mathvariant": _WORD,
    "stretchy": _WORD,
    "fence": _WORD,
    "form": _WORD,
    "separator": _WORD,
    "accent": _WORD,
    "accentunder": _WORD,
    "movablelimits": _WORD,
    "largeop": _WORD,
    "columnalign": _WORD,
    "rowalign": _WORD,
    "columnlines": _WORD,
    "rowlines": _WORD,
    "notation": _WORD,
    "scriptlevel": re.compile(r"[+-]?\d"),
    "linethickness": _LENGTH,
    "minsize": _LENGTH,
    "maxsize": _LENGTH,
    "width": _LENGTH,
    "lspace": _LENGTH,
    "rspace": _LENGTH,
    "mathcolor": _COLOUR,
}
"""The attributes that are kept, each with what its value must be; all others are dropped."""


def mathml(formula: str, *, block: bool = False) -> str:
    """A formula as MathML, or as code when it is too long or cannot be read.

    Args:
        formula: TeX, without its delimiters.
        block: on lines of its own, or in the line.
    """
    if len(formula) <= LONGEST:
        try:
            return _written(convert_to_element(formula, display="block" if block else "inline"))
        except Exception:  # noqa: BLE001 - the library raises errors of any class for a formula that it cannot read
            pass
    return f'<code class="formula">{html.escape(formula, quote=False)}</code>'


def _written(element: Element) -> str:
    tag = element.tag.rpartition("}")[2]
    inner = "".join((_text(element.text), *map(_written, element)))
    if tag not in TAGS:
        return inner + _text(element.tail)
    kept = [
        f' {name}="{html.escape(value)}"'
        for name, value in element.attrib.items()
        if name in ATTRIBUTES and ATTRIBUTES[name].fullmatch(value)
    ]
    return f"<{tag}{''.join(kept)}>{inner}</{tag}>{_text(element.tail)}"


def _text(text: str | None) -> str:
    """The library writes its own characters as `&#x00028;` and leaves the formula's as they are."""
    return html.escape(html.unescape(text), quote=False) if text else ""


def brackets(md: MarkdownIt) -> None:
    r"""A plugin that reads `\(...\)` and `\[...\]`, as tokens `math_inline` and `math_inline_double`."""
    md.inline.ruler.before("escape", "math_brackets", _read)


def _read(state: StateInline, silent: bool) -> bool:
    opening = state.src[state.pos : state.pos + 2]
    if opening not in ("\\(", "\\["):
        return False
    start = state.pos + 2
    end = state.src.find("\\)" if opening == "\\(" else "\\]", start, min(start + LONGEST, state.posMax))
    if end < 0 or not state.src[start:end].strip():
        return False
    if not silent:
        token = state.push("math_inline" if opening == "\\(" else "math_inline_double", "math", 0)
        token.content = state.src[start:end]
        token.markup = opening
    state.pos = end + 2
    return True
