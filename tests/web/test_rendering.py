from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from tests.web.hostile import HOSTILE

from heedful.records import Message, Prompt
from heedful.web import mathematics, rendering
from heedful.web.rendering import counted, markdown, prompt_parts


class Elements(HTMLParser):
    """Every element of a piece of HTML, with its attributes, and the text between."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def html(text: str) -> str:
    return str(markdown(text).html)


def test_there_are_enough_hostile_texts() -> None:
    assert len(HOSTILE) >= 60


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_hostile_survives(name: str) -> None:
    started = time.perf_counter()
    made = html(HOSTILE[name])
    elapsed = time.perf_counter() - started
    for tag, attributes in Elements(made).found:
        assert tag in rendering.TAGS | mathematics.TAGS
        allowed = {"class", "href", "rel", "target", "start", "tabindex"}
        assert set(attributes) <= allowed | set(mathematics.ATTRIBUTES), attributes
        if "href" in attributes:
            assert tag == "a"
            assert urlsplit(attributes["href"] or "").scheme in ("http", "https", "mailto")
            assert attributes["rel"] == "noopener noreferrer nofollow"
            assert attributes["target"] == "_blank"
    for code in (*range(9), *range(0x0B, 0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)):
        assert chr(code) not in made
    made.encode()
    assert len(made) < 3_000_000
    assert elapsed < 8, "a bound for slow machines; see benchmarks for the time it takes"


@pytest.mark.parametrize("name", HOSTILE)
def test_plain_text_is_kept_character_for_character(name: str) -> None:
    shown = Elements(f"<div>{counted(HOSTILE[name]).html}</div>")
    assert [tag for tag, _ in shown.found] == ["div"]
    assert len(shown.words) == min(len(HOSTILE[name]), 2 * rendering.LONGEST)
    assert "\r" not in shown.words  # HTML would make it a line feed


def test_markdown_is_laid_out() -> None:
    made = html("# Title\n\nSome *soft* and **loud** `code`.\n\n1. one\n2. two\n\n> said\n\n~~gone~~")
    for part in (
        "<h4>Title</h4>",
        "<em>soft</em>",
        "<strong>loud</strong>",
        "<code>code</code>",
        "<ol>",
        "<blockquote>",
    ):
        assert part in made
    assert "<s>gone</s>" in made


def test_headings_stay_below_those_of_the_page() -> None:
    made = html("\n\n".join("#" * level + " x" for level in range(1, 7)))
    assert re.findall(r"<(h\d)>", made) == ["h4", "h5", "h6", "h6", "h6", "h6"]


def test_headings_leave_no_level_out() -> None:
    made = markdown("### a\n\n# b\n\n##### c\n\n### d", below=1).html
    assert re.findall(r"<(h\d)>(.)</h\d>", made) == [("h2", "a"), ("h2", "b"), ("h3", "c"), ("h3", "d")]


def test_a_table_has_its_alignment_and_can_be_scrolled_by_keyboard() -> None:
    made = html("|a|b|\n|--:|:-:|\n|1|2|")
    assert '<div class="wide" tabindex="0"><table>' in made
    assert '<td class="align-right">1</td>' in made


@pytest.mark.parametrize(
    "formula", ["$x^2$", r"\(x^2\)", "$$\nx^2\n$$", r"\[x^2\]", "$$x^2$$", "text\n\n\\[\nx^2\n\\]\n\nmore"]
)
def test_formulas_are_mathml(formula: str) -> None:
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in html(formula)


def test_money_is_no_formula() -> None:
    assert "<math" not in html("It costs $5 here and $10 there, or US$ 12 in all.")


def test_code_is_highlighted_by_class_only() -> None:
    made = html("```python\ndef f(): pass\n```")
    assert '<code class="language-python"><span class="hl-k">def</span>' in made
    assert "style" not in made


def test_links_say_where_they_go() -> None:
    made = html("[the news](https://example.org/a) <https://example.org> [up](/logout)")
    assert 'href="https://example.org/a"' in made
    assert '<span class="address"> (https://example.org/a)</span>' in made
    assert "(https://example.org)<" not in made
    assert '<span class="mark">up</span><span class="address"> (/logout)</span>' in made


def test_images_become_words_and_address() -> None:
    made = html("![a cat](https://example.org/cat.png)")
    assert "<img" not in made
    assert "image: a cat (https://example.org/cat.png)" in made


def test_a_reference_stays_where_people_can_see_it() -> None:
    assert "[note]: http://example.org" in html("[note]: http://example.org")


def test_a_long_text_is_cut_and_says_so() -> None:
    long = markdown("word " * 10_000)
    assert long.cut
    assert len(str(long.html)) < 21_000
    assert not markdown("short").cut


def test_a_prompt_is_shown_turn_by_turn() -> None:
    parts = prompt_parts(Prompt.of([Message("user", "*hi*"), Message("assistant", "hello")]))
    assert [(part.role, str(part.body.html).strip()) for part in parts] == [
        ("user", "<p><em>hi</em></p>"),
        ("assistant", "<p>hello</p>"),
    ]
    assert [part.role for part in prompt_parts(Prompt.of("plain"))] == [""]
    assert prompt_parts(Prompt("p")) == []
