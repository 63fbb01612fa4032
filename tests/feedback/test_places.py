from __future__ import annotations

from collections.abc import Callable

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import select, text, update

from heedful.feedback import campaigns, lineage, places, tables
from heedful.feedback.steering.settings import CampaignSettings, save_campaign
from heedful.feedback.store import Store
from heedful.records import Annotator, Judgement, Question

Fill = Callable[..., list[Question]]
Says = Callable[..., Judgement]


def counters(store: Store, name: str = "q0") -> tuple[int, int]:
    table = tables.questions
    with store.reading() as connection:
        row = connection.execute(select(table.c.given, table.c.wanted).where(table.c.id == name)).one()
        return row.given, row.wanted


def test_the_counters_follow_the_answers(store: Store, fill: Fill, says: Says) -> None:
    fill(1, overlap=2)
    assert counters(store) == (0, 2)
    says("ann", "q0", choice="a", as_id="one")
    assert counters(store) == (1, 2)
    says("bob", "q0", choice="skip")
    assert counters(store) == (1, 2)
    says("ann", "q0", choice="b", as_id="two", supersedes="one")
    assert counters(store) == (1, 2)
    says("ann", "q0", withdrawn=True, as_id="three", supersedes="two")
    assert counters(store) == (0, 2)


def test_more_answers_than_places_are_wanted_once_they_are_there(store: Store, fill: Fill, says: Says) -> None:
    fill(1)
    says("ann", "q0", choice="a", as_id="one")
    says("bob", "q0", choice="b")
    assert counters(store) == (2, 2)
    says("ann", "q0", withdrawn=True, as_id="two", supersedes="one")
    assert counters(store) == (1, 1)


def test_a_retracted_annotators_answers_are_not_counted(store: Store, fill: Fill, says: Says) -> None:
    fill(2)
    says("ann", "q0", choice="a")
    lineage.retract(store, "ann")
    assert counters(store) == (0, 1)


def test_answers_that_are_set_aside_free_their_place_and_do_not_hold(store: Store, fill: Fill, says: Says) -> None:
    fill(1)
    says("ann", "q0", choice="a")
    with store.writing() as connection:
        connection.execute(update(tables.assignments).values(counts=0))
        assert places.recount(connection, ["q0"]) == set()
    assert counters(store) == (0, 1)
    assert store.judgements() == []
    assert len(store.judgements(current=False)) == 1
    assert campaigns.claim(store, "bob") is not None
    assert campaigns.progress(store).annotators == 0


def test_recounting_says_what_was_closed(store: Store, fill: Fill, says: Says) -> None:
    fill(2)
    says("ann", "q0", choice="a")
    table = tables.questions
    with store.writing() as connection:
        connection.execute(update(table).values(given=0))
        assert places.recount(connection, ["q0", "q1"]) == {"q0"}
        assert places.recount(connection, ["q0", "q1"]) == set()


@pytest.mark.parametrize(
    ("choices", "wanted"),
    [
        ("", 2),
        ("a", 2),
        ("aa", 3),
        ("ab", 3),
        ("aaa", 3),  # sure
        ("aab", 4),
        ("aabb", 5),
        ("aabab", 5),  # unsure, but at the maximum
    ],
)
def test_a_dynamic_overlap_asks_until_it_is_sure_or_at_its_maximum(
    store: Store, fill: Fill, says: Says, choices: str, wanted: int
) -> None:
    fill(1, overlap=2)
    save_campaign(store, "default", "", CampaignSettings(overlap=2, maximum_overlap=5, sure=0.95))
    store.add_annotators(Annotator(f"w{i}") for i in range(5))
    for i, choice in enumerate(choices):
        says(f"w{i}", "q0", choice=choice)
    assert counters(store) == (len(choices), wanted)


def test_saving_another_rule_counts_anew(store: Store, fill: Fill, says: Says) -> None:
    fill(1)
    says("ann", "q0", choice="a")
    says("bob", "q0", choice="b")
    assert counters(store) == (2, 2)
    save_campaign(store, "default", "", CampaignSettings(maximum_overlap=9))
    assert counters(store) == (2, 3)
    save_campaign(store, "default", "", CampaignSettings(overlap=4))
    assert counters(store) == (2, 4)
    assert store.questions()[0].overlap == 4


def test_a_database_of_the_first_schema_is_counted_when_it_is_upgraded(store: Store, fill: Fill, says: Says) -> None:
    fill(2, overlap=2)
    says("ann", "q0", choice="a")
    says("bob", "q0", choice="skip")
    with store.writing() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", "heedful.feedback:migrations")
        config.set_main_option("path_separator", "os")
        command.downgrade(config, "0001")
        assert connection.execute(text("SELECT count(*) FROM questions")).scalar() == 2
        command.upgrade(config, "head")
    assert counters(store) == (1, 2)
    assert counters(store, "q1") == (0, 2)
