"""Bradley-Terry against choix and evalica, recovery of known strengths, and the cases without a maximum."""

import math

import choix
import evalica
import numpy as np
import pytest
from scipy import stats

from heedful.errors import Problem
from heedful.evaluation.ratings import (
    ELO_PER_LOGIT,
    Game,
    Rating,
    bradley_terry,
    expected_score,
    league,
    log_likelihood_of,
    win_matrix,
)
from heedful.seeds import generator


def play(seed: int, strengths: np.ndarray, games_a_pair: int, *, ties: float = 0.0) -> list[Game]:
    rng = generator(seed, "play")
    games = []
    for a in range(len(strengths)):
        for b in range(a + 1, len(strengths)):
            for k in range(games_a_pair):
                won = rng.random() < 1 / (1 + math.exp(strengths[b] - strengths[a]))
                outcome = 0.5 if rng.random() < ties else float(won)
                games.append(Game(f"v{a}", f"v{b}", outcome, f"ann{rng.integers(12)}", f"prompt{k}"))
    return games


def by_version(ratings: list[Rating]) -> dict[str, Rating]:
    return {rating.version: rating for rating in ratings}


def test_the_elo_scale() -> None:
    assert pytest.approx(173.7178, abs=1e-4) == ELO_PER_LOGIT
    assert expected_score(0) == 0.5
    assert expected_score(400) == pytest.approx(10 / 11)
    assert expected_score(-400) == pytest.approx(1 / 11)


def test_two_players_by_hand() -> None:
    """3 wins to 1: log-odds ln 3, 190.8 Elo."""
    games = [Game("v1", "v0", outcome, f"a{i}", f"p{i}") for i, outcome in enumerate([1, 1, 1, 0])]
    found = by_version(league(games))
    assert found["v1"].elo == pytest.approx(1000 + 400 * math.log10(3))
    assert (found["v0"].elo, found["v0"].low, found["v0"].high) == (1000, 1000, 1000)
    assert found["v1"].games == 4


def test_strengths_are_those_of_choix() -> None:
    games = play(0, np.array([0.0, 0.5, -1.0, 1.5, 0.2]), 40)
    data = [(int(g.a[1]), int(g.b[1])) if g.outcome == 1 else (int(g.b[1]), int(g.a[1])) for g in games]
    expected = choix.opt_pairwise(5, data, alpha=0.0, tol=1e-10)
    found = bradley_terry(win_matrix(games, [f"v{i}" for i in range(5)]))
    np.testing.assert_allclose(found, expected - expected.mean(), atol=1e-5)


def test_strengths_with_ties_are_those_of_evalica() -> None:
    games = play(1, np.array([0.0, 0.5, -1.0, 1.5]), 60, ties=0.3)
    winner = {1.0: evalica.Winner.X, 0.0: evalica.Winner.Y, 0.5: evalica.Winner.Draw}
    result = evalica.bradley_terry(
        [g.a for g in games], [g.b for g in games], [winner[g.outcome] for g in games], tolerance=1e-12, limit=10_000
    )
    expected = np.log(result.scores[["v0", "v1", "v2", "v3"]].to_numpy())
    found = by_version(league(games))
    elo = np.array([found[f"v{i}"].elo for i in range(4)])
    np.testing.assert_allclose(elo - 1000, (expected - expected[0]) * ELO_PER_LOGIT, atol=1e-3)


def test_200_games_a_pair_recover_the_order_of_ten_versions() -> None:
    strengths = np.linspace(0, 2, 10)[generator(5, "mix").permutation(10)]
    found = by_version(league(play(2, strengths, 200)))
    assert stats.spearmanr(strengths, [found[f"v{i}"].elo for i in range(10)]).statistic >= 0.95


def test_ten_thousand_comparisons_recover_strengths_within_a_tenth() -> None:
    strengths = np.array([0.0, 0.4, 0.9, -0.3, 1.2])
    found = by_version(league(play(3, strengths, 1000)))
    logits = np.array([(found[f"v{i}"].elo - 1000) / ELO_PER_LOGIT for i in range(5)])
    assert np.abs(logits - strengths).max() < 0.1


def test_a_constant_shift_leaves_the_likelihood_equal_and_the_fit_maximises_it() -> None:
    wins = win_matrix(play(4, np.array([0.0, 0.5, -0.5]), 30), ["v0", "v1", "v2"])
    best = bradley_terry(wins)
    brute = sum(
        wins[i, j] * math.log(1 / (1 + math.exp(best[j] - best[i]))) for i in range(3) for j in range(3) if i != j
    )
    assert log_likelihood_of(best, wins) == pytest.approx(brute)
    assert log_likelihood_of(best + 7.5, wins) == pytest.approx(brute, abs=1e-9)
    for k in range(3):
        for step in (-0.05, 0.05):
            assert log_likelihood_of(best + step * np.eye(3)[k], wins) < brute


def test_the_order_of_games_and_of_sides_does_not_matter() -> None:
    games = play(5, np.array([0.0, 0.3, 0.6, -0.4]), 25, ties=0.2)
    turned = [Game(g.b, g.a, 1 - g.outcome, g.annotator, g.prompt) for g in games]
    shuffled = [turned[i] for i in generator(0, "order").permutation(len(games))]
    for one, other in zip(league(games), league(shuffled), strict=True):
        assert one.version == other.version
        assert (one.elo, one.low, one.high) == pytest.approx((other.elo, other.low, other.high), abs=1e-6)


def test_the_anchor_only_moves_the_origin() -> None:
    games = play(6, np.array([0.0, 0.3, 0.6]), 50)
    old, new = by_version(league(games)), by_version(league(games, "v2", anchor_elo=0))
    assert old["v1"].elo - old["v2"].elo == pytest.approx(new["v1"].elo)
    assert new["v2"].low == new["v2"].high == 0


def test_intervals_cover_when_annotators_differ_and_naive_ones_do_not() -> None:
    """Every annotator has an own taste for v1: 15 annotators, 40 votes each."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    p = float(np.sum(weights / (1 + np.exp(-(0.5 + 0.8 * nodes)))) / np.sum(weights))
    truth = 1000 + ELO_PER_LOGIT * math.log(p / (1 - p))
    runs, covered, naive = 120, 0, 0
    for seed in range(runs):
        rng = generator(seed, "taste")
        taste_A = 0.5 + 0.8 * rng.normal(size=15)
        annotators = rng.integers(15, size=600)
        won = rng.random(600) < 1 / (1 + np.exp(-taste_A[annotators]))
        games = [
            Game("v1", "v0", float(w), f"a{a}", f"p{i}") for i, (w, a) in enumerate(zip(won, annotators, strict=True))
        ]
        found, plain = by_version(league(games))["v1"], by_version(league(games, clustered_by="vote"))["v1"]
        covered += found.low <= truth <= found.high
        naive += plain.low <= truth <= plain.high
    assert 0.90 <= covered / runs <= 0.995
    assert naive / runs < 0.8


def test_an_undefeated_version_has_no_upper_limit() -> None:
    games = [Game("v1", "v0", 1, f"a{i}", f"p{i}") for i in range(30)]
    found = by_version(league(games))["v1"]
    # One virtual tie: 30.5 to 0.5.
    assert found.elo == pytest.approx(1000 + 400 * math.log10(30.5 / 0.5))
    assert found.high == math.inf
    assert 1000 < found.low < found.elo
    assert "no upper limit" in found.note


def test_a_tie_is_enough_to_limit_a_version() -> None:
    games = [Game("v1", "v0", outcome, f"a{i}", f"p{i}") for i, outcome in enumerate([1, 1, 1, 0.5])]
    found = by_version(league(games))["v1"]
    assert found.elo == pytest.approx(1000 + 400 * math.log10(3.5 / 0.5))
    assert math.isfinite(found.high)
    assert found.note == ""


def test_versions_without_a_chain_of_games_to_the_anchor_have_no_rating() -> None:
    games = [Game("v0", "v1", 1), Game("v1", "v0", 1), Game("v2", "v3", 1)]
    found = league(games)
    assert [rating.version for rating in found[2:]] == ["v2", "v3"]
    assert all(math.isnan(rating.elo) for rating in found[2:])
    assert found[3].high == math.inf
    assert "no chain of games leads to v0" in found[2].note


def test_versions_that_only_beat_the_same_third_are_not_ordered() -> None:
    found = by_version(league([Game("v0", "v2", 1), Game("v1", "v2", 1)]))
    assert (found["v1"].low, found["v1"].high) == (-math.inf, math.inf)
    assert found["v2"].low == -math.inf
    assert math.isfinite(found["v2"].high)


def test_strengths_without_a_maximum_are_refused_by_name() -> None:
    wins = np.array([[0.0, 3.0], [0.0, 0.0]])
    with pytest.raises(Problem, match="no finite maximum"):
        bradley_terry(wins)
    strengths = bradley_terry(wins, virtual_ties=1)
    assert strengths[0] - strengths[1] == pytest.approx(math.log(3.5 / 0.5))


def test_reward_gaps_predict_elo_gaps() -> None:
    """Judges who vote by the Bradley-Terry probability of a reward gap make a league 173.7 Elo per unit of reward."""
    gap = 0.8
    rating = by_version(league(play(7, np.array([0.0, gap]), 3000)))["v1"]
    assert rating.low < 1000 + ELO_PER_LOGIT * gap < rating.high


@pytest.mark.parametrize(
    ("games", "message"),
    [
        ([], "at least one game"),
        ([Game("v0", "v1", 0.7)], "entry 0: 0.7 is not an outcome"),
        ([Game("v0", "v1", 1), Game("v1", "v1", 1)], "entry 1: version 'v1' plays against itself"),
        ([Game("v1", "v2", 1)], "choose one of: v1, v2"),
    ],
)
def test_bad_games_are_named(games: list[Game], message: str) -> None:
    with pytest.raises(Problem, match=message):
        league(games)
