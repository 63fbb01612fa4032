"""A reward that learns while the policy learns: can a discriminator tell the policy's writing from people's?

Paper: Yu et al. 2023, "Fine-tuning Language Models with Generative Adversarial Feedback" (RLGAF, arXiv:2305.06176);
it is the scheme of Ho and Ermon 2016 (GAIL) with text. Each round: some steps of logistic regression, people's
answers (1) against fresh samples (0), and then the discriminator's log-odds are the score of these samples.

A discriminator that is not refitted is a reward like any other, and is hacked like any other: the policy finds
what it takes for human and people never wrote. `accuracy` and `deceived` tell, on fresh samples before they are learnt
from: accuracy falls towards one half where the policy writes as people do; where the policy has only learnt to
deceive, nearly all of its samples are taken for people's.

Deviations: the score is the log-odds instead of the probability, which has no gradient left where the discriminator is
sure; both have the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.language.heads import ScalarModel
from heedful.language.imitation import Example
from heedful.language.tokens import pad
from heedful.rollouts import Rollouts, Stats
from heedful.seeds import generator


class Classifier(Protocol):
    """Gives each row of rollouts the log-odds that a person wrote it."""

    def __call__(self, rollouts: Rollouts) -> Tensor:
        """logits_B, with gradients."""
        ...

    def parameters(self) -> Iterable[torch.nn.Parameter]:
        """Its weights."""
        ...

    def state_dict(self) -> Any:
        """All weights by name."""
        ...

    def load_state_dict(self, state_dict: Any) -> Any:
        """Take weights over."""
        ...


Human = Callable[[Rollouts, int], Rollouts]
"""(the policy's rollouts, round) -> as many rows that people wrote, of the same prompts where there are some."""


class Discriminator:
    """A `heedful.rollouts.Reward` that is refitted to every batch it scores; it must survive a crash (`Stateful`).

    Attributes:
        accuracy: mean of the shares of people's rows and of the policy's fresh rows that are told right, before the
            round's refit; what it said of the newest batch.
        deceived: share of the policy's fresh rows that are taken for people's, before the refit.

    Args:
        classifier: tells people's rows from the policy's.
        human: where people's rows come from.
        compute: makes the steps; this prepares it with the classifier's weights at `learning_rate`.
        steps: of logistic regression in each round.
        learning_rate: of these steps.
        rounds: how many rounds it goes on learning; None for ever, 1 to be frozen after the first.
    """

    def __init__(
        self,
        classifier: Classifier,
        human: Human,
        compute: LocalCompute,
        *,
        steps: int = 4,
        learning_rate: float = 1e-4,
        rounds: int | None = None,
    ) -> None:
        if steps < 1:
            raise Problem(f"a discriminator cannot learn in {steps} steps", mend="let it make 1 or more in each round")
        self.classifier, self.human, self.compute = classifier, human, compute
        self.steps, self.rounds, self.done = steps, rounds, 0
        self.accuracy, self.deceived = 0.5, 0.5
        compute.prepare([(classifier.parameters(), learning_rate)])

    def __call__(self, rollouts: Rollouts) -> Rollouts:
        """Look, learn, and attach `scores_B`; see `heedful.rollouts.Reward`."""
        people = self.human(rollouts, self.done)
        human_B, own_B = self._logits(people) > 0, self._logits(rollouts) > 0
        self.deceived = float(own_B.float().mean())
        self.accuracy = (float(human_B.float().mean()) + 1 - self.deceived) / 2
        if self.rounds is None or self.done < self.rounds:
            for _ in range(self.steps):
                self._step(people, rollouts)
        self.done += 1
        return self.look(rollouts)

    def look(self, rollouts: Rollouts) -> Rollouts:
        """Attach `scores_B` without learning from these rows: for completions that are not trained on."""
        return rollouts.with_(scores_B=self._logits(rollouts))

    def stats(self) -> Stats:
        """What the newest round logs."""
        return {"discriminator_accuracy": self.accuracy, "deceived": self.deceived}

    @torch.no_grad()
    def _logits(self, rollouts: Rollouts) -> Tensor:
        return torch.cat([self.classifier(part) for part in self._parts(rollouts)])

    def _parts(self, rows: Rollouts) -> Iterator[Rollouts]:
        """As many rows at a time as fit into memory."""
        index_B = torch.arange(len(rows), device=rows.mask_BT.device)
        for index_m in torch.split(index_B, self.compute.micro_batch or len(rows)):
            yield rows.rows(index_m)

    def _step(self, people: Rollouts, own: Rollouts) -> None:
        """One step of logistic regression, both sides weighted alike."""
        for rows, human in ((people, True), (own, False)):
            for part in self._parts(rows):
                loss_sum, _ = logistic_loss(self.classifier(part), human=human)
                self.compute.backward(loss_sum / len(rows))
        self.compute.step(2.0)

    def state_dict(self) -> dict[str, Any]:
        """Weights, the optimiser's moments, how many rounds are done and what the last one showed."""
        found: dict[str, Any] = {
            "classifier": self.classifier.state_dict(),
            "done": self.done,
            "seen": [self.accuracy, self.deceived],
        }
        return {**found, "compute": self.compute.state_dict()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go back to what `state_dict` gave."""
        self.classifier.load_state_dict(state_dict["classifier"])
        self.compute.load_state_dict(state_dict["compute"])
        self.done = state_dict["done"]
        self.accuracy, self.deceived = state_dict["seen"]


def logistic_loss(logits_N: Tensor, *, human: bool) -> tuple[Tensor, int]:
    """(sum of -log sigmoid(+-logit), rows): the sign is + for rows that people wrote."""
    return F.softplus(-logits_N if human else logits_N).sum(), len(logits_N)


@dataclass(frozen=True)
class ReadsText:
    """A scalar model as a classifier of the text world's rollouts: its number at the last token is the log-odds."""

    model: ScalarModel

    def __call__(self, rollouts: Rollouts) -> Tensor:
        """logits_B."""
        steps = rollouts.mask_BT.shape[1]
        return self.model.score(rollouts.inputs["ids_BS"], rollouts.inputs["attend_mask_BS"], steps)

    def parameters(self) -> Iterable[torch.nn.Parameter]:
        """The model's weights."""
        return self.model.parameters()

    def state_dict(self) -> dict[str, Any]:
        """The model's weights by name."""
        state: dict[str, Any] = self.model.state_dict()
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take weights over."""
        self.model.load_state_dict(state_dict)


class Demonstrated:
    """People's rows for a batch: a demonstration of each row's prompt, or of any prompt where it has none.

    Demonstrations are cut at `longest` tokens, as samples are: length must not give the policy away by itself.

    Args:
        examples: demonstrations in token ids.
        longest: tokens of a completion.
        seed: of the choice among several.
    """

    def __init__(self, examples: Sequence[Example], longest: int, *, seed: int) -> None:
        if not examples:
            raise Problem("there are no demonstrations to compare with", mend="import rows with prompt and completion")
        self.examples, self.longest, self.seed = examples, longest, seed
        self.by_prompt: dict[tuple[int, ...], list[Example]] = {}
        for example in examples:
            self.by_prompt.setdefault(tuple(example.prompt), []).append(example)

    def __call__(self, rollouts: Rollouts, round_: int) -> Rollouts:
        """See `Human`."""
        rng = generator(self.seed, "people", round_)
        steps = rollouts.mask_BT.shape[1]
        ids, real = rollouts.inputs["ids_BS"][:, :-steps], rollouts.inputs["attend_mask_BS"][:, :-steps]
        chosen = []
        for row_S, real_S in zip(ids, real, strict=True):
            known = self.by_prompt.get(tuple(row_S[real_S].tolist()), self.examples)
            chosen.append(known[int(rng.integers(len(known)))])
        padded = pad(
            [example.prompt for example in chosen],
            [example.completion[: self.longest] for example in chosen],
            rollouts.mask_BT.device,
        )
        mask_BT = padded.response_mask_BT
        zeros_BT = torch.zeros(mask_BT.shape, device=mask_BT.device)
        return Rollouts(padded.inputs, mask_BT, torch.arange(len(chosen), device=mask_BT.device), zeros_BT)
