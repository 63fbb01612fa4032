"""The settings of a round: the file's section, the round's own seed, and what is given."""

from __future__ import annotations

from pathlib import Path

from heedful.settings import FILE
from heedful.stages import collect
from heedful.stages.project import Project, ProjectSettings
from heedful.stages.rounds import settings_of_round


def test_each_round_has_a_seed_of_its_own_and_the_files_settings(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("[collect]\nquestions = 7\nseed = 3\n", encoding="utf-8")
    project = Project(tmp_path, ProjectSettings())
    one, two = (settings_of_round(project, collect.Config, "collect", 0, number, threads=2) for number in (1, 2))
    assert (one.project, one.questions, one.threads) == (tmp_path, 7, 2)
    assert len({one.seed, two.seed, 3}) == 3
    assert settings_of_round(project, collect.Config, "collect", 0, 1).seed == one.seed
