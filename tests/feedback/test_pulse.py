from __future__ import annotations

from collections.abc import Callable

from heedful.feedback import lineage
from heedful.feedback.pulse import pulse
from heedful.feedback.store import Store
from heedful.records import Judgement, Model, Question


def test_a_store_in_which_nothing_happens_has_one_pulse(store: Store, fill: Callable[..., list[Question]]) -> None:
    assert pulse(store).work == ("0", "0", "0")
    fill(2)
    before = pulse(store)
    assert pulse(store) == before
    assert pulse(store).version == before.version


def test_every_event_moves_it(
    store: Store, fill: Callable[..., list[Question]], says: Callable[..., Judgement]
) -> None:
    seen = [pulse(store).version]

    def moved() -> bool:
        seen.append(pulse(store).version)
        return len(set(seen)) == len(seen)

    fill(2)
    assert moved()
    acts = pulse(store).acts
    says("ann", "q0", choice="a")
    assert moved()
    assert pulse(store).work[0] == "1"
    assert pulse(store).acts == acts  # an answer is nothing that an owner does
    store.add_model(Model("v0", "policy", "policies/v0", status="candidate"))
    assert moved()
    lineage.set_status(store, "v0", "promoted")
    assert moved()
    lineage.retract(store, "ann", "asked to")
    assert moved()
