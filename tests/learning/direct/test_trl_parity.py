"""The same numbers through TRL's own loss code: equal to 1e-5. Needs TRL, which heedful does not; skipped without.

TRL's trainers compute their losses inside methods that also forward the model. Here a trainer is made without its
constructor, and in place of a model stands a table of token log-probabilities, so that both sides see the same ones.
"""

from __future__ import annotations

import importlib.util
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from heedful.learning.direct import DPO, IPO, KTO, ORPO, SimPO, SLiC
from heedful.learning.direct.kto import Marks, reference_point
from heedful.learning.direct.pairs import Pairs, Side

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("trl") is None,
        reason="TRL is not installed: pip install trl, to compare the direct losses with its own",
    ),
    pytest.mark.filterwarnings("default"),  # TRL's warnings are its own
]

PROMPT, STEPS, PAIRS = 3, 7, 6


class Table:
    """Stands in for a model: gives the token log-probabilities it was made with, whatever it is asked."""

    def __init__(self, logprobs_BT: Tensor) -> None:
        self.logprobs_BT, self.training = logprobs_BT, True

    def __call__(self, **_asked: Any) -> Any:
        nothing_BT = torch.zeros_like(self.logprobs_BT)
        return SimpleNamespace(
            log_probs=self.logprobs_BT, entropy=nothing_BT, mean_logits=nothing_BT, is_top1=nothing_BT.bool()
        )


@pytest.fixture
def numbers() -> dict[str, Tensor]:
    """Token log-probabilities of 2 * PAIRS completions of ragged lengths after a prompt, under policy and reference."""
    random = torch.Generator().manual_seed(0)
    lengths_B = torch.randint(2, STEPS + 1, (2 * PAIRS,), generator=random)
    mask_BT = torch.arange(STEPS) < lengths_B[:, None]
    before = torch.zeros(2 * PAIRS, PROMPT, dtype=torch.bool)

    def drawn() -> Tensor:
        found = -2 * torch.rand(2 * PAIRS, STEPS, generator=random)
        whole_BS = torch.cat([torch.zeros(2 * PAIRS, PROMPT - 1), torch.where(mask_BT, found, 0.0)], 1)
        return whole_BS.requires_grad_()

    completion_mask_BS = torch.cat([before, mask_BT], 1)
    return {
        "mask_BS": completion_mask_BS,
        "tokens_B": mask_BT.sum(1),
        "policy_BT": drawn(),
        "ref_BT": drawn(),
        "policy_kl_BT": drawn(),
        "ref_kl_BT": drawn(),
    }


def theirs_of(module: str, name: str) -> Any:
    """A class of TRL's."""
    return getattr(importlib.import_module(module), name)


def bare(trainer: Any, **attributes: Any) -> Any:
    """A trainer of TRL's that has only what its loss reads."""
    made = object.__new__(trainer)
    settings = {
        "accelerator": importlib.import_module("accelerate").Accelerator(cpu=True),
        "model": SimpleNamespace(training=True),
        "aux_loss_enabled": False,
        "_metrics": defaultdict(lambda: defaultdict(list)),
        "_total_train_tokens": 0,
        "_tp_size": 1,
        "args": SimpleNamespace(gradient_checkpointing=False, gradient_checkpointing_kwargs=None),
        **attributes,
    }
    for name, value in settings.items():
        setattr(made, name, value)
    return made


def side(numbers: dict[str, Tensor], rows: slice) -> Side:
    return Side(numbers["policy_BT"].sum(1)[rows], numbers["tokens_B"][rows], numbers["ref_BT"].sum(1)[rows].detach())


def pairs(numbers: dict[str, Tensor]) -> Pairs:
    return Pairs(side(numbers, slice(PAIRS)), side(numbers, slice(PAIRS, None)), torch.ones(PAIRS))


def agree(ours: tuple[Tensor, Tensor, Any], theirs: Tensor, numbers: dict[str, Tensor], scale: float = 1.0) -> None:
    """The mean loss and its gradient with respect to every token's log-probability."""
    mean = scale * ours[0] / ours[1]
    torch.testing.assert_close(mean, theirs, atol=1e-5, rtol=1e-5)
    gradients = [torch.autograd.grad(loss, numbers["policy_BT"], retain_graph=True)[0] for loss in (mean, theirs)]
    mask_BT = numbers["mask_BS"][:, 1:]
    torch.testing.assert_close(gradients[0][mask_BT], gradients[1][mask_BT], atol=1e-5, rtol=1e-5)


def trl_dpo(numbers: dict[str, Tensor], loss_type: str, beta: float) -> Tensor:
    trainer = bare(
        theirs_of("trl", "DPOTrainer"),
        beta=beta,
        loss_types=[loss_type],
        loss_weights=[1.0],
        label_smoothing=0.0,
        f_divergence_type="reverse_kl",
        ld_alpha=None,
        use_weighting=False,
        precompute_ref_logps=True,
    )
    ref_B = numbers["ref_BT"].sum(1).detach()
    inputs = {
        "input_ids": torch.zeros(numbers["mask_BS"].shape, dtype=torch.long),
        "attention_mask": torch.ones(numbers["mask_BS"].shape, dtype=torch.long),
        "completion_mask": numbers["mask_BS"].long(),
        "ref_chosen_logps": ref_B[:PAIRS],
        "ref_rejected_logps": ref_B[PAIRS:],
    }
    loss: Tensor = trainer._compute_loss(Table(numbers["policy_BT"]), inputs, return_outputs=False)
    return loss


@pytest.mark.parametrize("beta", [0.1, 0.7])
def test_dpo(numbers: dict[str, Tensor], beta: float) -> None:
    agree(DPO(beta)(pairs(numbers)), trl_dpo(numbers, "sigmoid", beta), numbers)


@pytest.mark.parametrize("beta", [0.1, 0.7])
def test_ipo(numbers: dict[str, Tensor], beta: float) -> None:
    agree(IPO(beta)(pairs(numbers)), trl_dpo(numbers, "ipo", beta), numbers)


def test_slic(numbers: dict[str, Tensor]) -> None:
    """TRL's hinge is relu(1 - beta gap) on log-ratios; with a reference of zeros, beta times ours at delta 1/beta."""
    without = {**numbers, "ref_BT": torch.zeros_like(numbers["ref_BT"])}
    ours = SLiC(delta=1 / 0.4, imitation_weight=0.0)(pairs(without))
    agree(ours, trl_dpo(without, "hinge", 0.4), numbers, scale=0.4)


def test_simpo(numbers: dict[str, Tensor]) -> None:
    trainer = bare(
        theirs_of("trl.experimental.cpo", "CPOTrainer"),
        beta=2.0,
        simpo_gamma=0.5,
        label_smoothing=0.0,
        loss_type="simpo",
        alpha=0.0,
    )
    both = pairs(numbers)
    losses_N = trainer.cpo_loss(both.a.mean_logprobs(), both.b.mean_logprobs())[0]
    agree(SimPO(2.0, 0.5)(both), losses_N.mean(), numbers)


def test_conservative_dpo(numbers: dict[str, Tensor]) -> None:
    """Its label smoothing, on log-ratios in place of log-probabilities."""
    trainer = bare(
        theirs_of("trl.experimental.cpo", "CPOTrainer"), beta=0.3, label_smoothing=0.2, loss_type="sigmoid", alpha=0.0
    )
    both = pairs(numbers)
    losses_N = trainer.cpo_loss(both.a.log_ratio(), both.b.log_ratio())[0]
    agree(DPO(0.3, label_smoothing=0.2)(both), losses_N.mean(), numbers)


def test_orpo(numbers: dict[str, Tensor]) -> None:
    """Its odds ratio; imitation, which TRL takes over prompts too, is added to both sides as ours."""
    trainer = bare(theirs_of("trl.experimental.orpo", "ORPOTrainer"), beta=0.3)
    both = pairs(numbers)
    ratio_N = trainer.odds_ratio_loss(both.a.mean_logprobs(), both.b.mean_logprobs())[0]
    agree(ORPO(0.3)(both), -both.a.mean_logprobs().mean() - ratio_N.mean(), numbers)


def test_kto(numbers: dict[str, Tensor]) -> None:
    good_N = torch.arange(2 * PAIRS) % 3 != 0
    trainer = bare(
        theirs_of("trl", "KTOTrainer"),
        beta=0.4,
        loss_type="kto",
        desirable_weight=1.3,
        undesirable_weight=0.8,
        precompute_ref_logps=True,
        calculate_KL=True,
    )
    kl = {"policy": numbers["policy_kl_BT"].sum(1), "ref": numbers["ref_kl_BT"].sum(1).detach()}
    kl["ref"] = kl["ref"] - 1.0  # so that the reference point is not clamped to 0
    trainer._compute_kl_logps = lambda _model, _batch: kl["policy"].detach()
    inputs = {
        "input_ids": torch.zeros(numbers["mask_BS"].shape, dtype=torch.long),
        "attention_mask": torch.ones(numbers["mask_BS"].shape, dtype=torch.long),
        "completion_mask": numbers["mask_BS"].long(),
        "label": good_N,
        "ref_logps": numbers["ref_BT"].sum(1).detach(),
        "ref_KL_logps": kl["ref"],
    }
    theirs = trainer._compute_loss(Table(numbers["policy_BT"]), inputs, return_outputs=False)
    z = reference_point(Side(kl["policy"], numbers["tokens_B"], kl["ref"]))
    assert float(z) > 0
    marks = Marks(side(numbers, slice(None)), good_N.float(), torch.ones(2 * PAIRS), z)
    agree(KTO(0.4, 1.3, 0.8)(marks), theirs, numbers)
