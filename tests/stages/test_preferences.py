"""What the store gives to a direct loss: which answers become pairs, which become good and bad completions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from heedful.errors import Problem
from heedful.feedback import lineage
from heedful.records import Annotator, Comparison, Completion, Demonstration, Judgement, Labelled, Prompt, Question
from heedful.runs import Run
from heedful.stages import reward
from heedful.stages.preferences import Preferences, Wanted, above_samples, gather, opinions
from heedful.stages.project import Project

Make = Callable[[str], Path]

PROMPT = Prompt.of("a")


def pair(target: float, weight: float = 1.0) -> Comparison:
    return Comparison(PROMPT, "x", "y", target, weight, judgement_ids=("j",))


def label(name: str, value: float, text: str = "x", judgement: str = "j", **metadata: Any) -> Labelled:
    return Labelled(PROMPT, text, name, value, judgement_ids=(judgement,), metadata=metadata)


def said(comparisons: Sequence[Comparison] = (), labels: Sequence[Labelled] = (), flags: Sequence[str] = ()) -> Any:
    found = opinions(Preferences(list(comparisons), list(labels), []), flags)
    return {opinion.text: (opinion.good, opinion.weight) for opinion in found}


def test_votes_of_a_comparison_call_one_side_good_and_the_other_bad() -> None:
    assert said([pair(0.75, 4.0)]) == {"x": (0.75, 4.0), "y": (0.25, 4.0)}
    assert said([pair(0.5, 2.0)]) == {}, "a tie calls neither anything"


def test_thumbs_are_pooled_by_completion() -> None:
    labels = [label("thumb", 1.0), label("thumb", 1.0, judgement="k"), label("thumb", 0.0, judgement="l")]
    assert said(labels=labels) == {"x": (pytest.approx(2 / 3), 3.0)}


def test_a_rating_is_read_at_the_middle_of_its_scale_and_aspects_of_one_answer_as_their_mean() -> None:
    def rating(aspect: str, value: float, judgement: str, scale: Sequence[int] = (1, 5)) -> Labelled:
        return label(f"rating:{aspect}", value, judgement=judgement, scale=list(scale))

    assert said(labels=[rating("helpful", 4, "j")]) == {"x": (1.0, 1.0)}
    assert said(labels=[rating("helpful", 3, "j")]) == {}
    assert said(labels=[rating("helpful", 5, "j"), rating("honest", 2, "j")]) == {"x": (1.0, 1.0)}
    assert said(labels=[rating("helpful", 5, "j"), rating("helpful", 1, "k", (0, 10))]) == {"x": (0.5, 2.0)}


def test_both_bad_is_bad_and_flags_are_where_they_are_named() -> None:
    assert said(labels=[label("bad", 1.0)]) == {"x": (0.0, 1.0)}
    unsafe = [label("flag:unsafe", 1.0), label("flag:unsafe", 0.0, text="y")]
    assert said(labels=unsafe) == {}
    assert said(labels=unsafe, flags=["unsafe"]) == {"x": (0.0, 1.0)}, "a flag that is not raised says nothing"


def test_demonstrations_stand_above_own_samples() -> None:
    shown = [Demonstration(PROMPT, "good", judgement_ids=("j",)), Demonstration(PROMPT, "same", judgement_ids=("k",))]
    (found,) = above_samples(shown, ["poor", " same "])
    assert (found.a, found.b, found.target, found.judgement_ids) == ("good", "poor", 1.0, ("j",))


def everything(folder: Path) -> Project:
    """A question of every kind about each training prompt; two people answer each."""
    project = Project.open(folder)
    answers: Mapping[str, tuple[int, Mapping[str, Any]]] = {
        "comparison": (2, {"choice": "a"}),
        "ranking": (3, {"ranks": [1, 2, 3]}),
        "edit": (1, {"text": "mended"}),
        "label": (1, {"thumb": True}),
        "rating": (1, {"ratings": {"helpful": 4}, "scale": [1, 5]}),
        "demonstration": (0, {"text": "shown"}),
    }
    completions, questions, judgements = [], [], []
    for prompt in project.prompts("train"):
        texts = [Completion(f"{prompt.id}-{n}", prompt.id, f"text {n}") for n in range(3)]
        completions += texts
        for kind, (count, answer) in answers.items():
            id_ = f"{kind}-{prompt.id}"
            questions.append(
                Question(id_, kind, prompt.id, tuple(text.id for text in texts[:count]), campaign=kind, overlap=2)
            )
            judgements += [Judgement(f"{id_}-{who}", id_, who, answer) for who in ("ada", "ben")]
    project.store.add_everything(
        completions=completions,
        annotators=[Annotator("ada"), Annotator("ben")],
        questions=questions,
        judgements=judgements,
    )
    return project


def test_every_kind_of_answer_reaches_what_can_use_it(make_project: Make) -> None:
    project = everything(make_project("project"))
    run = project.begin("prefer", Wanted(pairs=True, labels=True, demonstrations=True))
    wanted = Wanted(pairs=True, labels=True, demonstrations=True)
    learnt, aside = gather(project, run, wanted, by="prompt", held_out=0.2, seed=0)
    train = len(project.prompts("train"))
    kinds = [item.metadata["kind"] for item in [*learnt.comparisons, *aside.comparisons]]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "comparison": train,
        "ranking": 3 * train,
        "edit": train,
    }
    names = [item.name for item in [*learnt.labels, *aside.labels]]
    assert {name: names.count(name) for name in set(names)} == {"thumb": 2 * train, "rating:helpful": 2 * train}
    assert len(learnt.demonstrations) + len(aside.demonstrations) == 4 * train, "demonstrations and edits"
    prompts = [{item.prompt.id for item in part.everything()} for part in (learnt, aside)]
    assert not prompts[0] & prompts[1]
    assert 0.05 < len(prompts[1]) / train < 0.4


def test_a_resumed_run_sees_what_it_began_with(make_project: Make) -> None:
    project = everything(make_project("project"))
    wanted = Wanted(pairs=True, labels=False, demonstrations=False)
    run = project.begin("prefer", wanted)
    first = gather(project, run, wanted, by="prompt", held_out=0.2, seed=0)
    question = project.store.questions(kind="comparison")[0]
    project.store.add_annotators([Annotator("eve")])
    project.store.submit(Judgement("late", question.id, "eve", {"choice": "b"}))
    again = gather(
        project, Run.open(project.runs, "prefer", run.record["settings"]), wanted, by="prompt", held_out=0.2, seed=0
    )
    assert again == first
    assert "late" not in {id_ for part in again for item in part.comparisons for id_ in item.judgement_ids}


def test_nothing_said_about_a_prompt_kept_for_evaluation_is_learnt(make_project: Make) -> None:
    project = everything(make_project("project"))
    kept = project.prompts("evaluate")[0]
    texts = [Completion(f"{kept.id}-{n}", kept.id, f"text {n}") for n in range(2)]
    question = Question("of-kept", "comparison", kept.id, (texts[0].id, texts[1].id))
    project.store.add_everything(
        completions=texts, questions=[question], judgements=[Judgement("on-kept", "of-kept", "ada", {"choice": "a"})]
    )
    wanted = Wanted(pairs=True, labels=False, demonstrations=False)
    learnt, aside = gather(project, project.begin("prefer", wanted), wanted, by="prompt", held_out=0.2, seed=0)
    assert kept.id not in {item.prompt.id for item in learnt.comparisons}
    assert kept.id in {item.prompt.id for item in aside.comparisons}


@pytest.mark.parametrize(("voices", "who"), [("people", {"ada", "ben"}), ("models", {"robot"})])
def test_voices(voices: Any, who: set[str], make_project: Make) -> None:
    project = everything(make_project("project"))
    project.store.add_annotators([Annotator("robot", kind="model")])
    for question in project.store.questions(kind="comparison"):
        project.store.submit(Judgement(f"robot-{question.id}", question.id, "robot", {"choice": "b"}))
    wanted = Wanted(pairs=True, labels=False, demonstrations=False, voices=voices)
    learnt, aside = gather(project, project.begin("prefer", wanted), wanted, by="prompt", held_out=0.2, seed=0)
    assert {name for part in (learnt, aside) for item in part.comparisons for name in item.annotator_ids} == who
    unasked = Wanted(pairs=True, labels=False, demonstrations=False)
    run = project.begin("prefer", unasked)
    with pytest.raises(Problem, match="--voices"):
        gather(project, run, unasked, by="prompt", held_out=0.2, seed=0)


@pytest.mark.parametrize(("voices", "who"), [("people", {"ada", "ben"}), ("models", {"robot"})])
def test_a_reward_model_learns_from_the_voices_that_are_named(voices: Any, who: set[str], make_project: Make) -> None:
    project = everything(make_project("project"))
    with pytest.raises(Problem, match="nothing to learn from among models' answers yet"):
        reward.run(reward.Config(project.folder, voices="models"))
    project.store.add_annotators([Annotator("robot", kind="model")])
    for question in project.store.questions(kind="comparison"):
        project.store.submit(Judgement(f"robot-{question.id}", question.id, "robot", {"choice": "b"}))
    with pytest.raises(Problem, match="--voices"):
        reward.run(reward.Config(project.folder), name="unasked")
    given: dict[str, Any] = {"epochs": 0.1, "held_out": 0.3, "reference_samples": 8, "max_new_tokens": 4, "threads": 1}
    model = reward.run(reward.Config(project.folder, voices=voices, restart=True, **given), name="asked")
    assert model.snapshot is not None
    ids = lineage.snapshot_that_stands(project.store, model.snapshot).judgement_ids
    assert {judgement.annotator_id for judgement in project.store.judgements() if judgement.id in ids} == who
