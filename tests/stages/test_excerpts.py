"""The table of samples: by hand, and as a run keeps it over a crash."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.stages.test_improving import config

from heedful.learning.kl import AdaptiveKL
from heedful.records import Prompt
from heedful.reward.shaping import Shaping
from heedful.rollouts import Rollouts
from heedful.runs import Run
from heedful.stages import improve, report
from heedful.stages.excerpts import Excerpts, read, rows_of

ROLLOUTS = Rollouts(
    {},
    torch.tensor([[True, True], [True, False], [True, False]]),
    torch.tensor([4, 4, 2]),
    torch.tensor([[-1.0, -2.0], [-1.0, 9.0], [-3.0, 9.0]]),
    ref_logprobs_BT=torch.tensor([[-1.5, -3.0], [-1.0, 9.0], [-2.0, 9.0]]),
    finished_B=torch.tensor([True, True, False]),
    scores_B=torch.tensor([2.0, 1.0, 5.0]),
    prompts=(Prompt("a", "what?"), Prompt("a", "what?"), Prompt("b", "who?")),
    completions=("this", "that", "you\nand I"),
)


def test_rows_by_hand() -> None:
    """Total: score less 0.1 a nat, and less 1 where the completion did not end."""
    shaped = Shaping(lambda rollouts: rollouts, AdaptiveKL(0.1, 6.0, 1e4), missing_stop_penalty=1.0)(ROLLOUTS)
    first, second = rows_of(shaped)
    assert (first["prompt"], first["completion"], second["completion"]) == ("what?", "this", "you\nand I")
    assert [first["score"], first["kl"], first["total"]] == pytest.approx([2.0, 1.5, 1.85])
    assert [second["score"], second["kl"], second["total"]] == pytest.approx([5.0, -1.0, 4.1])


def test_every_tenth_step_is_looked_at_and_what_was_undone_is_dropped(tmp_path: Path) -> None:
    reward = Excerpts(tmp_path, 0).rewarding(lambda rollouts: rollouts)
    for _ in range(21):
        assert reward(ROLLOUTS) is ROLLOUTS
    assert [row["step"] for row in read(tmp_path)] == [0, 0, 10, 10, 20, 20]
    with (tmp_path / "samples.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"step": 20, "promp')
    again = Excerpts(tmp_path, 15).rewarding(lambda rollouts: rollouts)
    for _ in range(6):
        again(ROLLOUTS)
    assert [row["step"] for row in read(tmp_path)] == [0, 0, 10, 10, 20, 20]


def test_a_run_keeps_what_it_wrote(
    make_project: Callable[[str], Path], break_off: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("heedful.stages.excerpts.EVERY", 1)
    given: dict[str, Any] = {"algorithm": "rloo", "check_every": 0}
    whole, broken = make_project("whole"), make_project("broken")
    improve.run(config(whole, **given))
    break_off(3)
    with pytest.raises(KeyboardInterrupt):
        improve.run(config(broken, **given))
    improve.run(config(broken, **given))
    found = read(whole / "runs" / "0001-improve")
    assert read(broken / "runs" / "0001-improve") == found
    lines = Run(whole / "runs" / "0001-improve", {}).metrics()
    assert [row["step"] for row in found] == [step for step in range(6) for _ in range(4)]
    assert found[0]["kl"] == pytest.approx(0, abs=1e-4)
    for row in found:
        assert row["score"] == row["completion"].count("e")
    page = report.run(report.Config(whole)).read_text(encoding="utf-8")
    assert "wrote at step 5" in page
    assert all(row["completion"] in page for row in found[-4:])
    for line in lines:
        assert line["non_score_reward"] == pytest.approx(-line["kl_coefficient"] * line["kl"], abs=1e-6)
