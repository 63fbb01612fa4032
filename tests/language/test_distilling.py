"""Context distillation: the loss by hand, and a student that comes as near to the prompted teacher as it can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.language.distilling import Lesson, both_prompts, distillation_loss, in_context
from heedful.language.engines.local import LocalSampler
from heedful.language.imitation import Example, imitation_loss
from heedful.language.pretrained import LanguageModel
from heedful.language.sampling import Sampling
from heedful.learning.schedules import linear
from heedful.records import Message, Prompt
from heedful.rollouts import Metrics
from heedful.seeds import generator

Make = Callable[[str, int], LanguageModel]


def test_the_loss_by_hand(any_model: LanguageModel, make_model: Make) -> None:
    """Against transformers' own forward pass of each row alone, without padding."""
    teacher = make_model("llama", 7)
    lessons = [Lesson([1, 5], [1, 8, 9, 5], [4, 6, 2]), Lesson([1, 7, 7, 7], [1, 8, 9, 7, 7, 7], [8])]
    total, count, metrics = distillation_loss(any_model, teacher, lessons)
    crossed, divergence = 0.0, 0.0
    with torch.no_grad():
        for lesson in lessons:
            rows = []
            for model, prompt in ((teacher, lesson.prompted), (any_model, lesson.prompt)):
                logits_SV = model.module(torch.tensor([prompt + lesson.completion])).logits[0]
                rows.append(logits_SV[len(prompt) - 1 : -1].double().softmax(-1))
            crossed -= float((rows[0] * rows[1].log()).sum())
            divergence += float((rows[0] * (rows[0] / rows[1]).log()).sum())
    assert float(total.detach()) == pytest.approx(crossed, rel=1e-4)
    assert float(count) == 4
    assert float(metrics["teacher_kl"][0]) == pytest.approx(divergence, rel=1e-3)


class Certain:
    """A teacher that is sure of every token that was written, and of no other."""

    device = torch.device("cpu")

    def __init__(self, vocabulary: int) -> None:
        self.vocabulary = vocabulary

    def logits(self, ids_BS: Tensor, _attend_mask_BS: Tensor, _positions_BS: Tensor, last: int) -> Tensor:
        next_BS = torch.nn.functional.pad(ids_BS[:, 1:], (0, 1))[:, -last:]
        return 1e6 * torch.nn.functional.one_hot(next_BS, self.vocabulary).float()


def test_under_a_certain_teacher_it_is_imitation(any_model: LanguageModel) -> None:
    """Soft targets of 0 and 1 are hard ones, in value and in gradient."""
    pairs = [([1, 5], [4, 6, 2]), ([1, 7, 7, 7], [8, 2]), ([1, 9], [9, 9, 9, 9, 2])]
    lessons = [Lesson(prompt, [1, 8, 8, *prompt[1:]], completion) for prompt, completion in pairs]
    teacher: Any = Certain(any_model.vocabulary)
    soft, soft_count, metrics = distillation_loss(any_model, teacher, lessons)
    hard, hard_count, _ = imitation_loss(any_model, [Example(*pair) for pair in pairs])
    assert float(soft_count) == float(hard_count) == 10
    torch.testing.assert_close(soft, hard, rtol=1e-5, atol=0)
    torch.testing.assert_close(metrics["teacher_kl"][0], soft.detach())  # the teacher itself has no entropy
    weights = [weight for weight in any_model.parameters() if weight.requires_grad]
    slopes = (torch.autograd.grad(loss, weights) for loss in (soft, hard))
    for one, other in zip(*slopes, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5 * float(other.abs().max()))


def test_a_student_that_is_its_teacher_has_no_divergence_and_no_gradient(make_model: Make) -> None:
    student = make_model("llama", 1)
    total, _, metrics = distillation_loss(student, student.frozen_copy(), [Lesson([1, 5], [1, 5], [4, 6, 2])])
    assert float(metrics["teacher_kl"][0]) == pytest.approx(0, abs=1e-4)
    total.backward()  # type: ignore[no-untyped-call]
    largest = max(float(p.grad.abs().max()) for p in student.parameters() if p.grad is not None)
    assert largest < 1e-4


def test_the_context_stands_before_a_text_and_is_the_system_message_of_a_conversation() -> None:
    assert in_context(Prompt.of("c d"), "a b ").text == "a b c d"
    spoken = in_context(Prompt.of([Message("user", "c")]), " be kind\n")
    assert spoken.messages == (Message("system", "be kind"), Message("user", "c"))


def test_a_context_that_leaves_no_room_is_refused(make_model: Make) -> None:
    model = make_model("llama", 0)
    plain, prompted = both_prompts(model, Prompt.of("c d"), "a b ", 8)
    assert (plain, prompted) == ([6, 7], [4, 5, 6, 7])
    with pytest.raises(Problem, match="the model can read"):
        both_prompts(model, Prompt.of("c d"), "a " * 60, 8)


GROUP = 4
CONTEXTS = [17, 18, 19, 20]
"""A context asks for letters of its own group: 4 to 7, 8 to 11, 12 to 15, 16 to 19."""


def test_the_student_learns_the_prompted_distribution_and_one_sample_each_teaches_less(make_model: Make) -> None:
    """The divergence on fresh samples of the teacher falls by nine tenths; imitating one sample per prompt: by less."""
    start = _obedient(make_model("llama", 4))
    teacher = start.frozen_copy()
    prompts = [[1, letter] for letter in range(21, 29)]
    lessons, fresh = _lessons(teacher, prompts, 0), _lessons(teacher, prompts, 1)
    examples = [Example(lesson.prompt, lesson.completion) for lesson in lessons]
    soft, hard = make_model("llama", 4), make_model("llama", 4)
    for student in (soft, hard):
        student.load_state_dict(start.state_dict())
    _train(soft, lambda _: distillation_loss(soft, teacher, lessons), 40)
    _train(hard, lambda _: imitation_loss(hard, examples), 40)
    before, after, by_samples = (_divergence(model, teacher, fresh) for model in (start, soft, hard))
    assert before > 0.5
    assert after < 0.1 * before
    assert by_samples > 2 * after


def _obedient(model: LanguageModel) -> LanguageModel:
    """Taught to write random letters of the group that the context asks for; without one, of any group."""
    rng = generator(0, "obedience")
    examples = []
    for row in range(160):
        asked = row % 5
        group = rng.integers(0, len(CONTEXTS)) if asked == len(CONTEXTS) else asked
        letters = (4 + GROUP * group + rng.integers(0, GROUP, 4)).tolist()
        context = CONTEXTS[asked : asked + 1]
        examples.append(Example([1, *context, int(rng.integers(21, 29))], letters))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.div_(8.0)
    _train(model, lambda step: imitation_loss(model, examples[step % 2 :: 2]), 60)
    return model


def _train(model: LanguageModel, loss: Callable[[int], tuple[Tensor, Tensor, Metrics]], steps: int) -> None:
    compute = LocalCompute()
    compute.prepare([(model.parameters(), 1e-2)])
    for step in range(steps):
        total, count, _ = loss(step)
        compute.backward(total)
        compute.step(float(count), learning_rate_scale=linear(step, steps))


def _lessons(teacher: LanguageModel, prompts: list[list[int]], seed: int) -> list[Lesson]:
    prompted = [[1, CONTEXTS[0], *prompt[1:]] for prompt in prompts]
    seeds = [1000 * seed + row for row in range(len(prompts))]
    samples = LocalSampler(teacher).sample(prompted, Sampling(max_new_tokens=4), seeds)
    return [Lesson(p, q, list(s.token_ids)) for p, q, s in zip(prompts, prompted, samples, strict=True)]


@torch.no_grad()
def _divergence(student: LanguageModel, teacher: LanguageModel, lessons: list[Lesson]) -> float:
    """Nats per token."""
    _, count, metrics = distillation_loss(student, teacher, lessons)
    return float(metrics["teacher_kl"][0]) / float(count)
