"""From any kind of answer through the store and a view to a loss that a model can descend."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from heedful.errors import Problem
from heedful.feedback import views
from heedful.feedback.questions import KINDS
from heedful.feedback.store import Store
from heedful.language.heads import ScalarModel
from heedful.language.imitation import examples_of_demonstrations, imitation_loss
from heedful.language.pretrained import LanguageModel, load
from heedful.learning.offline.reward_weighted import reward_weights
from heedful.learning.preference import bradley_terry
from heedful.records import Annotator, Completion, Demonstration, Judgement, Prompt, Question
from heedful.reward.completions import encode, pair_scores
from heedful.stages.teaching import asked_for
from heedful.stages.valuing import Scored, weighted_loss

WORDS = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=4).map(" ".join)
TEXT = WORDS.map(lambda text: {"text": text})
ANSWERS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "comparison": st.sampled_from(["a", "b", "tie", "bad"]).map(lambda choice: {"choice": choice}),
    "ranking": st.permutations([1, 2, 3]).map(lambda ranks: {"ranks": ranks}),
    "rating": st.integers(1, 5).map(lambda value: {"ratings": {"helpful": value}, "scale": [1, 5]}),
    "label": st.booleans().map(lambda thumb: {"thumb": thumb}),
    "flags": st.sampled_from(["rude", "false"]).map(lambda name: {"flags": [{"name": name}]}),
    "critique": TEXT,
    "edit": TEXT,
    "demonstration": TEXT,
}
SHOWN = {"comparison": 2, "ranking": 3, "demonstration": 0}
TEXTS = ("q r", "s t u", "v")


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> LanguageModel:
    return load(tiny_model)


@pytest.fixture(scope="module")
def judge(tiny_model: Path) -> ScalarModel:
    return ScalarModel(load(tiny_model), seed=0)


def slope(loss: torch.Tensor, learner: LanguageModel | ScalarModel) -> float:
    """Norm of the gradient of a finite loss."""
    assert math.isfinite(float(loss.detach()))
    parameters = list(learner.parameters())
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    return math.sqrt(sum(float((each**2).sum()) for each in found if each is not None))


def slopes(store: Store, model: LanguageModel, judge: ScalarModel, campaign: str) -> list[float]:
    """Of the loss of every view that has something to say of a campaign."""
    found = []
    if pairs := views.comparisons(store, campaigns=campaign):
        encoded = encode(judge, pairs).pairs
        target_N = torch.tensor([pair.target for pair in encoded])
        found.append(slope(bradley_terry(*pair_scores(judge, encoded), target_N)[0], judge))
    shown = views.demonstrations(store, campaigns=campaign)
    remarks = [asked_for(model, row, "{prompt} {draft}", "") for row in views.critiques(store, campaigns=campaign)]
    for texts in (shown, remarks):
        if texts:
            found.append(slope(imitation_loss(model, examples_of_demonstrations(model, texts))[0], model))
    if marks := views.labelled(store, campaigns=campaign):
        values_N = torch.tensor([mark.value for mark in marks])
        weights = reward_weights(values_N, torch.zeros(len(marks)).long(), 1.0, 20.0).tolist()
        texts = [Demonstration(mark.prompt, mark.text) for mark in marks]
        rows = [Scored(*pair) for pair in zip(examples_of_demonstrations(model, texts), weights, strict=True)]
        found.append(slope(weighted_loss(model, rows)[0], model))
    return found


def test_every_kind_has_answers_here() -> None:
    assert set(ANSWERS) == set(KINDS)


@settings(max_examples=20, deadline=None)
@given(data=st.data(), kind=st.sampled_from(sorted(ANSWERS)))
def test_any_answer_of_any_kind_moves_a_model(
    tmp_path_factory: pytest.TempPathFactory, model: LanguageModel, judge: ScalarModel, data: st.DataObject, kind: str
) -> None:
    """A comparison that calls both bad is heard twice: as a tie, and as two marks; so is an edit, thrice."""
    answer = data.draw(ANSWERS[kind])
    with Store.open(tmp_path_factory.getbasetemp() / "events.db") as store:
        number = len(store.questions())
        question = Question(f"q{number}", kind, "p", TEXTS[: SHOWN.get(kind, 1)], campaign=f"c{number}")
        store.add_everything(
            prompts=[Prompt("p", "x y")],
            completions=[Completion(text, "p", text) for text in TEXTS],
            annotators=[Annotator("ann")],
            questions=[question],
            judgements=[Judgement(f"j{number}", question.id, "ann", answer)],
        )
        found = slopes(store, model, judge, question.campaign)
    assert len(found) == {"edit": 3}.get(kind, 2 if answer.get("choice") == "bad" else 1)
    assert min(found) > 1e-6


def test_what_no_loss_would_know_is_refused(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.db") as store:
        store.add_everything(prompts=[Prompt("p", "x")], completions=[Completion("c", "p", "y")])
        with pytest.raises(Problem, match="duel"):
            store.add_questions([Question("q", "duel", "p", ("c",))])
        store.add_everything(annotators=[Annotator("ann")], questions=[Question("q", "label", "p", ("c",))])
        with pytest.raises(Problem, match="applause"):
            store.submit(Judgement("j", "q", "ann", {"applause": 3}))
