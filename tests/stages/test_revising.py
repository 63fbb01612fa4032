"""Criticism and revision: whose turn it is, what becomes a pair, and what a lot's file keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from heedful.errors import Problem
from heedful.feedback.views import comparisons
from heedful.language.pretrained import load
from heedful.language.sampling import Sampling
from heedful.records import Completion, Prompt
from heedful.stages.project import Project
from heedful.stages.revising import Reviser, Revision, Wording, keep_revisions, kept_lot, revise, writer

Make = Callable[[str], Path]


@pytest.fixture
def project(make_project: Make) -> Project:
    return Project.open(make_project("project"))


def drafts_of(project: Project, *texts: str) -> list[tuple[Prompt, Completion]]:
    return [
        (prompt, Completion(f"draft-{n}", prompt.id, text))
        for n, (prompt, text) in enumerate(zip(project.prompts("train"), texts, strict=False))
    ]


def test_criticism_and_revision_become_pairs(project: Project) -> None:
    drafts = drafts_of(project, "rude {draft}", "fine", "rude too")
    asked: dict[str, list[str]] = {}

    def write(some: Sequence[Prompt], purpose: str) -> list[str | None]:
        asked[purpose] = [prompt.text for prompt in some]
        return ["it is {rule}"] * len(some) if purpose == "critique" else ["kind", "fine", ""]

    revisions = revise(write, drafts, ["be kind", "be brief"])
    assert [each.rule for each in revisions] == ["be kind", "be brief", "be kind"]
    assert [each.outcome for each in revisions] == ["pair", "unchanged", "empty"]
    assert "rude {draft}" in asked["critique"][0]
    assert "be kind" in asked["critique"][0]
    assert "Criticism: it is {rule}\n" in asked["revision"][0], "braces in what was written stay what they are"
    assert keep_revisions(project.store, revisions, campaign="self", name="robot") == 1
    (found,) = comparisons(project.store)
    assert (found.a, found.b, found.target, found.annotator_ids) == ("kind", "rude {draft}", 1.0, ("robot",))
    (judgement,) = project.store.judgements("self")
    assert judgement.answer["reason"] == "it is {rule}"
    assert keep_revisions(project.store, revisions, campaign="self", name="robot") == 0, "twice is once"
    with pytest.raises(Problem, match="no rule"):
        revise(write, drafts, [])


def test_what_does_not_fit_is_told_from_what_is_empty(project: Project) -> None:
    def write(some: Sequence[Prompt], purpose: str) -> list[str | None]:
        return [None, "bad"] if purpose == "critique" else [None] * len(some)

    found = revise(write, drafts_of(project, "a", "b"), ["r", "s"], Wording("{draft}", "{critique}"), first=1)
    assert [(each.rule, each.critique, each.text, each.outcome) for each in found] == [
        ("s", None, None, "overlong"),
        ("r", "bad", None, "overlong"),
    ]


def test_a_model_writes_what_fits_its_context_and_is_asked_as_a_user_where_it_chats(tiny_model: Path) -> None:
    model = load(tiny_model)
    write = writer(model, Sampling(max_new_tokens=8), 4, policy="v0", seed=3)
    room = model.context_tokens - 8
    fits, over = Prompt.of("a " * room), Prompt.of("a " * (room + 1))
    first, second = write([fits, over], "critique")
    assert first is not None
    assert second is None
    assert write([fits], "critique") == [first]
    assert write([fits], "revision") != [first]
    model.tokenizer.chat_template = "{% for turn in messages %}u {{ turn['content'] }} {% endfor %}v"
    write = writer(model, Sampling(max_new_tokens=8), 4, policy="v0", seed=3)
    assert write([Prompt.of("a " * (room - 2))], "critique") != [None]
    assert write([Prompt.of("a " * (room - 1))], "critique") == [None], "the template adds two tokens"


def test_what_is_revised_follows_from_the_seed_and_the_place(project: Project) -> None:
    model = load(project.folder / "policies" / "v0")
    words = Wording("{draft} c {rule}", "{draft} {critique} r {rule}")
    prompts = project.prompts("train")[:4]

    def reviser(seed: int) -> Reviser:
        return Reviser(model, "v0", Sampling(max_new_tokens=4), ["x", "y"], words, 2, seed)

    found = reviser(0)(prompts, 0)
    assert [each.rule for each in found] == ["x", "y", "x", "y"]
    assert reviser(0)(prompts, 0) == found
    assert [each.draft.text for each in reviser(1)(prompts, 0)] != [each.draft.text for each in found]
    assert [each.draft.text for each in reviser(0)(prompts, 4)] != [each.draft.text for each in found]


def test_a_lot_is_made_once(tmp_path: Path, project: Project) -> None:
    (prompt, draft), *_ = drafts_of(project, "a")
    path = tmp_path / "revisions" / "00000.json"
    made = kept_lot(path, lambda: [Revision(prompt, draft, "r", "c", "b")])
    assert [(row.prompt, row.draft, row.text, row.outcome) for row in made] == [(prompt.text, "a", "b", "pair")]
    assert kept_lot(path, list) == made
