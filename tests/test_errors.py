"""What people read when something is wrong."""

import errno
from pathlib import Path

import pytest

from heedful.errors import Problem, from_os_error


def test_a_problem_says_where_what_and_how_to_mend_it() -> None:
    problem = Problem("the prompt is empty", where='votes.jsonl, line 7, field "prompt"', mend="fill it")
    assert str(problem) == 'votes.jsonl, line 7, field "prompt": the prompt is empty\nTo mend it: fill it'
    assert (problem.what, problem.mend) == ("the prompt is empty", "fill it")


def test_a_problem_may_leave_out_where_and_mend() -> None:
    assert str(Problem("no such verb")) == "no such verb"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk is full"),
        (errno.EACCES, "no permission"),
        (errno.EROFS, "no permission"),
        (errno.ENOENT, "no such file"),
        (errno.ENOTDIR, "a file is where a folder should be"),
        (errno.EMFILE, "Too many open files"),
    ],
)
def test_faults_of_the_machine_become_problems_that_name_the_file(code: int, words: str) -> None:
    problem = from_os_error(OSError(code, "Too many open files", "/data/run.json"))
    assert words in problem.what
    assert problem.where == "/data/run.json"


def test_a_real_missing_file_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "absent"
    with pytest.raises(FileNotFoundError) as caught:
        missing.read_text()
    assert from_os_error(caught.value).where == str(missing)


def test_a_fault_without_a_file_name_and_one_with_bytes() -> None:
    assert from_os_error(OSError(errno.ENOSPC, "full")).where == ""
    assert from_os_error(OSError(errno.ENOSPC, "full", b"/tmp/x")).where == "/tmp/x"
