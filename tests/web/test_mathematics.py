from __future__ import annotations

from xml.etree import ElementTree

import pytest

from heedful.web.mathematics import ATTRIBUTES, LONGEST, TAGS, mathml


@pytest.mark.parametrize(
    ("formula", "part"),
    [
        (r"\frac{a}{b}", "<mfrac><mrow><mi>a</mi></mrow><mrow><mi>b</mi></mrow></mfrac>"),
        (r"\left( x \right)", "<mo"),
        (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", "<mtable>"),
        (r"\begin{align}a&=b\\c&=d\end{align}", "<mtr>"),
        (r"\mathbb{R}", "ℝ"),
        (r"a < b", "&lt;"),
        (r"\text{if } x", "<mtext>if\u00a0</mtext>"),
    ],
)
def test_formulas_are_read(formula: str, part: str) -> None:
    assert part in mathml(formula)


@pytest.mark.parametrize(
    "formula",
    [
        r"\text{<script>x</script>}",
        r"\href{javascript:x}{y}",
        r"\style{color:red}{y}",
        r"\class{button}{y}",
        r'\color{red" onload="x}y',
        r"\rule{1000em}{1000em}",
        r"\hspace{9999em}",
        r"\text{&lt;img&gt;}",
        r"\text{&}",
    ],
)
def test_only_known_elements_attributes_and_values_come_out(formula: str) -> None:
    for element in ElementTree.fromstring(mathml(formula)).iter():
        assert element.tag in TAGS
        for name, value in element.attrib.items():
            assert ATTRIBUTES[name].fullmatch(value)


def test_the_characters_of_a_formula_are_text() -> None:
    assert "&lt;script&gt;x&lt;/script&gt;" in mathml(r"\text{<script>x</script>}")


@pytest.mark.parametrize("formula", [r"\frac{", "}{", "x^2^2", r"\sqrt{" * 900 + "}" * 900, "x" * (LONGEST + 1)])
def test_what_cannot_be_read_is_shown_as_code(formula: str) -> None:
    assert mathml(formula) == f'<code class="formula">{formula}</code>'


def test_a_formula_on_its_own_lines_says_so() -> None:
    assert mathml("x", block=True).startswith('<math display="block">')
