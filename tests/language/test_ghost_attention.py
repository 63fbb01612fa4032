from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch

from heedful.errors import Problem
from heedful.language.ghost_attention import ghost_example, instructed, sample_conversations
from heedful.language.imitation import imitation_loss
from heedful.language.pretrained import LanguageModel
from heedful.language.sampling import Sample, Sampling
from heedful.language.tokens import pad
from heedful.records import Message

TURNS = (
    Message("system", "s"),
    Message("user", "a b"),
    Message("assistant", "c d"),
    Message("user", "e"),
    Message("assistant", "f g h"),
)


def test_the_instruction_stands_in_every_turn_of_the_user_or_in_the_first() -> None:
    every = [turn.content for turn in instructed(TURNS, "x", everywhere=True)]
    assert every == ["s", "x\na b", "c d", "x\ne", "f g h"]
    first = [turn.content for turn in instructed(TURNS, "x", everywhere=False)]
    assert first == ["s", "x\na b", "c d", "e", "f g h"]
    with pytest.raises(Problem, match="no turn of the user"):
        instructed(TURNS[:1], "x", everywhere=True)


def test_the_mask_is_exactly_the_last_answer(make_model: Callable[..., LanguageModel]) -> None:
    """No token of an earlier turn has a loss, and the last answer has all of it."""
    model = make_model("llama", 0)
    example = ghost_example(model, TURNS, "x")
    letter = {word: number for number, word in enumerate(["", "", "", "", *"abcdefghijklmnopqrstuvwxyz"])}
    # `role:` is a word that this tokenizer does not know (0).
    wanted = [0, "s", 0, "x", "a", "b", 0, "c", "d", 0, "e", 0]
    assert example.prompt == [letter.get(str(word), word) for word in wanted]
    assert example.completion == [letter["f"], letter["g"], letter["h"], 2]
    mask = pad([example.prompt], [example.completion], torch.device("cpu")).response_mask_BT
    assert mask.tolist() == [[True, True, True, True]]
    # The whole conversation through the model by hand: only the last four targets are summed.
    ids = torch.tensor([[*example.prompt, *example.completion]])
    with torch.no_grad():
        logprobs_SV = model.module(ids).logits[0].log_softmax(-1)
    nats_S = -logprobs_SV[:-1].gather(1, ids[0, 1:, None])[:, 0]
    loss_sum, count, _ = imitation_loss(model, [example])
    assert float(count) == 4
    assert float(loss_sum.detach()) == pytest.approx(float(nats_S[-4:].sum()), rel=1e-5)


class Echo:
    """A sampler that notes what it was shown and always writes `q`."""

    def __init__(self, model: LanguageModel) -> None:
        self.model, self.shown = model, list[list[str]]()

    def sample(self, prompts: Sequence[Sequence[int]], settings: Sampling, seeds: Sequence[int]) -> list[Sample]:
        self.shown.append([self.model.decode(prompt) for prompt in prompts])
        assert len(set(seeds)) == len(prompts)
        ids = tuple(self.model.encode("q", start=False))
        return [Sample((*ids, 2), (0.0,) * 2, "stop") for _ in prompts]


def test_answers_are_sampled_with_the_instruction_on_all_turns(make_model: Callable[..., LanguageModel]) -> None:
    model = make_model("llama", 0)
    echo = Echo(model)
    questions = [["a", "b", "c"], ["d"]]
    held = sample_conversations(model, echo, questions, ["x", "y"], Sampling(max_new_tokens=4), seed=0)
    assert [[turn.content for turn in turns] for turns in held] == [["a", "q", "b", "q", "c", "q"], ["d", "q"]]
    words = [[text.split() for text in batch] for batch in echo.shown]
    assert words[0] == [["x", "a"], ["y", "d"]]
    assert words[1] == [["x", "a", "q", "x", "b"]]
    assert words[2] == [["x", "a", "q", "x", "b", "q", "x", "c"]]


def test_a_conversation_that_cannot_be_learnt_from_is_a_problem(make_model: Callable[..., LanguageModel]) -> None:
    model = make_model("llama", 0)
    with pytest.raises(Problem, match="last turn is not the assistant's"):
        ghost_example(model, TURNS[:-1], "x")
    with pytest.raises(Problem, match="tokens, the model's context is 64"):
        ghost_example(model, [*TURNS[:-1], Message("assistant", " ".join("f" * 60))], "x")
