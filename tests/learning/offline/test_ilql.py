"""ILQL: each term by hand, and on a table the heads reach the optimal values that value iteration gives."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from heedful.compute.local import LocalCompute
from heedful.errors import Problem
from heedful.learning.offline.ilql import ILQL, Outlook, expectile_loss, follow
from heedful.learning.schedules import cosine
from heedful.seeds import generator

MASK_BT = torch.tensor([[True, True, True], [True, False, False]])
TOKENS_BT = torch.tensor([[1, 0, 2], [2, 0, 0]])
REWARDS_BT = torch.tensor([[0.0, 0.0, 2.0], [-1.0, 9.0, 9.0]], dtype=torch.float64)


def outlook(**fields: Tensor) -> Outlook:
    """All zeros over three tokens, two Q heads."""
    zeros: dict[str, Tensor] = {
        "logits_BTV": torch.zeros(2, 3, 3, dtype=torch.float64),
        "q_EBTV": torch.zeros(2, 2, 3, 3, dtype=torch.float64),
        "target_EBT": torch.zeros(2, 2, 3, dtype=torch.float64),
        "values_BT": torch.zeros(2, 3, dtype=torch.float64),
    }
    return Outlook(**{**zeros, **fields})


def test_expectile_by_hand() -> None:
    gap = torch.tensor([-2.0, 0.0, 3.0])
    assert expectile_loss(gap, 0.8).tolist() == pytest.approx([0.2 * 4, 0, 0.8 * 9])
    # The minimiser of tau (1 - v)^2 + (1 - tau) v^2, for one 0 and one 1, is tau.
    grid = torch.linspace(0, 1, 1001, dtype=torch.float64)
    total = expectile_loss(torch.tensor([[0.0], [1.0]], dtype=torch.float64) - grid, 0.8).sum(0)
    assert float(grid[total.argmin()]) == pytest.approx(0.8)


def test_bellman_by_hand() -> None:
    """Targets r + gamma V', V' = 0 after the last token: 0.9 * 4, 0.9 * 5, 2 and -1."""
    values_BT = torch.tensor([[3.0, 4.0, 5.0], [6.0, 7.0, 8.0]], dtype=torch.float64)
    q_EBTV = torch.zeros(2, 2, 3, 3, dtype=torch.float64)
    q_EBTV[0, 0, 0, 1], q_EBTV[1, 0, 0, 1], q_EBTV[1, 1, 0, 2] = 1.0, 2.0, 5.0
    settings = ILQL(gamma=0.9, cql=0.0, awac=0.0)
    _, count, metrics = settings.loss(outlook(values_BT=values_BT, q_EBTV=q_EBTV), TOKENS_BT, REWARDS_BT, MASK_BT)
    expected = (1 - 3.6) ** 2 + (2 - 3.6) ** 2 + 2 * 4.5**2 + 2 * 2**2 + 1**2 + (5 + 1) ** 2
    assert float(count) == 4
    assert float(metrics["q_loss"][0]) == pytest.approx(expected)


def test_the_value_of_the_end_is_zero() -> None:
    """Whatever V says of the last state itself, of the first or at padding, a last token's target is its reward."""
    rows = []
    for level in (0.0, 1e6):
        values_BT = torch.zeros(2, 3, dtype=torch.float64)
        values_BT[0, 0] = level  # no token of the first row leads to its first state
        values_BT[1] = level  # the second row ends with its first token: its only state, and the padding behind it
        _, _, metrics = ILQL(gamma=0.9).loss(outlook(values_BT=values_BT), TOKENS_BT, REWARDS_BT, MASK_BT)
        rows.append(float(metrics["q_loss"][0]))
    assert rows == pytest.approx([2 * 2**2 + 2 * 1**2] * 2)


def test_v_follows_the_smaller_target_and_targets_have_no_gradient() -> None:
    target_EBT = torch.tensor([[[1.0, 5.0, 2.0], [3.0, 0, 0]], [[4.0, -1.0, 2.0], [0.5, 0, 0]]], requires_grad=True)
    values_BT = torch.zeros(2, 3, requires_grad=True)
    q_EBTV = torch.zeros(2, 2, 3, 3, requires_grad=True)
    settings = ILQL(tau=0.7, cql=0.0, awac=0.0)
    given = outlook(target_EBT=target_EBT, values_BT=values_BT, q_EBTV=q_EBTV)
    total, _, metrics = settings.loss(given, TOKENS_BT, REWARDS_BT.float(), MASK_BT)
    assert float(metrics["v_loss"][0].detach()) == pytest.approx(0.7 * (1 + 4 + 0.25) + 0.3 * 1)
    total.backward()  # type: ignore[no-untyped-call]
    assert target_EBT.grad is None
    assert values_BT.grad is not None
    # d/dV of the expectile only: the Bellman target r + gamma V' sends no gradient into V.
    expected = [[-2 * 0.7 * 1, 2 * 0.3 * 1, -2 * 0.7 * 2], [-2 * 0.7 * 0.5, 0, 0]]
    torch.testing.assert_close(values_BT.grad, torch.tensor(expected))


def test_the_conservative_term_is_the_cross_entropy_of_each_q_head() -> None:
    q_EBTV = torch.from_numpy(generator(0, "q").standard_normal((2, 2, 3, 3)))
    given = outlook(q_EBTV=q_EBTV)
    with_cql, _, _ = ILQL(cql=0.3).loss(given, TOKENS_BT, REWARDS_BT, MASK_BT)
    without, _, _ = ILQL(cql=0.0).loss(given, TOKENS_BT, REWARDS_BT, MASK_BT)
    expected = 0.0
    for head, (row, step) in itertools.product(range(2), [(0, 0), (0, 1), (0, 2), (1, 0)]):
        q = q_EBTV[head, row, step].numpy()
        expected += math.log(np.exp(q).sum()) - q[TOKENS_BT[row, step]]
    assert float(with_cql - without) == pytest.approx(0.3 * expected)


def test_imitation_is_weighted_by_the_advantage() -> None:
    logits_BTV = torch.from_numpy(generator(0, "pi").standard_normal((2, 3, 3)))
    target_EBT = torch.full((2, 2, 3), 2.0, dtype=torch.float64)
    given = outlook(logits_BTV=logits_BTV, target_EBT=target_EBT)
    found = []
    for beta in (0.0, 0.5):
        with_awac, _, _ = ILQL(awac=1.5, awac_beta=beta).loss(given, TOKENS_BT, REWARDS_BT, MASK_BT)
        without, _, _ = ILQL(awac=0.0, awac_beta=beta).loss(given, TOKENS_BT, REWARDS_BT, MASK_BT)
        found.append(float(with_awac - without))
    rows = [(0, 0), (0, 1), (0, 2), (1, 0)]
    plain = -sum(float(logits_BTV.log_softmax(-1)[row, step, TOKENS_BT[row, step]]) for row, step in rows)
    assert found == pytest.approx([1.5 * plain, 1.5 * plain * math.exp(0.5 * 2.0)])


def test_padding_may_hold_anything() -> None:
    def run(fill: float) -> tuple[float, Tensor]:
        q_EBTV = torch.from_numpy(generator(0, "q").standard_normal((2, 2, 3, 3)))
        q_EBTV[:, 1, 1:] = fill
        logits_BTV, values_BT = torch.ones(2, 3, 3, dtype=torch.float64), torch.ones(2, 3, dtype=torch.float64)
        logits_BTV[1, 1:], values_BT[1, 1:] = fill, fill
        q_EBTV.requires_grad_()
        given = outlook(q_EBTV=q_EBTV, logits_BTV=logits_BTV, values_BT=values_BT)
        total, _, _ = ILQL().loss(given, TOKENS_BT, REWARDS_BT, MASK_BT)
        total.backward()  # type: ignore[no-untyped-call]
        assert q_EBTV.grad is not None
        return float(total.detach()), q_EBTV.grad

    clean, dirty = run(0.0), run(math.nan)
    assert clean[0] == dirty[0]
    assert torch.equal(clean[1], dirty[1])


def test_polyak_by_hand() -> None:
    lagged, present = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    nn.init.constant_(lagged.weight, 1.0)
    nn.init.constant_(present.weight, 2.0)
    follow(lagged, present, 0.1)
    assert lagged.weight.item() == pytest.approx(1.1)
    assert present.weight.item() == 2.0
    settings = ILQL(polyak=0.5, sync_every=3)
    seen = []
    for step in range(6):
        settings.sync(step, lagged, present)
        seen.append(lagged.weight.item())
    assert seen == pytest.approx([1.1, 1.1, 1.55, 1.55, 1.55, 1.775])


@pytest.mark.parametrize("wrong", [{"tau": 0.0}, {"tau": 1.0}, {"polyak": 0.0}, {"polyak": 1.5}, {"sync_every": 0}])
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Problem):
        ILQL(**wrong)


VOCABULARY, LIMIT, GAMMA = 3, 3, 0.9


class Tables(nn.Module):
    """Q, V and policy as tables over the prefixes of a small tree."""

    def __init__(self) -> None:
        super().__init__()
        prefixes = sum(VOCABULARY**t for t in range(LIMIT))
        self.present = nn.ParameterList([torch.zeros(prefixes, VOCABULARY, dtype=torch.float64) for _ in range(2)])
        self.lagged = nn.ParameterList([torch.zeros(prefixes, VOCABULARY, dtype=torch.float64) for _ in range(2)])
        self.lagged.requires_grad_(requires_grad=False)
        self.values = nn.Parameter(torch.zeros(prefixes, dtype=torch.float64))
        self.logits = nn.Parameter(torch.zeros(prefixes, VOCABULARY, dtype=torch.float64))

    def outlook(self, prefix_BT: Tensor, tokens_BT: Tensor) -> Outlook:
        lagged_EBTV = torch.stack([table[prefix_BT] for table in self.lagged])
        index = tokens_BT[None, ..., None].expand(2, -1, -1, 1)
        return Outlook(
            logits_BTV=self.logits[prefix_BT],
            q_EBTV=torch.stack([table[prefix_BT] for table in self.present]),
            target_EBT=lagged_EBTV.gather(-1, index)[..., 0],
            values_BT=self.values[prefix_BT],
        )


def tree() -> tuple[Tensor, Tensor, Tensor, NDArray[np.float64]]:
    """(prefix_BT, tokens_BT, rewards_BT) of every sequence of three tokens, and the optimal Q of every prefix.

    A token earns a random number that depends on the whole prefix; the optimum is found from the leaves down.
    """
    prefixes = sum(VOCABULARY**t for t in range(LIMIT))
    earned = generator(0, "rewards").standard_normal((prefixes, VOCABULARY))
    optimal = earned.copy()
    for prefix in reversed(range(prefixes)):
        for token in range(VOCABULARY):
            child = prefix * VOCABULARY + token + 1
            if child < prefixes:
                optimal[prefix, token] += GAMMA * optimal[child].max()
    tokens = list(itertools.product(range(VOCABULARY), repeat=LIMIT))
    before = [[0, t[0] + 1, (t[0] + 1) * VOCABULARY + t[1] + 1] for t in tokens]
    rewards = [[earned[p, a] for p, a in zip(row, t, strict=True)] for row, t in zip(before, tokens, strict=True)]
    return torch.tensor(before), torch.tensor(tokens), torch.tensor(rewards, dtype=torch.float64), optimal


def learned(settings: ILQL, steps: int = 350) -> tuple[Tables, NDArray[np.float64]]:
    prefix_BT, tokens_BT, rewards_BT, optimal = tree()
    model, compute = Tables(), LocalCompute()
    compute.prepare([(model.parameters(), 0.05)])

    mask_BT = torch.ones_like(tokens_BT, dtype=torch.bool)
    for step in range(steps):
        total, count, _ = settings.loss(model.outlook(prefix_BT, tokens_BT), tokens_BT, rewards_BT, mask_BT)
        compute.backward(total)
        compute.step(float(count), learning_rate_scale=cosine(step, steps))
        settings.sync(step, model.lagged, model.present)
    return model, optimal


def test_near_tau_1_the_heads_reach_the_optimal_values() -> None:
    """The log is of uniform behaviour, the values are of the best behaviour: that is the point of the expectile."""
    settings = ILQL(tau=0.995, gamma=GAMMA, cql=0.0, awac=0.0, polyak=0.5, sync_every=1)
    model, optimal = learned(settings)
    for table in model.present:
        assert np.abs(table.detach().numpy() - optimal).max() < 0.05
    assert np.abs(model.values.detach().numpy() - optimal.max(1)).max() < 0.05


def test_at_tau_one_half_the_values_are_those_of_the_logged_behaviour() -> None:
    _, _, rewards_BT, _ = tree()
    settings = ILQL(tau=0.5, gamma=GAMMA, cql=0.0, awac=1.0, polyak=0.5, sync_every=1)
    model, optimal = learned(settings)
    uniform = float((rewards_BT * GAMMA ** torch.arange(LIMIT)).sum(1).mean())
    assert float(model.values[0].detach()) == pytest.approx(uniform, abs=0.02)
    assert uniform < optimal[0].max() - 0.5
    assert float(model.logits.detach().softmax(-1).min()) == pytest.approx(1 / 3, abs=0.01), "it imitates the log"
