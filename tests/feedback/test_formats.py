"""Every dataset shape against rows whose records were worked out by hand, and which shape a row is taken for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from heedful.errors import Problem
from heedful.feedback.exchange import Dataset, read
from heedful.feedback.formats import FORMATS, fields, named
from heedful.feedback.formats.preference import shared_beginning
from heedful.feedback.formats.transcripts import transcript_of, turns_of
from heedful.records import Message, Prompt

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write rows as JSON Lines."""

    def make(*found: Any, name: str = "rows.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")
        return path

    return make


def asked(dataset: Dataset) -> list[tuple[Any, ...]]:
    """(prompt, texts, kind, [(annotator, answer)]) of every question, in plain values."""
    prompts = {prompt.id: prompt for prompt in dataset.prompts}
    texts = {completion.id: completion.text for completion in dataset.completions}
    found = []
    for question in dataset.questions:
        answers = [(j.annotator_id, dict(j.answer)) for j in dataset.judgements if j.question_id == question.id]
        shown = [texts[name] for name in question.completion_ids]
        found.append((content(prompts[question.prompt_id]), shown, question.kind, answers))
    return found


def content(prompt: Prompt) -> Any:
    return [(turn.role, turn.content) for turn in prompt.messages] or prompt.text


def turn(role: str, said: str) -> dict[str, str]:
    return {"role": role, "content": said}


# The columns of the field


HI = [turn("user", "hi")]
FILE = "imported:rows"
CHOSE_A = [(FILE, {"choice": "a"})]

STANDARD = [
    ("language-modelling", {"text": "Once upon a time."}, ("", [], "demonstration", "Once upon a time.")),
    (
        "language-modelling",
        {"messages": [turn("system", "be kind"), turn("user", "hi"), turn("assistant", "hello")]},
        ([("system", "be kind"), ("user", "hi")], [], "demonstration", "hello"),
    ),
    ("language-modelling", {"messages": [turn("assistant", "Hello?")]}, ("", [], "demonstration", "Hello?")),
    ("prompt-completion", {"prompt": "2+2=", "completion": "4"}, ("2+2=", [], "demonstration", "4")),
    (
        "prompt-completion",
        {"prompt": HI, "completion": [turn("assistant", "hello")]},
        ([("user", "hi")], [], "demonstration", "hello"),
    ),
    ("preference", {"prompt": "p", "chosen": "good", "rejected": "bad"}, ("p", ["good", "bad"], "comparison", "a")),
    (
        "preference",
        {"chosen": "The sky is blue.", "rejected": "The sky is black."},
        ("The sky is", [" blue.", " black."], "comparison", "a"),
    ),
    (
        "preference",
        {"prompt": HI, "chosen": [turn("assistant", "hello")], "rejected": [turn("assistant", "go")]},
        ([("user", "hi")], ["hello", "go"], "comparison", "a"),
    ),
    (
        "preference",
        {"chosen": [*HI, turn("assistant", "hello")], "rejected": [*HI, turn("assistant", "go")]},
        ([("user", "hi")], ["hello", "go"], "comparison", "a"),
    ),
    (
        "preference",
        {"prompt": "hi", "chosen": [*HI, turn("assistant", "hello")], "rejected": [*HI, turn("assistant", "go")]},
        ([("user", "hi")], ["hello", "go"], "comparison", "a"),
    ),
    ("unpaired", {"prompt": "p", "completion": "c", "label": True}, ("p", ["c"], "label", True)),
    (
        "unpaired",
        {"prompt": HI, "completion": [turn("assistant", "go")], "label": False},
        ([("user", "hi")], ["go"], "label", False),
    ),
]


@pytest.mark.parametrize(("shape", "row", "expected"), STANDARD)
@pytest.mark.parametrize("by_name", [False, True])
def test_standard_columns(
    write: Callable[..., Path], shape: str, row: dict[str, Any], expected: tuple[Any, ...], by_name: bool
) -> None:
    dataset = read(write({**row, "topic": "x", "year": 1999}), format=shape if by_name else "auto")
    prompt, texts, kind, said = expected
    answer = {"demonstration": {"text": said}, "comparison": {"choice": said}, "label": {"thumb": said}}[kind]
    assert dataset.format == shape
    assert asked(dataset) == [(prompt, texts, kind, [(FILE, answer)])]
    assert dict(dataset.questions[0].metadata) == {"topic": "x", "year": 1999}
    assert [(a.id, a.name, a.kind) for a in dataset.annotators] == [(FILE, "rows", "imported")]


def test_texts_and_demonstrations_are_counted_apart(write: Callable[..., Path]) -> None:
    dataset = read(
        write({"text": "one"}, {"messages": [turn("user", "hi"), turn("assistant", "yes")]}, {"text": "two"})
    )
    assert dataset.demonstrations() == (1, 2)


def test_prompts_alone_ask_nothing_and_keep_their_columns(write: Callable[..., Path]) -> None:
    dataset = read(write({"prompt": "why?", "split": "test"}, {"prompt": HI}))
    assert dataset.format == "prompt-only"
    assert [content(prompt) for prompt in dataset.prompts] == ["why?", [("user", "hi")]]
    assert dataset.prompts[0].metadata == {"split": "test"}
    assert (dataset.questions, dataset.judgements, dataset.annotators) == ((), (), ())


def test_a_margin_is_kept_as_a_number(write: Callable[..., Path]) -> None:
    dataset = read(write({"prompt": "p", "chosen": "a", "rejected": "b", "margin": 2}))
    assert dataset.questions[0].metadata == {"margin": 2.0}


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("The sky is blue.", "The sky is black.", "The sky is"),
        ("I like tea", "I like tea and jam", "I like"),
        ("yes", "no", ""),
        ("yes sir", "yesterday", ""),
        ("Q: x\nA: 1", "Q: x\nA: 2", "Q: x\nA:"),
        ("a  b", "a  c", "a"),
        ("a b ", "a b  ", "a"),
    ],
)
def test_the_shared_beginning_cuts_no_word_and_leaves_nothing_empty(one: str, other: str, shared: str) -> None:
    assert one[: shared_beginning(one, other)] == shared
    assert other[: shared_beginning(one, other)] == shared


# The released data sets


def test_hh_transcripts() -> None:
    dataset = read(FIXTURES / "hh_transcripts.jsonl")
    own = [("imported:hh_transcripts", {"choice": "a"})]
    tree = [("user", "Hi"), ("assistant", "Hello! What can I do for you?"), ("user", "Name a tree.")]
    assert dataset.format == "hh"
    assert asked(dataset) == [
        (
            [("user", "How do I boil an egg?")],
            ["Put it in boiling water for eight minutes.", "Eggs are round."],
            "comparison",
            own,
        ),
        (tree, ["The lime.", "No."], "comparison", own),
        (
            [("user", "Is it late?")],
            ["It is nine.\n\nHuman: Thanks\n\nAssistant: Good night.", "Yes.\n\nHuman: How late?\n\nAssistant: Very."],
            "comparison",
            own,
        ),
        ([("user", "Say nothing.")], ["", "Nothing!"], "comparison", own),
    ]
    assert dataset.notes == {"pairs that part before the last reply": 1, "empty completions": 1}


def test_hh_pairs_with_an_explicit_prompt() -> None:
    dataset = read(FIXTURES / "hh_pairs.jsonl")
    own = [("imported:hh_pairs", {"choice": "a"})]
    assert dataset.format == "hh"
    assert asked(dataset) == [
        ([("user", "How do I boil an egg?")], ["Eight minutes.", "Eggs are round."], "comparison", own),
        ([("user", "Hi"), ("assistant", "Hello!"), ("user", "Name a tree.")], ["", "No."], "comparison", own),
    ]
    assert dataset.questions[0].metadata == {"same_prompt": True}


def test_transcripts_that_part_at_a_persons_turn_are_compared_from_the_reply_before(write: Callable[..., Path]) -> None:
    said = [
        "\n\nHuman: Hi\n\nAssistant: Hello!\n\nHuman: " + rest for rest in ("A?\n\nAssistant: 1", "B?\n\nAssistant: 2")
    ]
    [found] = asked(read(write({"chosen": said[0], "rejected": said[1]})))
    assert found[:2] == (
        [("user", "Hi")],
        ["Hello!\n\nHuman: A?\n\nAssistant: 1", "Hello!\n\nHuman: B?\n\nAssistant: 2"],
    )


def test_transcripts_and_turns_are_each_others_inverse() -> None:
    turns = (Message("user", "a"), Message("assistant", "b\n\nc"), Message("user", "Human: d"))
    assert turns_of(transcript_of(turns)) == (*turns, Message("assistant", ""))


def test_plain_pairs_may_stand_among_transcripts(write: Callable[..., Path]) -> None:
    row = {"prompt": "\n\nHuman: hi\n\nAssistant:", "chosen": "a", "rejected": "b"}
    dataset = read(write({"prompt": "hi", "chosen": "a", "rejected": "b"}, row))
    assert [content(prompt) for prompt in dataset.prompts] == ["hi", [("user", "hi")]]


def test_comparisons_of_summaries() -> None:
    dataset = read(FIXTURES / "tldr_comparisons.jsonl")
    post = "SUBREDDIT: r/camping\n\nTITLE: Wet tent\n\nPOST: I lent my brother a tent. It came back wet.\n\nTL;DR:"
    article = "TITLE: Bridge\n\nARTICLE: The bridge opened on Monday.\n\nTL;DR:"
    pair = [" Brother returned my tent wet.", " I like tents."]
    assert dataset.format == "summarize-from-feedback"
    assert asked(dataset) == [
        (post, pair, "comparison", [("w-ada", {"choice": "a"})]),
        (post, pair, "comparison", [("w-ben", {"choice": "b"})]),
        (article, ["A bridge opened.", "Monday."], "comparison", [("w-ada", {"choice": "b"})]),
    ]
    assert [dict(question.metadata) for question in dataset.questions][1:] == [
        {"batch": "batch3", "split": "train", "extra": {"confidence": 2}},
        {"batch": "cnndm0", "split": "valid1", "extra": {}},
    ]
    assert dataset.completions[0].metadata == {"policy": "sup4", "note": "clear"}
    assert dataset.prompts[1].metadata["info"]["id"] == "n1"


def test_the_best_of_four_beats_each_other_sample_once() -> None:
    dataset = read(FIXTURES / "best_of_4.json")
    own = [("imported:best_of_4", {"choice": "a"})]
    assert dataset.format == "best-of"
    assert asked(dataset) == [
        ("The sky is", [" low today.", " blue."], "comparison", own),
        ("The sky is", [" low today.", " a sky."], "comparison", own),
        ("Once upon", [" a time.", " a hill."], "comparison", own),
        ("Once upon", [" a time.", " a car."], "comparison", own),
        ("Once upon", [" a time.", " it."], "comparison", own),
    ]
    groups = [question.metadata["group"] for question in dataset.questions]
    assert [groups.index(group) for group in groups] == [0, 0, 2, 2, 2]
    assert {question.metadata["source"] for question in dataset.questions} == {"books"}


def test_conversation_trees() -> None:
    dataset = read(FIXTURES / "trees.jsonl")
    knot = ("user", "Which knot holds a tent?")
    own = "imported:trees"
    assert dataset.format == "open-assistant"
    assert asked(dataset) == [
        (
            [knot],
            ["A taut-line hitch.", "A bow.", "A taut-line hitch or two half hitches."],
            "ranking",
            [(own, {"ranks": [2, 3, 1]})],
        ),
        (
            [knot, ("assistant", "A taut-line hitch."), ("user", "How is it tied?")],
            ["Wind it twice, then once.", "With rope, carefully."],
            "ranking",
            [(own, {"ranks": [2, 1]})],
        ),
    ]
    texts = {completion.text: completion for completion in dataset.completions}
    assert texts["Nobody ranked me."].metadata["model_name"] == "toy"
    assert "I was deleted." not in texts
    assert content(dataset.prompts[2])[-1] == ("user", "Thanks!")
    assert dataset.questions[0].metadata == {"message_tree_id": "t1", "tree_state": "ready_for_export"}


def test_counted_votes_are_given_to_nameless_voters() -> None:
    dataset = read(FIXTURES / "counts.jsonl")
    voters = [f"imported:counts#{i}" for i in range(1, 6)]
    assert dataset.format == "vote-counts"
    assert asked(dataset) == [
        (
            "",
            ["A pun is no fun.", "Two puns are."],
            "comparison",
            [(voters[0], {"choice": "a"}), *((voter, {"choice": "b"}) for voter in voters[1:])],
        ),
        ("", ["A pun is no fun.", "Knock knock."], "comparison", [(voter, {"choice": "a"}) for voter in voters[:2]]),
    ]
    assert all(annotator.metadata == {"nameless": True} for annotator in dataset.annotators)
    assert [question.overlap for question in dataset.questions] == [5, 2]


def test_own_votes() -> None:
    dataset = read(FIXTURES / "votes.jsonl")
    boats = [("system", "Be brief."), ("user", "Sail or row?")]
    assert dataset.format == "heedful"
    assert asked(dataset) == [
        (
            "Tents or huts?",
            ["Tents are light.", "Huts are dry."],
            "comparison",
            [
                ("w1", {"choice": "a", "reason": "weight matters", "metadata": {"mace": 0.7}}),
                ("w2", {"choice": "tie"}),
                ("w3", {"choice": "skip", "reason": "never camped"}),
            ],
        ),
        (
            boats,
            ["", "Row."],
            "comparison",
            [("w2", {"choice": "bad", "reason": 'both "thin" – naïve'}), ("7", {"choice": "b", "strength": 3})],
        ),
        ("Oars?", ["Two.", "One."], "comparison", []),
    ]
    assert dataset.questions[0].metadata == {"id": "arg1", "topic": "tents"}
    assert [question.overlap for question in dataset.questions] == [3, 2, 1]
    assert {question.campaign for question in dataset.questions} == {"import"}
    assert dataset.notes == {"empty completions": 1}


def test_completions_without_votes_wait_to_be_asked_about(write: Callable[..., Path]) -> None:
    dataset = read(write({"prompt": "why?", "completions": ["so", "because"]}))
    assert [each.text for each in dataset.completions] == ["so", "because"]
    assert (dataset.questions, dataset.judgements) == ((), ())
    noted = read(write({"prompt": "why?", "completions": [{"score": 3}]}))
    assert (noted.format, noted.completions) == ("prompt-only", ())
    told = read(write({"prompt": "why?", "completions": ["so", "because"], "topic": "x"}))
    assert dict(told.prompts[0].metadata) == {"topic": "x"}
    both = {"prompt": "why?", "a": "x", "b": "y", "votes": [{"annotator": "w", "choice": "a"}]}
    mixed = read(write(both, {"prompt": "why?", "completions": ["so", "because"]}))
    assert (len(mixed.judgements), len(mixed.completions)) == (1, 4)


@pytest.mark.parametrize(
    ("more", "shape", "judgements"),
    [
        ({"chosen": "x", "rejected": "y"}, "preference", 1),
        ({"completion": "x", "label": True}, "unpaired", 1),
        ({"completion": "x"}, "prompt-completion", 1),
        ({"a": "x", "b": "y", "votes_a": 1, "votes_b": 3}, "vote-counts", 4),
    ],
)
def test_a_list_of_samples_beside_a_judgement_does_not_hide_it(
    write: Callable[..., Path], more: dict[str, Any], shape: str, judgements: int
) -> None:
    for samples in (["u", "v"], []):
        dataset = read(write({"prompt": "p", "completions": samples, **more}))
        assert (dataset.format, len(dataset.judgements)) == (shape, judgements)


def test_completions_with_a_judgement_that_lacks_its_other_half_are_refused(write: Callable[..., Path]) -> None:
    with pytest.raises(Problem, match='lacks "votes"'):
        read(write({"prompt": "p", "completions": ["u", "v"], "best": 0}))
    with pytest.raises(Problem, match="a ranking without votes"):
        read(write({"kind": "ranking", "prompt": "p", "completions": ["u", "v"], "vote": []}))


def test_votes_on_identical_completions_are_kept_and_noted(write: Callable[..., Path]) -> None:
    dataset = read(write({"prompt": "p", "a": "x", "b": "x", "votes": [{"annotator": "w", "choice": "a"}]}))
    assert asked(dataset) == [("p", ["x", "x"], "comparison", [("w", {"choice": "a"})])]
    assert len({completion.id for completion in dataset.completions}) == 2
    assert dataset.notes == {"identical completions": 1}


def test_fine_grained_answers_become_comparisons_flags_and_an_edit() -> None:
    dataset = read(FIXTURES / "qa_feedback.jsonl")
    own = "imported:qa_feedback"
    one, two, three, four = "A weaver did. Knots are old.", "Nobody knows.", "A sailor.", "Knots."
    ask = "Who tied the first knot?"
    pairs = [(one, two, "b"), (one, three, "a"), (one, four, "tie"), (two, three, "a"), (two, four, "a")]
    assert asked(dataset)[:6] == [
        (ask, [a, b], "comparison", [(own, {"choice": choice})]) for a, b, choice in [*pairs, (three, four, "a")]
    ]
    flags, edit = asked(dataset)[6:]
    answer = flags[3][0][1]
    assert flags[:3] == (ask, [one], "flags")
    assert answer["flags"] == [
        {"name": "Unverifiable", "start": 0, "end": 13},
        {"name": "Irrelevant", "start": 14, "end": 28},
    ]
    assert answer["metadata"]["explanations"] == ["", "off topic"]
    assert edit == (ask, [one], "edit", [(own, {"text": "Nobody knows; perhaps a weaver."})])
    assert dataset.prompts[0].metadata["gold"] == "Nobody knows."


# Detection


def test_shapes_have_different_names_and_are_found_by_name() -> None:
    assert len({shape.name for shape in FORMATS}) == len(FORMATS) == 14
    assert all(named(shape.name) is shape for shape in FORMATS)
    assert named("conversational").name == "preference"


@pytest.mark.parametrize(
    ("row", "nearest", "field"),
    [
        ({"prompt": "p", "chosen": "c"}, "preference", "rejected"),
        ({"prompt": "p", "a": "x", "b": "y"}, "heedful", "votes"),
        ({"a": "x", "b": "y", "votes_a": 1}, "vote-counts", "votes_b"),
        ({"completion": "c", "label": True}, "unpaired", "prompt"),
        ({"info": {}, "summaries": []}, "summarize-from-feedback", "choice"),
    ],
)
def test_a_row_of_no_shape_is_told_what_it_lacks(
    write: Callable[..., Path], row: dict[str, Any], nearest: str, field: str
) -> None:
    with pytest.raises(Problem) as caught:
        read(write(row))
    assert nearest in caught.value.what
    assert f'line 1, field "{field}"' in caught.value.where


@pytest.mark.parametrize("row", [{"question": "q", "answer": "a"}, {}, {"prompt": "p", "response": "r"}])
def test_a_row_of_no_shape_is_not_guessed(write: Callable[..., Path], row: dict[str, Any]) -> None:
    with pytest.raises(Problem, match="shape"):
        read(write(row))


def test_an_explicit_prompt_must_belong_to_the_conversations(write: Callable[..., Path]) -> None:
    sides = {"chosen": [*HI, turn("assistant", "x")], "rejected": [*HI, turn("assistant", "y")]}
    with pytest.raises(Problem, match="none of the turns"):
        read(write({"prompt": "bye", **sides}))


def test_conversations_that_part_early_are_refused(write: Callable[..., Path]) -> None:
    sides = {"chosen": [turn("user", "a"), turn("assistant", "x")], "rejected": [*HI, turn("assistant", "y")]}
    with pytest.raises(Problem, match="one assistant turn is wanted, not user, assistant"):
        read(write(sides))


def test_a_prompt_may_be_given_before_the_shared_turns(write: Callable[..., Path]) -> None:
    kind = turn("system", "be kind")
    sides = {"chosen": [*HI, turn("assistant", "x")], "rejected": [*HI, turn("assistant", "y")]}
    both = [("system", "be kind"), ("user", "hi")]
    assert asked(read(write({"prompt": [kind], **sides})))[0][:2] == (both, ["x", "y"])
    assert asked(read(write({"prompt": HI, **sides})))[0][:2] == ([("user", "hi")], ["x", "y"])


def test_long_lists_of_columns_are_cut() -> None:
    assert fields.quoted([]) == "no column"
    assert fields.quoted("abc") == '"a", "b", "c"'
    assert fields.quoted(range(14)).endswith('"11" and 2 more')
