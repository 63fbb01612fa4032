from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from tests.web.conftest import Browser

from heedful.errors import Problem
from heedful.feedback import views
from heedful.feedback.steering import settings as campaigns
from heedful.feedback.steering.settings import CampaignSettings
from heedful.feedback.store import Store
from heedful.records import Completion, Prompt
from heedful.web.app import create_app
from heedful.web.chat import CAMPAIGN, drawn
from heedful.web.settings import ServerSettings


class Parrot:
    """Answers with the last turn, the version's own way."""

    def __init__(self) -> None:
        self.asked: list[Prompt] = []
        self.fails = False

    def policies(self) -> list[str]:
        return ["v0", "v1"]

    def stream(self, prompt: Prompt, policies: tuple[str, str], seed: int) -> Iterator[tuple[int, str | Completion]]:
        self.asked.append(prompt)
        last = prompt.messages[-1].content
        texts = [f"{last}, *says* {policy}" for policy in policies]
        for at in range(0, max(map(len, texts)), 7):
            for side in (0, 1):
                if texts[side][at : at + 7]:
                    yield side, texts[side][at : at + 7]
        if self.fails:
            raise Problem("the model is too large for this machine")
        for side in (0, 1):
            ids = tuple(range(len(texts[side])))
            yield side, Completion("", "", texts[side], token_ids=ids, logprobs=(-0.5,) * len(ids), finish="stop")


@pytest.fixture
def parrot() -> Parrot:
    return Parrot()


@pytest.fixture
def app(store: Store, settings: ServerSettings, tmp_path: Path, parrot: Parrot) -> FastAPI:
    return create_app(store, settings, tmp_path, parrot)


def begin(browser: Browser) -> str:
    return str(browser.post("/chat").headers["location"].rpartition("/")[2])


def say(browser: Browser, chat: str, text: str) -> list[dict[str, Any]]:
    response = browser.send("POST", "/chat/api/say", {"chat": chat, "text": text})
    assert response.status_code == 200
    return [json.loads(line) for line in response.text.splitlines()]


def vote(browser: Browser, chat: str, question: str, as_id: str = "vote-0001", **answer: Any) -> Any:
    body = {"chat": chat, "id": as_id, "question": question, "answer": answer}
    return browser.send("POST", "/chat/api/vote", body)


def test_both_answers_stream_and_the_chosen_one_goes_on(store: Store, annotator: Browser, parrot: Parrot) -> None:
    chat = begin(annotator)
    lines = say(annotator, chat, "hello")
    pieces = {
        side: "".join(line["text"] for line in lines if "text" in line and line["side"] == side) for side in (0, 1)
    }
    assert sorted(pieces.values()) == ["hello, *says* v0", "hello, *says* v1"]
    assert [line["side"] for line in lines if "text" in line][:4] == [0, 1, 0, 1]
    assert all("<em>says</em>" in line["html"] for line in lines if "html" in line)
    question = lines[-1]["question"]
    voted = vote(annotator, chat, question, choice="b", strength=2)
    assert [message["role"] for message in voted.json()["messages"]] == ["user", "assistant"]
    [pair] = views.comparisons(store, campaigns=CAMPAIGN)
    assert (pair.a, pair.b, pair.target) == (pieces[0], pieces[1], 0.0)
    say(annotator, chat, "and now?")
    assert [message.content for message in parrot.asked[-1].messages] == ["hello", pieces[1], "and now?"]


def test_what_was_sampled_is_stored_whole(store: Store, annotator: Browser) -> None:
    chat = begin(annotator)
    say(annotator, chat, "hello")
    found = store.completions()
    assert {each.policy for each in found} == {"v0", "v1"}
    for each in found:
        assert len(each.token_ids) == len(each.logprobs) == len(each.text)
        assert each.finish == "stop"


def test_a_turn_waits_for_its_vote(annotator: Browser) -> None:
    chat = begin(annotator)
    question = say(annotator, chat, "hello")[-1]["question"]
    page = annotator.get(f"/chat/{chat}").text
    assert f'data-question="{question}"' in page
    assert "hello" in page
    assert annotator.send("POST", "/chat/api/say", {"chat": chat, "text": "more"}).status_code == 409
    assert "waits for your vote" in annotator.get("/chat").text


def test_a_vote_sent_twice_counts_once(store: Store, annotator: Browser) -> None:
    chat = begin(annotator)
    question = say(annotator, chat, "hello")[-1]["question"]
    assert vote(annotator, chat, question, choice="tie").status_code == 200
    assert vote(annotator, chat, question, choice="tie").status_code == 200
    assert len(store.judgements()) == 1
    assert vote(annotator, chat, question, "vote-0002", choice="a").status_code == 400


def test_the_versions_are_told_only_after_the_end_and_only_where_wanted(store: Store, annotator: Browser) -> None:
    campaigns.save_campaign(store, CAMPAIGN, "", CampaignSettings(reveal=True))
    chat = begin(annotator)
    question = say(annotator, chat, "hello")[-1]["question"]

    def told() -> bool:
        return "was <b>v" in annotator.get(f"/chat/{chat}").text

    assert not told()
    vote(annotator, chat, question, choice="a")
    assert not told()
    assert annotator.post(f"/chat/{chat}/close").status_code == 303
    assert told()
    campaigns.save_campaign(store, CAMPAIGN, "", CampaignSettings(reveal=False))
    assert not told()
    assert annotator.send("POST", "/chat/api/say", {"chat": chat, "text": "more"}).status_code == 409


def test_an_answer_that_fails_leaves_nothing_behind(store: Store, annotator: Browser, parrot: Parrot) -> None:
    chat = begin(annotator)
    parrot.fails = True
    assert say(annotator, chat, "hello")[-1] == {"error": "the model is too large for this machine"}
    assert store.questions() == []
    parrot.fails = False
    assert "question" in say(annotator, chat, "hello")[-1]  # and the way is free again


def test_a_conversation_is_nobody_elses(annotator: Browser, enter: Callable[..., Browser]) -> None:
    chat = begin(annotator)
    question = say(annotator, chat, "hello")[-1]["question"]
    other = enter("bob")
    assert other.get(f"/chat/{chat}").status_code == 404
    assert other.post(f"/chat/{chat}/close").status_code == 404
    assert other.send("POST", "/chat/api/say", {"chat": chat, "text": "x"}).status_code == 404
    assert vote(other, chat, question, choice="a").status_code == 404


def test_a_turn_is_not_given_to_others(annotator: Browser, enter: Callable[..., Browser]) -> None:
    say(annotator, begin(annotator), "hello")
    found = enter("bob").send("POST", "/judge/api/next", {"campaign": CAMPAIGN}).json()
    assert found["none"]["reason"] == "nothing_left"


def test_hostile_answers_are_text(annotator: Browser) -> None:
    chat = begin(annotator)
    lines = say(annotator, chat, "<img src=x onerror=alert(1)>")
    assert all("<img" not in line["html"] for line in lines if "html" in line)
    assert "<img" not in annotator.get(f"/chat/{chat}").text


def test_versions_are_drawn_at_random() -> None:
    assert drawn(["v0"]) == ("v0", "v0")
    pairs = {drawn(["v0", "v1", "v2"]) for _ in range(200)}
    assert len(pairs) == 6
    with pytest.raises(Problem, match="no version"):
        drawn([])


def test_without_a_model_the_page_says_what_to_install(
    store: Store, settings: ServerSettings, annotator: Browser
) -> None:
    bare = Browser(create_app(store, settings), annotator.account, "", annotator.csrf)
    bare.http.cookies = annotator.http.cookies
    page = bare.get("/chat").text
    assert "pip install 'heedful[train]'" in page.replace("&#39;", "'")
    assert bare.post("/chat").status_code == 400
