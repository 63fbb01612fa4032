from __future__ import annotations

import csv
import io
from typing import Any


def test_a_project_without_models_says_so(owner: Any) -> None:
    assert "no model yet" in owner.get("/models").text


def test_the_lineage_is_a_picture_and_a_table(lively: Any) -> None:
    page = lively.owner.get("/models").text
    assert page.count('class="graph"') == 2
    for link in ("/campaigns/round-1", "/models/r1", "/models/v2"):
        assert f'href="{link}"' in page
    head, *rows = csv.reader(io.StringIO(lively.owner.get("/models.csv").content.decode("utf-8-sig")))
    assert head[:2] == ["model", "what"]
    assert [row[0] for row in rows] == ["v2", "r2", "v1", "r1", "v0"]


def test_a_policy_says_what_is_behind_it_and_how_good_it_is(lively: Any) -> None:
    page = lively.owner.get("/models/v1").text
    judgements = len(lively.store.judgements("round-1"))
    assert f"rests on {judgements:,} judgements of" in page
    assert "wins against v0" in page
    assert "round-1-improve: learned score" in page
    assert 'href="/dashboard/annotators/trainer-' in page
    assert "box-policy marked" in page


def test_a_reward_model_shows_its_calibration(lively: Any) -> None:
    page = lively.owner.get("/models/r2").text
    assert "Calibration of r2" in page
    assert "always the longer" in page


def test_a_model_that_is_not_there_is_not_found(owner: Any) -> None:
    assert owner.get("/models/v9").status_code == 404
