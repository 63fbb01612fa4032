"""Skills over several kinds of questions, and the support that others give to each answer."""

from __future__ import annotations

import numpy as np
import pytest

from heedful.feedback.quality.evidence import Evidence, Given
from heedful.feedback.quality.fits import fits
from heedful.feedback.quality.skills import agreement_by_answer, first_shown, skills, support_by_answer
from heedful.records import Question
from heedful.seeds import generator


def asked(answers: list[Given], known: dict[str, dict[str, object]] | None = None) -> Evidence:
    names = dict.fromkeys(given.question_id for given in answers)
    questions = {name: Question(name, "any", "p", (f"{name}-0", f"{name}-1")) for name in names}
    return Evidence(answers, questions, known=known or {})


def labelled(seed: int, right: tuple[float, ...], items: int) -> list[Given]:
    """Thumbs of people who are right so often."""
    random = generator(seed, "labelled")
    truth = random.random(items) < 0.5
    return [
        Given(f"l{i}", f"p{k}", {"thumb": bool(truth[i] == (random.random() < p))})
        for i in range(items)
        for k, p in enumerate(right)
    ]


def test_skill_in_labels_is_the_share_of_right_ones_and_its_interval_covers() -> None:
    right = (0.95, 0.9, 0.8, 0.7, 0.5)
    covered = []
    for seed in range(20):
        found = skills(fits(asked(labelled(seed, right, 120))))
        covered += [found[f"p{k}"].low <= p <= found[f"p{k}"].high for k, p in enumerate(right)]
        assert abs(found["p0"].value - 0.95) < 0.1
    assert np.mean(covered) > 0.85


def test_skill_in_ratings_is_the_correlation_with_others() -> None:
    random = generator(0, "rated")
    quality = random.normal(size=60)
    answers = []
    for i in range(60):
        for k, sign in enumerate((1, 1, 1, -1, 0)):
            number = float(sign * quality[i] + 0.5 * random.normal())
            answers.append(Given(f"r{i}", f"p{k}", {"ratings": {"kind": number}, "scale": [-9, 9]}))
    found = skills(fits(asked(answers)))
    assert found["p0"].low > 0.5
    assert found["p3"].high < 0.5
    assert found["p4"].low < 0.5 < found["p4"].high


def test_kinds_are_weighed_by_their_votes() -> None:
    labels = labelled(0, (0.9, 0.9, 0.9), 40)
    pairs = [Given(f"c{i}", f"p{k}", {"choice": "a"}, (0, 1)) for i in range(10) for k in range(3)]
    both, first, second = (skills(fits(asked(found))) for found in (labels + pairs, labels, pairs))
    expected = (40 * first["p0"].value + 10 * second["p0"].value) / 50
    assert both["p0"].value == pytest.approx(expected, abs=1e-9)
    width = np.hypot(0.8 * (first["p0"].value - first["p0"].low), 0.2 * (second["p0"].value - second["p0"].low))
    assert both["p0"].low == pytest.approx(expected - width)


def test_who_shares_no_question_has_no_skill_unless_the_truth_is_known() -> None:
    answers = [Given("c", "ann", {"choice": "a"}, (0, 1)), Given("d", "bob", {"choice": "a"}, (0, 1))]
    assert skills(fits(asked(answers))) == {}
    assert set(skills(fits(asked(answers, {"d": {"choice": "b"}})))) == {"bob"}
    lonely = [Given("r", "ann", {"ratings": {"kind": 3}, "scale": [1, 5]})]
    assert skills(fits(asked(lonely))) == {}


def test_support_leaves_the_own_answer_out() -> None:
    answers = [Given("c", who, {"choice": choice}, ()) for who, choice in zip("wxyz", "aaab", strict=True)]
    answers += [Given("l", who, {"thumb": thumb}) for who, thumb in zip("wx", (True, True), strict=True)]
    answers += [Given("alone", "w", {"choice": "a"}, ()), Given("c2", "w", {"choice": "tie"}, ())]
    found = asked(answers)
    support = support_by_answer(found, fits(found))
    assert set(support) == {0, 1, 2, 3, 4, 5}
    assert support[0] > 0.5 > support[3]
    assert support[1] == pytest.approx(support[2])
    assert support[4] > 0.5
    without = [given for row, given in enumerate(answers) if row != 3]
    others = fits(asked(without)).pairs
    assert others is not None
    assert 1 - support[3] == pytest.approx(others[1].target_N[0], abs=0.1)


def test_agreement_is_the_share_of_others_who_say_the_same() -> None:
    answers = [
        Given("c", who, {"choice": choice}) for who, choice in zip("wxyz", ("a", "a", "tie", "skip"), strict=True)
    ]
    answers += [Given("f", "w", {"flags": [{"name": "x"}]}), Given("f", "x", {"flags": [{"name": "x"}]})]
    answers += [
        Given("l", "w", {"thumb": True}),
        Given("l", "x", {"thumb": False}),
        Given("alone", "w", {"thumb": True}),
    ]
    found = agreement_by_answer(asked(answers), fits(asked(answers)))
    assert found == {0: 0.5, 1: 0.5, 2: 0.0, 4: 1.0, 5: 1.0, 6: 0.0, 7: 0.0}


def test_choices_of_the_side_shown_first() -> None:
    answers = [
        Given("c", "ann", {"choice": "a"}, (0, 1)),
        Given("d", "ann", {"choice": "b"}, (1, 0)),
        Given("e", "ann", {"choice": "b"}, (0, 1)),
        Given("f", "ann", {"choice": "tie"}, (0, 1)),
        Given("g", "ann", {"choice": "a"}, ()),
        Given("r", "ann", {"ranks": [1, 2]}, (0, 1)),
        Given("c", "bob", {"choice": "tie"}, (0, 1)),
    ]
    found = first_shown(asked(answers), fits(asked(answers)))
    assert {name: (one.hits, one.count) for name, one in found.items()} == {"ann": (2, 3)}
    assert first_shown(asked([]), fits(asked([]))) == {}
