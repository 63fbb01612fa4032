from __future__ import annotations

import csv
import io
import math

import pytest

from heedful.evaluation.blocks import Column, Table
from heedful.evaluation.intervals import Interval
from heedful.web.sheets import Sheet, csv_response, csv_text, harmless, view_of

TABLE = Table(
    ("who", Column("skill", percent=True, explanation="how often right"), Column("empty"), Column("n", digits=0)),
    [["ann", Interval(0.75, 0.5, 1.0), None, 3], ["bob", None, None, 12_000]],
)


def test_a_view_leaves_out_what_says_nothing_and_aligns_numbers() -> None:
    view = view_of(Sheet("people", TABLE, {0: "/people/ann"}))
    assert view.heads == [("who", False, ""), ("skill", True, "how often right"), ("n", True, "")]
    [ann, bob] = view.rows
    assert (ann[0].text, ann[0].link, bob[0].link) == ("ann", "/people/ann", "")
    assert (ann[1].text, ann[1].bounds, bob[1].text) == ("75 %", "50 to 100", "–")
    assert bob[2].text == "12\u202f000"


def test_csv_has_numbers_in_full_and_intervals_as_three_columns() -> None:
    rows = list(csv.reader(io.StringIO(csv_text(TABLE))))
    assert rows == [
        ["who", "skill", "skill low", "skill high", "empty", "n"],
        ["ann", "0.75", "0.5", "1.0", "", "3"],
        ["bob", "", "", "", "", "12000"],
    ]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=1", "  =cmd|' /C calc'!A0", "＝1"])
def test_no_text_becomes_a_formula(text: str) -> None:
    [[cell]] = csv.reader(io.StringIO(csv_text(Table((text,), []))))
    assert cell == f"'{text}"
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["ann", "a=b", "v1-v2", "", 'say "hi", please'])
def test_harmless_texts_stay_as_they_are(text: str) -> None:
    assert harmless(text) == text
    [_, [cell, _]] = csv.reader(io.StringIO(csv_text(Table(("a", "b"), [[text, 1]]))))
    assert cell == text


def test_negative_and_missing_numbers_are_numbers() -> None:
    [_, row] = csv.reader(io.StringIO(csv_text(Table(("a", "b", "c"), [[-0.5, math.nan, -math.inf]]))))
    assert row == ["-0.5", "", "-inf"]


def test_the_file_is_one_that_spreadsheets_read_as_utf_8() -> None:
    response = csv_response("people", Table(("name",), [["Yıldız"]]))
    assert bytes(response.body).decode("utf-8-sig") == "name\r\nYıldız\r\n"
    assert bytes(response.body).startswith(b"\xef\xbb\xbf")
    assert response.headers["content-disposition"] == 'attachment; filename="people.csv"'
