from __future__ import annotations

from collections.abc import Callable

from tests.web.conftest import Browser

from heedful.feedback.steering import guidelines
from heedful.feedback.steering import settings as campaigns
from heedful.feedback.steering.settings import CampaignSettings
from heedful.feedback.store import Store
from heedful.records import Completion, Judgement, Prompt, Question


def ask(store: Store, campaign: str = "pilot", count: int = 2, **fields: object) -> None:
    prompts = [Prompt.of(f"{campaign} prompt {i}") for i in range(count)]
    completions = [
        Completion(f"{campaign}-{i}-{side}", prompts[i].id, f"answer {i} {side}") for i in range(count) for side in "ab"
    ]
    questions = [
        Question(
            f"{campaign}-{i}",
            "comparison",
            prompts[i].id,
            (f"{campaign}-{i}-a", f"{campaign}-{i}-b"),
            campaign=campaign,
            **fields,  # type: ignore[arg-type]  # the caller names fields of Question
        )
        for i in range(count)
    ]
    store.add_everything(prompts=prompts, completions=completions, questions=questions)


def test_with_one_campaign_judging_begins_at_once(store: Store, annotator: Browser) -> None:
    ask(store, "a b/c")
    assert annotator.get("/judge").headers["location"] == "/judge/a%20b/c"
    page = annotator.get("/judge/a%20b/c")
    assert page.status_code == 200
    assert 'data-campaign="a b/c"' in page.text


def test_with_several_campaigns_one_chooses(store: Store, annotator: Browser) -> None:
    for name in ("one", "two", "closed", "others"):
        ask(store, name)
    campaigns.save_campaign(store, "two", "The second", CampaignSettings())
    campaigns.set_state(store, "closed", "closed")
    campaigns.save_campaign(store, "others", "", CampaignSettings(who=("somebody",)))
    page = annotator.get("/judge").text
    assert "The second" in page
    assert 'href="/judge/one"' in page
    assert "/judge/closed" not in page
    assert "/judge/others" not in page


def test_without_work_the_page_says_so(annotator: Browser, owner: Browser) -> None:
    assert "ask the owner of this project" in annotator.get("/judge").text
    assert "ask the owner of this project" not in owner.get("/judge").text
    assert annotator.get("/judge/nonesuch").status_code == 404


def test_nobody_judges_without_a_login(client: Browser) -> None:
    for path in ("/judge", "/judge/pilot", "/answers", "/guidelines/pilot"):
        assert client.get(path).status_code == 303
    assert client.get("/judge/api/session").status_code == 401


def test_own_answers_are_listed_and_can_be_changed(store: Store, annotator: Browser) -> None:
    ask(store)
    assert "not answered anything" in annotator.get("/answers").text
    judgement = Judgement("j" * 8, "pilot-0", annotator.annotator_id, {"choice": "a", "reason": "<b>kinder"}, (1, 0))
    store.submit(judgement)
    page = annotator.get("/answers").text
    assert "B is better" in page
    assert "&lt;b&gt;kinder" in page
    assert 'href="/judge/pilot?question=pilot-0"' in page
    assert 'data-again="pilot-0"' in annotator.get("/judge/pilot?question=pilot-0").text


def test_others_answers_are_shown_where_the_campaign_reveals_them(
    store: Store, annotator: Browser, enter: Callable[..., Browser]
) -> None:
    ask(store, overlap=3)
    other = enter("bob")
    store.submit(Judgement("mine-0001", "pilot-0", annotator.annotator_id, {"choice": "a"}, (1, 0)))
    store.submit(Judgement("bobs-0001", "pilot-0", other.annotator_id, {"choice": "b", "strength": 3}, (0, 1)))
    store.submit(Judgement("bobs-0002", "pilot-1", other.annotator_id, {"choice": "tie"}, (0, 1)))
    assert "Others:" not in annotator.get("/answers").text
    campaigns.save_campaign(store, "pilot", "", CampaignSettings(overlap=3, reveal=True))
    page = annotator.get("/answers").text
    assert "Others: A is much better" in page  # as the sides stood on this person's screen
    assert "tie" not in page
    store.submit(Judgement("mine-0002", "pilot-1", annotator.annotator_id, {"choice": "skip"}, (0, 1)))
    page = annotator.get("/answers").text
    assert page.count("Others:") == 1  # who skips has not said anything yet


def test_guidelines_have_a_page(store: Store, annotator: Browser) -> None:
    ask(store)
    assert annotator.get("/guidelines/pilot").status_code == 404
    guidelines.publish(store, "pilot", "Be *kind*. <script>x</script>")
    page = annotator.get("/guidelines/pilot").text
    assert "<em>kind</em>" in page
    assert "&lt;script&gt;" in page


def test_a_campaign_is_seen_by_those_whom_it_is_for(store: Store, annotator: Browser, owner: Browser) -> None:
    ask(store, "history")  # a name like any other
    guidelines.publish(store, "history", "Be kind.")
    pages = ("/judge/history", "/guidelines/history", "/judge/api/guidelines?campaign=history")
    assert [annotator.get(page).status_code for page in pages] == [200, 200, 200]
    campaigns.save_campaign(store, "history", "", CampaignSettings(who=("somebody-else",)))
    assert [annotator.get(page).status_code for page in pages] == [404, 404, 404]
    assert [owner.get(page).status_code for page in pages] == [200, 200, 200]
