from __future__ import annotations

from heedful.web.characters import cut, in_place, readable


def test_what_turns_the_direction_is_written_out() -> None:
    assert readable("a\u202eb\u2066c") == "a‹U+202E›b‹U+2066›c"


def test_hidden_tags_are_written_out() -> None:
    assert readable("x\U000e0041") == "x‹U+E0041›"


def test_control_characters_become_pictures() -> None:
    assert readable("a\0b\x1b[31m\x7f") == "a␀b␛[31m␡"
    assert readable("a\tb\nc") == "a\tb\nc"


def test_line_ends_are_one_character() -> None:
    assert readable("a\r\nb\rc\u2028d") == "a\nb\nc\nd"


def test_piles_of_marks_are_taken_down() -> None:
    assert readable("e" + "\u0301" * 50) == "e" + "\u0301" * 4
    assert readable("e\u0301") == "e\u0301"


def test_halves_of_characters_are_replaced() -> None:
    assert readable("a\ud83db") == "a\ufffdb"


def test_ordinary_text_stays_as_it_is() -> None:
    for text in ("שלום עולם", "مرحبا", "नमस्ते", "👩‍👩‍👧 🇩🇪", "naïve café", "日本語"):
        assert readable(text) == in_place(text) == text


def test_in_place_keeps_every_position() -> None:
    text = "a\r\nb\rc\0\u202e\U000e0041\u2028\ud800z"
    assert len(in_place(text)) == len(text)
    assert in_place(text)[-1] == "z"
    assert "\r" not in in_place(text)


def test_a_cut_ends_at_a_word() -> None:
    assert cut("short", 10) == "short"
    assert cut("one two three four", 15) == "one two three"
    assert cut("x" * 30, 10) == "x" * 10
