"""Files into the store and out again: counts, nothing twice, nothing half, nothing lost."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heedful.errors import Problem
from heedful.feedback import lineage, views
from heedful.feedback.exchange import export_file, export_lines, import_file, read
from heedful.feedback.formats import FORMATS, exports, named
from heedful.feedback.splits import split
from heedful.feedback.store import Store
from heedful.records import Annotator, Completion, Judgement, Message, Prompt, Question

FIXTURES = Path(__file__).parent / "fixtures"
DOCS = Path(__file__).parents[2] / "docs"
NOUNS = ("prompts", "completions", "annotators", "questions", "judgements")


def write_rows(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def read_rows(path: Path) -> list[Any]:
    content = path.read_bytes()
    text = gzip.decompress(content) if path.name.endswith(".gz") else content
    return [json.loads(line) for line in text.decode().split("\n") if line]


def held(store: Store) -> dict[str, Any]:
    """Everything in a store, by id."""
    return {noun: {record.id: record for record in getattr(store, noun)()} for noun in NOUNS}


def vote(annotator: str, choice: str, **more: Any) -> dict[str, Any]:
    return {"annotator": annotator, "choice": choice, **more}


@pytest.fixture
def another(tmp_path: Path, empty_database: Path) -> Store:
    shutil.copy(empty_database, tmp_path / "another.db")
    return Store.open(tmp_path / "another.db")


# In


@pytest.mark.parametrize(
    ("file", "counts"),  # prompts, completions, annotators, questions, judgements, counted by hand
    [
        ("best_of_4.json", (2, 7, 1, 5, 5)),
        ("counts.jsonl", (1, 3, 5, 2, 7)),
        ("hh_pairs.jsonl", (2, 4, 1, 2, 2)),
        ("hh_transcripts.jsonl", (4, 8, 1, 4, 4)),
        ("qa_feedback.jsonl", (1, 4, 1, 8, 8)),
        ("tldr_comparisons.jsonl", (2, 4, 2, 3, 3)),
        ("trees.jsonl", (3, 6, 1, 2, 2)),
        ("votes.jsonl", (3, 6, 4, 3, 5)),
    ],
)
def test_a_file_comes_in_whole_and_a_second_time_adds_nothing(store: Store, file: str, counts: tuple[int, ...]) -> None:
    report = import_file(store, FIXTURES / file)
    expected = dict(zip(NOUNS, counts, strict=True))
    assert {noun: getattr(report, noun) for noun in NOUNS} == expected
    assert report.added == expected
    first = held(store)
    assert {noun: len(records) for noun, records in first.items()} == expected
    assert "nothing was added" not in str(report)

    again = import_file(store, FIXTURES / file)
    assert again.added == dict.fromkeys(NOUNS, 0)
    assert held(store) == first
    assert "nothing was added" in str(again)


def test_the_fixtures_cover_every_file_of_the_folder() -> None:
    marks = test_a_file_comes_in_whole_and_a_second_time_adds_nothing.pytestmark  # type: ignore[attr-defined]  # pytest's
    assert {file for file, _ in marks[0].args[1]} == {path.name for path in FIXTURES.iterdir()}


def test_packing_a_file_does_not_make_its_votes_count_twice(store: Store, tmp_path: Path) -> None:
    import_file(store, FIXTURES / "counts.jsonl")
    for name in ("counts.jsonl.gz", "counts.gz"):
        (tmp_path / name).write_bytes(gzip.compress((FIXTURES / "counts.jsonl").read_bytes()))
        assert sum(import_file(store, tmp_path / name).added.values()) == 0


def test_another_file_that_names_nobody_is_another_annotator(store: Store, tmp_path: Path) -> None:
    row = {"prompt": "p", "chosen": "x", "rejected": "y"}
    import_file(store, write_rows(tmp_path / "one.jsonl", row))
    report = import_file(store, write_rows(tmp_path / "two.jsonl", row))
    assert report.added == {"prompts": 0, "completions": 0, "annotators": 1, "questions": 0, "judgements": 1}
    [pair] = views.comparisons(store)
    assert (pair.weight, pair.annotator_ids) == (2.0, ("imported:one", "imported:two"))


def test_what_is_imported_can_be_learned_from(store: Store) -> None:
    import_file(store, FIXTURES / "votes.jsonl")
    import_file(store, FIXTURES / "counts.jsonl")
    assert [(pair.a, pair.b, pair.target, pair.weight) for pair in views.comparisons(store)] == [
        ("Tents are light.", "Huts are dry.", 0.75, 2.0),  # a and a tie; a skip does not count
        ("", "Row.", 0.25, 2.0),  # bad and b
        ("A pun is no fun.", "Two puns are.", 0.2, 5.0),
        ("A pun is no fun.", "Knock knock.", 1.0, 2.0),
    ]


def test_demonstrations_and_texts_can_be_learned_from(store: Store, tmp_path: Path) -> None:
    import_file(store, write_rows(tmp_path / "a.jsonl", {"text": "one"}, {"text": "two"}))
    rows = [{"prompt": "p", "completion": "x"}, {"prompt": "p", "completion": "y"}]
    report = import_file(store, write_rows(tmp_path / "b.jsonl", *rows))
    assert (report.demonstrations, report.texts) == (2, 0)
    shown = [(demonstration.prompt.text, demonstration.text) for demonstration in views.demonstrations(store)]
    assert shown == [("", "one"), ("", "two"), ("p", "x"), ("p", "y")]


HH_ROWS = 2312
"""As many as the test split of HH's harmless half."""


def hh_row(number: int) -> tuple[list[tuple[str, str]], str, str]:
    """(the turns of a prompt, what was chosen, what was rejected); every fifth row asks what an earlier one asked, and
    every eighth goes on after its first reply, as some of the released ones do."""
    asked = number - number % 5 // 4 * 4
    turns = []
    for turn in range(1 + asked % 4):
        turns.append(("Human", f"Question {asked}.{turn}: is “Human: x” a name?\n\nIn {asked} words\tor fewer."))
        turns.append(("Assistant", f"Reply {asked}.{turn}\n\n- one\n- two"))
    replies = [f"I think that it is {word} {number}." for word in ("kind", "rude")]
    if number % 8 == 7:
        replies = [f"{reply}\n\nHuman: Why {number}?\n\nAssistant: So." for reply in replies]
    return turns[:-1], replies[0], replies[1]


def test_a_file_as_long_as_the_released_one_is_read_whole_and_no_prompt_is_in_two_splits(
    another: Store, tmp_path: Path
) -> None:
    def transcript(turns: list[tuple[str, str]], reply: str) -> str:
        return "".join(f"\n\n{who}: {said}" for who, said in [*turns, ("Assistant", reply)])

    rows = [hh_row(number) for number in range(HH_ROWS)]
    written = [{"chosen": transcript(turns, a), "rejected": transcript(turns, b)} for turns, a, b in rows]
    report = import_file(another, write_rows(tmp_path / "test.jsonl", *written))
    assert (report.format, report.rows, report.skipped_rows, report.judgements) == ("hh", HH_ROWS, 0, HH_ROWS)
    roles = {"Human": "user", "Assistant": "assistant"}

    def content(prompt: Prompt) -> tuple[tuple[str, str], ...]:
        return tuple((turn.role, turn.content) for turn in prompt.messages)

    pairs = views.comparisons(another)
    assert [(content(pair.prompt), pair.a, pair.b, pair.target) for pair in pairs] == [
        (tuple((roles[who], said) for who, said in turns), a, b, 1.0) for turns, a, b in rows
    ]
    for seed in range(3):
        training, aside = split(pairs, seed=seed)
        assert len(training) + len(aside) == HH_ROWS
        assert 180 < len(aside) < 290, "a tenth"
        assert not {content(pair.prompt) for pair in training} & {content(pair.prompt) for pair in aside}
        assert len({content(pair.prompt) for pair in aside}) < len(aside), "some prompts of it are asked twice"


def test_rows_that_repeat_a_row_are_kept_once_and_counted(store: Store, tmp_path: Path) -> None:
    row = {"prompt": "p", "a": "x", "b": "y", "votes": [vote("w", "a")]}
    other = {**row, "votes": [vote("v", "a")]}
    report = import_file(store, write_rows(tmp_path / "rows.jsonl", row, row, other, row))
    assert (report.rows, report.duplicates, report.questions, report.judgements) == (4, 2, 1, 2)
    assert "2 rows say exactly what an earlier row says" in str(report)


def test_an_annotator_who_says_otherwise_in_a_later_row_is_asked_anew(store: Store, tmp_path: Path) -> None:
    row = {"prompt": "p", "a": "x", "b": "y"}
    path = write_rows(tmp_path / "rows.jsonl", *({**row, "votes": [vote("w", choice)]} for choice in "aba"))
    report = import_file(store, path)
    assert (report.questions, report.judgements, report.duplicates) == (2, 2, 1)
    assert sorted(judgement.answer["choice"] for judgement in store.judgements()) == ["a", "b"]
    assert sum(import_file(store, path).added.values()) == 0


@pytest.mark.parametrize("bad", ["{", '{"prompt": "p", "a": "x", "b": "y", "votes": [{"annotator": "w"}]}'])
def test_a_bad_row_leaves_the_store_as_it_was(store: Store, tmp_path: Path, bad: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes((FIXTURES / "votes.jsonl").read_bytes() + bad.encode())
    with pytest.raises(Problem, match="line 4"):
        import_file(store, path)
    assert all(records == {} for records in held(store).values())
    report = import_file(store, path, skip_bad=True)
    assert (report.rows, report.skipped_rows, report.judgements) == (3, 1, 5)
    assert "1 bad rows were skipped:\n" in str(report)
    assert "line 4" in str(report)


def test_of_many_bad_rows_the_first_twenty_are_listed(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("{}\n" * 30 + '{"text": "good"}\n' + "[1]\n" * 5)
    report = import_file(store, path, skip_bad=True)
    assert (report.rows, report.skipped_rows, len(report.skipped)) == (1, 35, 20)
    assert [problem.where.rpartition(" ")[2] for problem in report.skipped] == [str(i) for i in range(1, 21)]
    assert "and 15 more" in str(report)


def test_a_vote_that_the_store_holds_otherwise_is_refused_whole(store: Store, tmp_path: Path) -> None:
    row = {"prompt": "p", "a": "x", "b": "y", "votes": [vote("w", "a")]}
    import_file(store, write_rows(tmp_path / "rows.jsonl", row))
    before = held(store)
    changed = [{"prompt": "new", "a": "x", "b": "y", "votes": []}, {**row, "votes": [vote("w", "b")]}]
    with pytest.raises(Problem, match='another answer of annotator "w"') as caught:
        import_file(store, write_rows(tmp_path / "rows.jsonl", *changed))
    assert str(tmp_path / "rows.jsonl") in caught.value.where
    assert held(store) == before


def test_votes_of_a_retracted_annotator_are_refused_whole(store: Store, tmp_path: Path) -> None:
    import_file(store, FIXTURES / "votes.jsonl")
    lineage.retract(store, "w1")
    before = held(store)
    row = {"prompt": "new", "a": "x", "b": "y", "votes": [vote("w1", "a")]}
    with pytest.raises(Problem, match="retracted"):
        import_file(store, write_rows(tmp_path / "rows.jsonl", row))
    assert held(store) == before


def test_the_campaign_is_the_callers_or_the_files_or_import(store: Store, tmp_path: Path) -> None:
    row = {"prompt": "p", "a": "x", "b": "y", "votes": []}
    named = {**row, "prompt": "q", "heedful": {"question": {"campaign": "round-3"}}}
    path = write_rows(tmp_path / "rows.jsonl", row, named)
    assert [question.campaign for question in read(path).questions] == ["import", "round-3"]
    import_file(store, path, campaign="mine")
    assert [question.campaign for question in store.questions()] == ["mine", "mine"]


def test_progress_is_told_to_the_last_row(tmp_path: Path) -> None:
    told: list[int] = []
    read(write_rows(tmp_path / "rows.jsonl", *({"text": f"text {i}"} for i in range(1234))), on_progress=told.append)
    assert told == [500, 1000, 1234]


# Out: the field's columns


JUDGED = [
    {"prompt": "won", "a": "x", "b": "y", "votes": [vote("v", "b", strength=1), vote("w", "b", strength=3)]},
    {"prompt": "divided", "a": "x", "b": "y", "votes": [vote("u", "a"), vote("v", "a"), vote("w", "b")]},
    {"prompt": "tied", "a": "x", "b": "y", "votes": [vote("w", "tie")]},
    {"prompt": "even", "a": "x", "b": "y", "votes": [vote("v", "a"), vote("w", "b")]},
    {"prompt": "bad", "a": "x", "b": "y", "votes": [vote("w", "bad")]},
    {"prompt": "skipped", "a": "x", "b": "y", "votes": [vote("w", "skip")]},
    {"prompt": "silent", "a": "x", "b": "y", "votes": []},
    {"prompt": "empty", "a": "", "b": "y", "votes": [vote("w", "a")]},
    {"prompt": "same", "a": "x", "b": "x", "votes": [vote("w", "a")]},
    {"prompt": [{"role": "user", "content": "hi"}], "a": "x", "b": "y", "votes": [vote("w", "a")]},
    {"prompt": "exam", "a": "x", "b": "y", "votes": [vote("w", "a")], "heedful": {"question": {"purpose": "evaluate"}}},
]
LEFT_OUT = {
    "even votes (ties, bad, or as many on either side)": 3,
    "questions without an answer (or skipped by all)": 2,
    "empty completions": 1,
    "questions about identical completions": 1,
}


@pytest.fixture
def judged(store: Store, tmp_path: Path) -> Store:
    import_file(store, write_rows(tmp_path / "judged.jsonl", *JUDGED))
    return store


def test_pairs_have_the_standard_columns_and_what_they_cannot_say_is_counted(judged: Store, tmp_path: Path) -> None:
    report = export_file(judged, tmp_path / "pairs.jsonl", format="preference")
    assert read_rows(tmp_path / "pairs.jsonl") == [
        {"prompt": "won", "chosen": "y", "rejected": "x", "margin": pytest.approx((1 / 3 + 1) / 2)},
        {"prompt": "divided", "chosen": "x", "rejected": "y", "margin": 0.0},
        {"prompt": "\n\nHuman: hi\n\nAssistant:", "chosen": "x", "rejected": "y", "margin": 0.0},
    ]
    assert report.rows == 3
    assert report.left_out == LEFT_OUT
    assert report.notes == {"divided votes, written as the majority has them": 1}
    assert "Left out: 3 even votes" in str(report)


def test_conversational_pairs_are_lists_of_turns(judged: Store, tmp_path: Path) -> None:
    report = export_file(judged, tmp_path / "pairs.jsonl.gz", format="conversational")
    first, _, third = read_rows(tmp_path / "pairs.jsonl.gz")
    assert first["prompt"] == [{"role": "user", "content": "won"}]
    assert first["chosen"] == [{"role": "assistant", "content": "y"}]
    assert third["prompt"] == [{"role": "user", "content": "hi"}]
    assert third["rejected"] == [{"role": "assistant", "content": "y"}]
    assert report.left_out == LEFT_OUT


def test_lines_are_those_of_the_file(judged: Store, tmp_path: Path) -> None:
    for name in exports.NAMES:
        try:
            export_file(judged, tmp_path / name, format=name)
        except Problem as problem:
            with pytest.raises(Problem, match=re.escape(problem.what)):
                export_lines(judged, format=name)
            continue
        assert "".join(export_lines(judged, format=name)) == (tmp_path / name).read_text()
    with pytest.raises(Problem, match="haiku"):
        export_lines(judged, format="haiku")


def test_what_evaluates_is_exported_only_when_asked_for(judged: Store, tmp_path: Path) -> None:
    export_file(judged, tmp_path / "exam.jsonl", format="preference", purpose="evaluate")
    assert read_rows(tmp_path / "exam.jsonl") == [{"prompt": "exam", "chosen": "x", "rejected": "y"}]


def test_rankings_give_their_pairs(store: Store, tmp_path: Path) -> None:
    import_file(store, FIXTURES / "trees.jsonl")
    report = export_file(store, tmp_path / "pairs.jsonl", format="preference")
    pairs = [(row["chosen"], row["rejected"]) for row in read_rows(tmp_path / "pairs.jsonl")]
    best, middle, worst = "A taut-line hitch or two half hitches.", "A taut-line hitch.", "A bow."
    assert sorted(pairs) == sorted(
        [
            (best, middle),
            (best, worst),
            (middle, worst),
            ("With rope, carefully.", "Wind it twice, then once."),
        ]
    )
    assert (report.rows, report.left_out) == (4, {})


def test_labels_and_demonstrations_are_exported_as_they_were_read(store: Store, tmp_path: Path) -> None:
    labels = [{"prompt": "p", "completion": "x", "label": True}, {"prompt": "p", "completion": "y", "label": False}]
    shown = [{"prompt": "p", "completion": "x"}, {"prompt": "", "completion": "plain"}]
    import_file(store, write_rows(tmp_path / "labels.jsonl", *labels))
    import_file(store, write_rows(tmp_path / "shown.jsonl", *shown))
    export_file(store, tmp_path / "a.jsonl", format="unpaired")
    export_file(store, tmp_path / "b.jsonl", format="prompt-completion")
    assert read_rows(tmp_path / "a.jsonl") == labels
    assert read_rows(tmp_path / "b.jsonl") == shown


def test_both_bad_is_two_thumbs_down(judged: Store, tmp_path: Path) -> None:
    export_file(judged, tmp_path / "a.jsonl", format="unpaired")
    assert read_rows(tmp_path / "a.jsonl") == [
        {"prompt": "bad", "completion": "x", "label": False},
        {"prompt": "bad", "completion": "y", "label": False},
    ]


def test_other_labels_are_left_out_and_counted(store: Store, tmp_path: Path) -> None:
    import_file(store, FIXTURES / "qa_feedback.jsonl")
    with pytest.raises(Problem, match="6 labels that are not thumbs"):  # five error types, and the edit
        export_file(store, tmp_path / "a.jsonl", format="unpaired")


@pytest.mark.parametrize("name", ["preference", "conversational"])
def test_exported_pairs_are_read_back_as_the_same_pairs(
    judged: Store, another: Store, tmp_path: Path, name: str
) -> None:
    export_file(judged, tmp_path / "one.jsonl", format=name)
    import_file(another, tmp_path / "one.jsonl")
    found = views.comparisons(another)
    assert [(pair.a, pair.b, pair.target) for pair in found] == [("y", "x", 1.0), ("x", "y", 1.0), ("x", "y", 1.0)]
    assert found[2].prompt.messages == (Message("user", "hi"),)
    export_file(another, tmp_path / "two.jsonl", format=name)
    assert read_rows(tmp_path / "two.jsonl") == read_rows(tmp_path / "one.jsonl")


@pytest.mark.parametrize("name", ["preference", "conversational", "unpaired", "prompt-completion"])
def test_exports_are_loaded_by_hugging_face_datasets(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for variable in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_DATASETS_DISABLE_PROGRESS_BARS"):
        monkeypatch.setenv(variable, "1")
    datasets = pytest.importorskip("datasets")
    for i, row in enumerate(
        [*JUDGED, {"prompt": "p", "completion": "x", "label": True}, {"prompt": "p", "completion": "x"}]
    ):
        import_file(store, write_rows(tmp_path / f"in-{i}.jsonl", row))
    path = tmp_path / "out.jsonl.gz"
    report = export_file(store, path, format=name)
    loaded = datasets.load_dataset("json", data_files=str(path), cache_dir=str(tmp_path / "cache"))["train"]
    columns = {
        "preference": {"prompt", "chosen", "rejected", "margin"},
        "conversational": {"prompt", "chosen", "rejected", "margin"},
        "unpaired": {"prompt", "completion", "label"},
        "prompt-completion": {"prompt", "completion"},
    }
    assert set(loaded.column_names) == columns[name]
    assert len(loaded) == report.rows > 0
    assert loaded[0] == read_rows(path)[0]


def test_a_system_prompt_has_no_place_in_one_text(store: Store, tmp_path: Path) -> None:
    prompt = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}]
    import_file(
        store, write_rows(tmp_path / "in.jsonl", {"prompt": prompt, "a": "x", "b": "y", "votes": [vote("w", "a")]})
    )
    with pytest.raises(Problem, match="without loss") as caught:
        export_file(store, tmp_path / "out.jsonl", format="preference")
    assert "conversational" in caught.value.mend
    assert not (tmp_path / "out.jsonl").exists()
    export_file(store, tmp_path / "out.jsonl", format="conversational")
    assert read_rows(tmp_path / "out.jsonl")[0]["prompt"] == prompt


# Out: heedful's own rows


def test_own_rows_come_back_as_they_were(store: Store, tmp_path: Path) -> None:
    import_file(store, FIXTURES / "votes.jsonl")
    export_file(store, tmp_path / "out.jsonl", format="heedful")
    rows = read_rows(FIXTURES / "votes.jsonl")
    rows[1]["votes"][1]["annotator"] = "7"
    assert read_rows(tmp_path / "out.jsonl") == rows


@pytest.fixture
def rich(store: Store) -> Store:
    """A store with something in every field, every kind of question, and ids that do not follow from content."""
    prompt = Prompt("p1", text="Ask", metadata={"split": "test"})
    talk = Prompt("p2", messages=(Message("system", "s"), Message("user", "u")))
    alone = Prompt.of("nobody asks me", {"topic": "silence"})
    texts = [
        Completion("c1", "p1", "one", "v3", (5, 6), (-0.5, -1.25), {"temperature": 0.7}, "stop", {"k": [1, None]}),
        Completion("c2", "p1", "two", "v3", finish="length"),
        Completion("c3", "p1", "two"),
        Completion("c4", "p2", "three"),
        Completion("c5", "p2", "never shown", "v9"),
    ]
    people = [
        Annotator("ann", "", "person"),
        Annotator("sim", "sim", "simulated", {"temperature": 0.5}),
        Annotator("judge", "judge", "model"),
        Annotator("quiet", "quiet", "imported", {"nameless": True}),
    ]
    people[0] = replace(people[0], name="ann")
    shown = ("c1", "c2")
    asked = [
        Question(
            "q1", "comparison", "p1", shown, "round-1", "evaluate", 3, 0.25, "margin", {"votes": 1, "prompt": "x"}
        ),
        Question("q2", "comparison", "p1", ("c2", "c3"), metadata={"kind": "twins", "a b": {"c": None}}),
        Question("q3", "ranking", "p1", ("c2", "c1", "c3"), overlap=2),
        Question("q4", "rating", "p2", ("c4",), metadata={"scale": [1, 5], "kind": "mine"}),
        Question("q5", "label", "p2", ("c4",)),
        Question("q6", "flags", "p2", ("c4",), metadata={"flags": ["rude"]}),
        Question("q7", "critique", "p2", ("c4",)),
        Question("q8", "edit", "p2", ("c4",)),
        Question("q9", "demonstration", "p2"),
    ]
    note = {"reason": "because – „quotes“", "metadata": {"choice": "clash", "seconds": 1.5}}
    said = [
        Judgement("j1", "q1", "ann", {"choice": "a", "strength": 2, **note}, (1, 0), "2026-01-02T03:04:05Z", 2.5),
        Judgement("j2", "q1", "sim", {"choice": "skip"}),
        Judgement("j3", "q2", "judge", {"choice": "bad", "metadata": {"confidence": 0.9}}),
        Judgement("j4", "q3", "ann", {"ranks": [2, 1, 2], "reason": "r"}, (2, 0, 1)),
        Judgement("j5", "q4", "quiet", {"ratings": {"kind": 4}}),
        Judgement("j6", "q5", "ann", {"thumb": False}),
        Judgement("j7", "q6", "ann", {"flags": [{"name": "rude", "start": 0, "end": 2}]}),
        Judgement("j8", "q7", "ann", {"text": "too short"}),
        Judgement("j9", "q8", "ann", {"text": "three!"}),
        Judgement("j10", "q9", "sim", {"text": "mine"}),
        Judgement("j11", "q9", "ann", {"choice": "skip"}),
    ]
    store.add_everything(
        prompts=[prompt, talk, alone], completions=texts, annotators=people, questions=asked, judgements=said
    )
    return store


def test_nothing_is_lost_between_two_stores(rich: Store, another: Store, tmp_path: Path) -> None:
    report = export_file(rich, tmp_path / "all.jsonl.gz", format="heedful")
    assert (report.left_out, report.notes) == ({}, {})
    import_file(another, tmp_path / "all.jsonl.gz")
    assert held(another) == held(rich)
    export_file(another, tmp_path / "again.jsonl.gz", format="heedful")
    assert (tmp_path / "again.jsonl.gz").read_bytes() == (tmp_path / "all.jsonl.gz").read_bytes()


def test_a_store_learns_nothing_from_its_own_export(rich: Store, tmp_path: Path) -> None:
    rich.submit(Judgement("j12", "q5", "ann", {"thumb": True}, supersedes="j6"))
    before = held(rich)
    export_file(rich, tmp_path / "all.jsonl", format="heedful")
    assert sum(import_file(rich, tmp_path / "all.jsonl").added.values()) == 0
    assert held(rich) == before


OWN_IDS = {"prompt": {"id": "p1"}, "completions": [{"id": "c1"}, {"id": "c2"}], "question": {"id": "q1"}}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"heedful": {"prompt": {"id": "p1"}}, "prompt": "Other"}, "another prompt"),
        ({"heedful": {"completions": [{"id": "c1"}, {}]}, "a": "other"}, "another completion"),
        ({"heedful": {"question": {"id": "q1"}}, "a": "other"}, "another question"),
        ({"heedful": OWN_IDS, "votes": [vote("w", "b")]}, "another answer"),
        ({"votes": [vote("v", "a", heedful={"id": "j1"})]}, "another answer"),
    ],
)
def test_an_id_that_means_two_things_in_one_file_is_refused(tmp_path: Path, change: Any, reason: str) -> None:
    votes = [vote("w", "a", heedful={"id": "j1"})]
    row = {"prompt": "p", "a": "x", "b": "y", "votes": votes, "heedful": OWN_IDS}
    with pytest.raises(Problem, match=reason) as caught:
        read(write_rows(tmp_path / "rows.jsonl", row, {**row, **change}))
    assert "line 2" in caught.value.where


@pytest.mark.parametrize(
    ("own", "field"),
    [
        ({"question": {"id": 5}}, "heedful.question.id"),
        ({"question": {"colour": "red"}}, "heedful.question.colour"),
        ({"question": {"purpose": "exam"}}, "heedful.question.purpose"),
        ({"completions": [{}]}, "heedful.completions"),
        ({"completions": [{"finish": "cut"}, {}]}, "heedful.completions[0].finish"),
        ({"prompt": []}, "heedful.prompt"),
        (7, "heedful"),
    ],
)
def test_a_spoilt_heedful_column_is_named(tmp_path: Path, own: Any, field: str) -> None:
    row = {"prompt": "p", "a": "x", "b": "y", "votes": [], "heedful": own}
    with pytest.raises(Problem) as caught:
        read(write_rows(tmp_path / "rows.jsonl", row))
    assert f'line 1, field "{field}"' in caught.value.where


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
JSON = st.none() | st.booleans() | st.integers(-9, 9) | TEXT | st.lists(TEXT, max_size=2)
EXTRA = st.dictionaries(
    TEXT.filter(lambda name: name not in ("prompt", "a", "b", "votes", "heedful", "completions")), JSON
)
VOTE: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"annotator": TEXT.filter(str.strip), "choice": st.sampled_from(["a", "b", "tie", "bad", "skip"])},
    optional={"reason": TEXT, "mace": st.floats(0, 1)},
)
VOTES: st.SearchStrategy[Any] = st.lists(VOTE, max_size=3, unique_by=lambda given: str(given["annotator"]))
OWN: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries({"prompt": TEXT, "a": TEXT, "b": TEXT, "votes": VOTES})


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.builds(lambda own, extra: {**extra, **own}, OWN, EXTRA), min_size=1, max_size=3))
def test_any_votes_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, empty_database: Path, rows: list[Any]
) -> None:
    numbered = [{**row, "n": i} for i, row in enumerate(rows)]
    folder = tmp_path_factory.getbasetemp()
    shutil.copy(empty_database, folder / "any.db")
    with Store.open(folder / "any.db") as store:
        import_file(store, write_rows(folder / "any.jsonl", *numbered))
        export_file(store, folder / "out.jsonl", format="heedful")
    found = read_rows(folder / "out.jsonl")
    assert [{name: row[name] for name in row if name != "heedful"} for row in found] == numbered


# Out: the file itself


def test_the_same_store_gives_the_same_bytes(judged: Store, tmp_path: Path) -> None:
    for name in ("one.jsonl.gz", "two.jsonl.gz"):
        export_file(judged, tmp_path / name, format="heedful")
    assert (tmp_path / "one.jsonl.gz").read_bytes() == (tmp_path / "two.jsonl.gz").read_bytes()
    assert (tmp_path / "one.jsonl.gz").read_bytes()[3:8] == b"\0\0\0\0\0"  # no name, no time (RFC 1952, 2.3)


def test_a_folder_in_the_way_is_left_alone(judged: Store, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").write_text("x")
    with pytest.raises(Problem, match="folder, not a file"):
        export_file(judged, tmp_path / "out", format="preference")
    assert (tmp_path / "out" / "precious").read_text() == "x"


def test_an_old_file_stays_when_there_is_nothing_to_write(store: Store, tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_text("old")
    for name in ("preference", "unpaired", "prompt-completion", "heedful"):
        with pytest.raises(Problem, match="nothing in the store"):
            export_file(store, tmp_path / "out.jsonl", format=name)
    assert (tmp_path / "out.jsonl").read_text() == "old"


def test_a_place_that_cannot_be_written_is_a_problem(judged: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(Problem):
        export_file(judged, tmp_path / "file" / "out.jsonl", format="preference")


def test_an_unknown_export_format_lists_the_known_ones(judged: Store, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="no export format") as caught:
        export_file(judged, tmp_path / "out.jsonl", format="parquet")
    assert "preference, conversational, unpaired, prompt-completion, heedful" in caught.value.mend


# The page


def documented_rows() -> list[tuple[str, str]]:
    """(shape, row) of the page's table of shapes."""
    page = (DOCS / "exchange.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `([a-z-]+)` \|.*\| `(\{.*\})` \|$", page, flags=re.MULTILINE)


def test_the_page_has_every_shape() -> None:
    assert {shape for shape, _ in documented_rows()} == {shape.name for shape in FORMATS}


@pytest.mark.parametrize(("shape", "row"), documented_rows())
def test_the_rows_of_the_page_are_what_it_says(tmp_path: Path, shape: str, row: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(row.replace("\\|", "|"), encoding="utf-8")
    assert read(path, format="auto" if named(shape).needs else shape).format == shape
