"""Characters that deceive are made visible: control characters, overrides of the writing direction, hidden tags.

`readable` is for text that is laid out, `in_place` for text whose characters are counted (spans of flags): there
every character stays one character.
"""

from __future__ import annotations

import re

PICTURE_OF_DELETE = "\u2421"
REPLACEMENT = "\ufffd"

_CONTROLS = {code: chr(0x2400 + code) for code in range(0x20) if code not in (0x09, 0x0A)}
_CONTROLS |= {0x7F: PICTURE_OF_DELETE}
_CONTROLS |= dict.fromkeys(range(0x80, 0xA0), REPLACEMENT)
_HALVES = dict.fromkeys(range(0xD800, 0xE000), REPLACEMENT)
"""Half a character: nothing can encode it."""
_NOTHING = dict.fromkeys((0xFFFE, 0xFFFF, *range(0xFDD0, 0xFDF0)), REPLACEMENT)
_TURNING = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Embeddings, overrides and isolates of the writing direction (Boucher & Anderson 2021, "Trojan Source")."""
_HIDDEN = (*range(0xE0000, 0xE0080), 0xFFF9, 0xFFFA, 0xFFFB, 0x00AD, 0x180E, 0x2061, 0x2062, 0x2063, 0x2064)
"""Tags and others that show nothing and may carry a text of their own."""

_READABLE = _CONTROLS | _HALVES | _NOTHING | {code: f"‹U+{code:04X}›" for code in (*_TURNING, *_HIDDEN)}
_READABLE |= {0x0D: "\n", 0x2028: "\n", 0x2029: "\n"}
_IN_PLACE = _CONTROLS | _HALVES | _NOTHING | dict.fromkeys((*_TURNING, *_HIDDEN), REPLACEMENT)
_IN_PLACE |= {0x2028: "\n", 0x2029: "\n"}

_MARKS = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
_PILE = re.compile(f"([{_MARKS}]{{4}})[{_MARKS}]+")
"""More combining marks on one letter than any language writes: they would climb over their neighbours."""


def readable(text: str) -> str:
    """`text` with every character that deceives written out: `‹U+202E›` for a right-to-left override."""
    return _PILE.sub(r"\1", text.replace("\r\n", "\n").translate(_READABLE))


def in_place(text: str) -> str:
    """`text` with every character that deceives replaced by another one; it keeps its length.

    A carriage return before a line feed becomes a character without width, since HTML would drop it.
    """
    return text.replace("\r\n", "\u2060\n").replace("\r", "\n").translate(_IN_PLACE)


def cut(text: str, most: int) -> str:
    """The first `most` characters of `text`, ended at a line or word where one is near."""
    if len(text) <= most:
        return text
    head = text[:most]
    for mark in ("\n", " "):
        place = head.rfind(mark)
        if place > most * 0.8:
            return head[:place]
    return head
