"""The same numbers through TRL's own code: equal to 1e-5. Needs TRL, which heedful does not; skipped without.

TRL's trainers compute losses and advantages inside methods that also sample and forward the model. Here a trainer is
made without its constructor, and in place of a model stands a table of token log-probabilities, so that both sides see
the same ones; rewards are given too.
"""

from __future__ import annotations

import importlib.util
from collections import defaultdict, deque
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from heedful.learning.algorithms import GRPO, RLOO, dr_grpo
from heedful.learning.direct import DPO, IPO, KTO, ORPO, SimPO, SLiC
from heedful.learning.direct.kto import Marks, reference_point
from heedful.learning.direct.pairs import Pairs, Side
from heedful.learning.kl import leashed_rewards
from heedful.rollouts import Rollouts

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("trl") is None,
        reason="TRL is not installed: pip install trl, to compare losses and advantages with its own",
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


GROUP = 4


@pytest.fixture
def rewards_B() -> Tensor:
    """Of three prompts' completions; those of the last prompt are worth the same."""
    found_B = torch.randn(2 * PAIRS, generator=torch.Generator().manual_seed(1))
    found_B[-GROUP:] = 0.7
    return found_B


def trl_advantages(numbers: dict[str, Tensor], rewards_B: Tensor, name: str, **settings: Any) -> Tensor:
    """advantages_B of TRL's whole way from rewards to advantages, after sampling that gives what is in the table.

    What it reads besides stands here as its own defaults.
    """
    completions = [[5] * int(tokens) for tokens in numbers["tokens_B"]]
    prompts = [[7] * PROMPT] * len(completions)
    nothing = [None] * 5 if name == "GRPOTrainer" else []
    written = (prompts, completions, *nothing[:1], [""] * len(completions), *nothing[1:])
    policy, reference = (SimpleNamespace(training=True, is_gradient_checkpointing=False) for _ in range(2))
    trainer = bare(
        theirs_of("trl", name),
        **{
            "model": policy,
            "ref_model": reference,
            "num_generations": GROUP,
            "reward_weights": torch.ones(1),
            "reward_func_names": ["given"],
            "reward_funcs": [None],
            "reward_clip_range": None,
            "multi_objective_aggregation": "sum_then_normalize",
            "mask_truncated_completions": False,
            "pad_to_multiple_of": None,
            "environment_factories": None,
            "environments": None,
            "tools": None,
            "use_vllm": False,
            "num_iterations": 1,
            "_tokenizer": SimpleNamespace(pad_token_id=0),
            "_logs": {
                "rewards": defaultdict(deque),
                **{name: deque() for name in ("prompt", "completion", "advantages", "extra")},
            },
            "_pending_extra_logs": {},
            "_pending_metrics": {},
            "args": SimpleNamespace(
                per_device_train_batch_size=GROUP,
                steps_per_generation=1,
                gradient_accumulation_steps=1,
                gradient_checkpointing_kwargs=None,
            ),
            "_generate": lambda _prompts: written,
            "_calculate_rewards": lambda *_rows: rewards_B[:, None].clone(),
            **settings,
        },
    )
    tables = {id(policy): numbers["policy_BT"], id(reference): numbers["ref_BT"]}
    trainer._get_per_token_logps_and_entropies = lambda model, *_rows, **_how: (
        tables[id(model)][:, PROMPT - 1 :].detach(),
        None,
        None,
    )
    found: Tensor = trainer._generate_and_score_completions([{"prompt": ""}] * len(completions))["advantages"]
    return found


def rewarded(numbers: dict[str, Tensor], rewards_B: Tensor, leash: float) -> Rollouts:
    policy_BT, ref_BT, mask_BT = (numbers[name].detach()[:, -STEPS:] for name in ("policy_BT", "ref_BT", "mask_BS"))
    return Rollouts(
        {},
        mask_BT,
        torch.arange(len(mask_BT)) // GROUP,
        policy_BT,
        ref_logprobs_BT=ref_BT,
        rewards_BT=leashed_rewards(rewards_B, policy_BT, ref_BT, mask_BT, leash),
    )


def at_first_token(advantages_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """advantages_B, which are the same at all tokens of a completion."""
    assert torch.equal(torch.where(mask_BT, advantages_BT[:, :1], 0.0), advantages_BT)
    return advantages_BT[:, 0]


@pytest.mark.parametrize("leash", [0.0, 0.05, 0.5])
def test_advantages_of_rloo(numbers: dict[str, Tensor], rewards_B: Tensor, leash: float) -> None:
    """TRL's beta is the leash: k1 in the reward. It standardises over the batch only where it is told to."""
    theirs_B = trl_advantages(numbers, rewards_B, "RLOOTrainer", beta=leash, normalize_advantages=False)
    rollouts = rewarded(numbers, rewards_B, leash)
    ours_B = at_first_token(RLOO().credit(rollouts)[0], rollouts.mask_BT)
    assert theirs_B.abs().max() > 0.5
    torch.testing.assert_close(ours_B, theirs_B, atol=1e-5, rtol=1e-5)


def test_advantages_of_grpo(numbers: dict[str, Tensor], rewards_B: Tensor) -> None:
    """TRL divides by the sample's deviation and 1e-4, we by the population's: the ratio of the two is taken out."""
    theirs_B = trl_advantages(numbers, rewards_B, "GRPOTrainer", beta=0.0, scale_rewards="group")
    rollouts = rewarded(numbers, rewards_B, 0.0)
    ours_B = at_first_token(GRPO().credit(rollouts)[0], rollouts.mask_BT)
    groups_PG = rewards_B.view(-1, GROUP)
    ratio_P1 = groups_PG.std(1, correction=0, keepdim=True) / (groups_PG.std(1, keepdim=True) + 1e-4)
    assert theirs_B.abs().max() > 0.5
    torch.testing.assert_close((ours_B.view(-1, GROUP) * ratio_P1).flatten(), theirs_B, atol=1e-5, rtol=1e-5)


def test_advantages_of_dr_grpo(numbers: dict[str, Tensor], rewards_B: Tensor) -> None:
    theirs_B = trl_advantages(numbers, rewards_B, "GRPOTrainer", beta=0.0, scale_rewards="none")
    rollouts = rewarded(numbers, rewards_B, 0.0)
    ours_B = at_first_token(dr_grpo(STEPS).credit(rollouts)[0], rollouts.mask_BT)
    torch.testing.assert_close(ours_B, theirs_B, atol=1e-5, rtol=1e-5)
