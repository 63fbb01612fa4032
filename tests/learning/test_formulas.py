from heedful.learning.formulas import CHECKS, FITTING, METRICS, OF_SOME, POLICY_GRADIENT, TERMS


def test_every_metric_has_a_formula_in_one_line() -> None:
    for name, formula in METRICS.items():
        assert name == name.lower()
        assert formula
        assert "\n" not in formula


def test_no_metric_has_two_meanings() -> None:
    assert len(METRICS) == sum(len(part) for part in (POLICY_GRADIENT, CHECKS, TERMS, OF_SOME, FITTING))
