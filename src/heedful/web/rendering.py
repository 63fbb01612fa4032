"""Text from people and models as HTML for the pages: Markdown, code, tables and formulas, and nothing else.

What a model writes is hostile input. It goes through three gates: deceiving characters are written out
(`characters`); Markdown is read without raw HTML, and every address is judged (only http, https and mailto become
links, images become their words and their address); what comes out passes a strict list of elements and attributes
(nh3). Nothing that is rendered can load, run, style or move anything. Time and size are bounded by `LONGEST`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markupsafe import Markup
from mdit_py_plugins.dollarmath import dollarmath_plugin

from heedful.records import Prompt
from heedful.web import characters, mathematics
from heedful.web.highlighting import CLASS, highlighted

LONGEST = 20_000
"""Characters that are laid out; the rest is behind "show all", as plain text."""

SCHEMES = frozenset({"http", "https", "mailto"})
"""Of addresses that become links; all others are shown as text."""

TAGS = frozenset(
    re.findall(
        r"\S+",
        """
        p br hr h2 h3 h4 h5 h6 strong em s del code pre blockquote ul ol li table thead tbody tr th td a span div
        """,
    )
)

_CLASSES = {
    "div": re.compile("wide|formula"),
    "span": re.compile(f"{CLASS.pattern}|image|address|mark"),
    "code": re.compile("formula|language-[a-z0-9+#-]{1,20}"),
    "th": re.compile("align-(left|right|center)"),
    "td": re.compile("align-(left|right|center)"),
}
_ATTRIBUTES: dict[str, set[str]] = {
    **{tag: {"class"} for tag in _CLASSES},
    **{tag: set(mathematics.ATTRIBUTES) for tag in mathematics.TAGS},
    "a": {"href"},
    "ol": {"start"},
}
_ATTRIBUTES["div"].add("tabindex")


def _kept(tag: str, name: str, value: str) -> str | None:
    if name == "class":
        pattern = _CLASSES[tag]
        return value if value and all(pattern.fullmatch(word) for word in value.split(" ")) else None
    if name == "start":
        return value if re.fullmatch(r"\d{1,9}", value) else None
    if name == "tabindex":
        return value if value == "0" else None
    if name in mathematics.ATTRIBUTES:
        return value if mathematics.ATTRIBUTES[name].fullmatch(value) else None
    return value


_cleaner = nh3.Cleaner(
    tags=set(TAGS | mathematics.TAGS),
    attributes=_ATTRIBUTES,
    attribute_filter=_kept,
    url_schemes=set(SCHEMES),
    link_rel="noopener noreferrer nofollow",
    set_tag_attribute_values={"a": {"target": "_blank"}},
    strip_comments=True,
)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A text as HTML."""

    html: Markup
    """Safe to put into a page."""
    cut: bool = False
    """Whether only its beginning is there."""


@lru_cache(maxsize=512)
def markdown(text: str, below: int = 3) -> Rendered:
    """Markdown as safe HTML; of a very long text the beginning.

    Args:
        text: what was written.
        below: the level of the page's heading above it: the text's own begin one deeper and leave no level out.
    """
    head = characters.cut(characters.readable(characters.cut(text, LONGEST)), LONGEST)
    try:
        made = _reader().render(head, {"below": below})
    except RecursionError:
        made = f"<p>{html.escape(head)}</p>"
    return Rendered(Markup(_cleaner.clean(made)), len(text) > LONGEST)


def counted(text: str, most: int = 2 * LONGEST) -> Rendered:
    """Text as it is, character for character, so that a place in it on the page is a place in the text."""
    return Rendered(Markup(html.escape(characters.in_place(text[:most]), quote=False)), len(text) > most)


@dataclass(frozen=True, slots=True)
class Part:
    """One turn of a prompt."""

    role: str
    """Empty when the prompt is plain text."""
    body: Rendered


def prompt_parts(prompt: Prompt) -> list[Part]:
    """A prompt, turn by turn."""
    if prompt.messages:
        return [Part(message.role, markdown(message.content)) for message in prompt.messages]
    return [Part("", markdown(prompt.text))] if prompt.text else []


@lru_cache(maxsize=1)
def _reader() -> MarkdownIt:
    # Raw HTML is text. A reference definition would be taken out of the text and not be seen: it stays text too.
    reader = MarkdownIt("commonmark", {"html": False, "maxNesting": 60, "highlight": None})
    reader.enable(["table", "strikethrough"]).disable(["reference", "html_block", "html_inline"])
    reader.use(dollarmath_plugin, allow_digits=False, double_inline=True, allow_labels=False)
    reader.use(mathematics.brackets)
    reader.core.ruler.push("headings", _headings)
    for name, rule in _RULES.items():
        reader.add_render_rule(name, rule)
    return reader


def _headings(state: StateCore) -> None:
    above = state.env["below"]
    headings = [token for token in state.tokens if token.type in ("heading_open", "heading_close")]
    ranks = {tag: rank for rank, tag in enumerate(sorted({token.tag for token in headings}), 1)}
    level = above
    for token in headings:
        if token.nesting == 1:
            level = min(above + ranks[token.tag], level + 1, 6)
        token.tag = f"h{level}"


_MONEY = re.compile(r"\d[\d.,]*[kKmMbB]? +[A-Za-z]{2}")
"""`$10 there and US$` is no formula."""

# How each piece is written: the reader calls these with itself, the tokens, a position, options and a place for notes.


def _formula(_self: Any, tokens: Sequence[Token], at: int, _options: Any, _env: Any) -> str:
    content = tokens[at].content
    if tokens[at].markup == "$" and _MONEY.match(content) and "\\" not in content:
        return f"${html.escape(content, quote=False)}$"
    return mathematics.mathml(content)


def _formula_block(_self: Any, tokens: Sequence[Token], at: int, _options: Any, _env: Any) -> str:
    made = mathematics.mathml(tokens[at].content, block=True)
    return f'<div class="wide formula" tabindex="0">{made}</div>' if tokens[at].block else made


def _code(_self: Any, tokens: Sequence[Token], at: int, _options: Any, env: Any) -> str:
    language = tokens[at].info.strip().partition(" ")[0].lower()
    spent = env.get("highlighted", 0)
    env["highlighted"] = spent + len(tokens[at].content)
    inner = highlighted(tokens[at].content, language, spent)
    shown = f' class="language-{language}"' if re.fullmatch("[a-z0-9+#-]{1,20}", language) else ""
    return f"<pre><code{shown}>{inner}</code></pre>\n"


def _image(_self: Any, tokens: Sequence[Token], at: int, _options: Any, _env: Any) -> str:
    address = str(tokens[at].attrs.get("src", ""))
    words = f"image: {tokens[at].content or 'without words'}"
    return f'<span class="image">{html.escape(words)} ({html.escape(_short(address))})</span>'


def _link_open(_self: Any, tokens: Sequence[Token], at: int, _options: Any, _env: Any) -> str:
    address = str(tokens[at].attrs.get("href", ""))
    return f'<a href="{html.escape(address)}">' if _links(address) else '<span class="mark">'


def _link_close(_self: Any, tokens: Sequence[Token], at: int, _options: Any, _env: Any) -> str:
    opening = next(i for i in range(at, -1, -1) if tokens[i].type == "link_open")
    address = str(tokens[opening].attrs.get("href", ""))
    words = "".join(token.content for token in tokens[opening + 1 : at])
    end = "</a>" if _links(address) else "</span>"
    if words.strip() in (address, address.removeprefix("mailto:")):
        return end
    return f'{end}<span class="address"> ({html.escape(_short(address))})</span>'


def _cell(_self: Any, tokens: Sequence[Token], at: int, _options: Any, _env: Any) -> str:
    found = re.fullmatch("text-align:(left|right|center)", str(tokens[at].attrs.get("style", "")))
    return f'<{tokens[at].tag}{f""" class="align-{found[1]}" """.rstrip() if found else ""}>'


def _table_open(*_: Any) -> str:
    return '<div class="wide" tabindex="0"><table>\n'


def _table_close(*_: Any) -> str:
    return "</table></div>\n"


_RULES = {
    "math_inline": _formula,
    "math_inline_double": _formula_block,
    "math_block": _formula_block,
    "fence": _code,
    "code_block": _code,
    "image": _image,
    "link_open": _link_open,
    "link_close": _link_close,
    "th_open": _cell,
    "td_open": _cell,
    "table_open": _table_open,
    "table_close": _table_close,
}


def _links(address: str) -> bool:
    try:
        return urlsplit(address).scheme.lower() in SCHEMES
    except ValueError:
        return False


def _short(address: str) -> str:
    return address if len(address) <= 80 else f"{address[:79]}…"
