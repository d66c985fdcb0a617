"""`/review`: answers that wait, one person each; labels that count once; and for nobody else's eyes."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from gateway.judging.verdict import JudgeVerdict
from gateway.rehearsal.standin import ModelBehaviour, Standin
from gateway.replica.replica import Seams
from gateway.rollout.call_id import nonce_in
from gateway.timings import USUAL, Timings
from gateway.traces.record import key_of_nonce
from routing.agents import ReviewRules
from tests.support.crowd import Reply, ask
from tests.support.running import ADMIN_TOKEN, Running, provider, running, trial, write
from tests.support.waiting import within

BEARER = f"authorization: Bearer {ADMIN_TOKEN}"
BASIC = "authorization: Basic " + base64.b64encode(f"ada:{ADMIN_TOKEN}".encode()).decode()
FORM = "content-type: application/x-www-form-urlencoded"
HTML = "accept: text/html"
OWN = ("host: localhost", "origin: http://localhost", "sec-fetch-site: same-origin")
REVIEW = {"record_content": "all", "review": {"sample": "100%"}}
AT_ONCE = replace(USUAL, review_undo=0.0)
HURRIED = replace(USUAL, review_lease=0.0)


@dataclass
class Desk:
    """A gateway with an agent on trial whose calls are reviewed, and a reviewer."""

    served: Running
    agent: str
    auth: str = BEARER

    async def call(self, text: str = "hello", key: str = "", **more: Any) -> Reply:
        """Call the agent, and let the call wait for a review."""
        body = {"model": self.agent, "messages": [{"role": "user", "content": text}], **more}
        headers = [f"authorization: Bearer {key}"] if key else []
        reply = await ask(self.served.url, "POST", "/v1/chat/completions", json.dumps(body).encode(), headers)
        await self.catch_up()
        return reply

    async def catch_up(self) -> None:
        await self.served.gateway.services.traces.catch_up()
        await self.served.gateway.services.reviews.queue.write()

    async def see(self, path: str, *headers: str) -> Reply:
        return await ask(self.served.url, "GET", path, headers=headers or (self.auth,))

    async def json(self, path: str) -> Any:
        reply = await self.see(path)
        assert reply.status == 200, reply.body
        return json.loads(reply.body)

    async def send(self, path: str, fields: Mapping[str, str], *headers: str) -> Reply:
        body = urlencode(fields).encode()
        return await ask(
            self.served.url, "POST", f"/review/{self.agent}{path}", body, (FORM, *(headers or (self.auth,)))
        )

    async def take(self, kind: str = "single") -> Any:
        return json.loads((await self.send("", {"kind": kind})).body)

    async def label(self, lease: str, label: str = "good", comment: str = "") -> Reply:
        return await self.send(f"/{lease}", {"label-0": label, "comment-0": comment})

    async def count(self) -> None:
        await self.served.gateway.services.reviews.counter.count(self.agent)

    async def labels(self, query: str = "") -> list[Any]:
        found: list[Any] = (await self.json(f"/review/{self.agent}/labels{query}"))["labels"]
        return found

    def scored(self) -> int:
        """How many scores were taken."""
        counted = self.served.gateway.services.proxy.recorder.samples()["serinus_quality_scores_total"]
        return round(sum(each[0] for each in counted.values()))


@asynccontextmanager
async def desk(
    folder: Path,
    redis_url: str,
    agent: str,
    timings: Timings = USUAL,
    gateway: Mapping[str, Any] | None = None,
    **routing: Any,
) -> AsyncIterator[tuple[Desk, Standin]]:
    """Serve; `gateway` and `routing` differ from the usual."""
    async with provider(good=ModelBehaviour(), bad=ModelBehaviour()) as standin:
        said = {name: value for name, value in {**REVIEW, **routing}.items() if value is not None}
        files = trial(agent, standin, **said)
        files["gateway.yaml"] = {**files["gateway.yaml"], **(gateway or {})}  # type: ignore[dict-item]
        async with running(write(folder, files), redis_url, seams=Seams(timings=timings)) as served:
            yield Desk(served, agent), standin


@pytest.fixture
async def here(tmp_path: Path, redis_url: str, agent: str) -> AsyncIterator[Desk]:
    async with desk(tmp_path, redis_url, agent) as (found, _):
        yield found


async def test_a_call_is_reviewed(here: Desk) -> None:
    """It waits, one person gets its texts and nothing that tells the version, labels it, and sees what it was."""
    call = await here.call("is it open?")
    assert await here.json("/review") == {"agents": [{"agent": here.agent, "waiting": 1}]}
    lease = await here.take()
    assert lease["cases"][0]["messages"][0]["parts"][0]["text"] == "is it open?" and lease["labels"] == []
    assert call.headers["x-serinus-call-id"] not in json.dumps(lease)
    labelled = json.loads((await here.label(lease["lease"], "bad", "it is closed")).body)
    given = labelled["labels"][0]
    assert (labelled["cases"], given["label"], given["version"], given["call_id"]) == ([], "bad", "", "")
    (label,) = await here.labels()
    assert (label["call_id"], label["label"], label["comment"], label["by"], label["counted"]) == (
        call.headers["x-serinus-call-id"], "bad", "it is closed", "admin", None,
    )  # fmt: skip
    about = await here.json(f"/review/{here.agent}")
    assert (about["waiting"], about["labels"], about["uncounted"]) == (0, {"bad": 1, "unsure": 0, "good": 0}, 1)


async def test_a_label_is_a_score_once(tmp_path: Path, redis_url: str, agent: str) -> None:
    """However often it is sent and counted; `unsure` is none."""
    async with desk(tmp_path, redis_url, agent, AT_ONCE, weight="0%") as (here, _):
        for label in ("good", "unsure"):
            await here.call()
            lease = (await here.take())["lease"]
            assert [(await here.label(lease, label)).status for _ in range(2)] == [200, 200]
            for _ in range(2):
                await here.count()
        assert here.scored() == 1
        assert [each["counted"] for each in await here.labels()] == ["counted", "unsure is no score"]


async def test_the_client_s_own_score_comes_first(tmp_path: Path, redis_url: str, agent: str) -> None:
    """One call has one score; the label stays a label. And the other way round."""
    async with desk(tmp_path, redis_url, agent, AT_ONCE) as (here, _):
        replies = []
        for is_scored in (True, False):
            call = await here.call()
            body = json.dumps({"call_id": call.headers["x-serinus-call-id"], "score": 1}).encode()
            if is_scored:
                replies.append(await ask(here.served.url, "POST", "/v1/feedback", body))
            await here.label((await here.take())["lease"])
            await here.count()
        replies.append(await ask(here.served.url, "POST", "/v1/feedback", body))
        assert [each.status for each in replies] == [200, 409] and here.scored() == 2
        counted = [each["counted"] for each in await here.labels()]
        assert counted == ["the call had a score already; the first score counts", "counted"]


async def test_two_people_never_have_one_answer(here: Desk) -> None:
    """Each gets another; and there is no third."""
    for text in ("one", "two"):
        await here.call(text)
    said = [lease["cases"][0]["messages"][0]["parts"][0]["text"] for lease in [await here.take(), await here.take()]]
    assert sorted(said) == ["one", "two"] and (await here.take())["cases"] == []


async def test_a_lease_that_ran_out(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Somebody else has the answer: the late label is refused, in a sentence."""
    async with desk(tmp_path, redis_url, agent, HURRIED) as (here, _):
        await here.call()
        early, late = (await here.take())["lease"], (await here.take())["lease"]
        refused = await here.label(early)
        assert refused.status == 409 and b"somebody else has it; your label was not counted" in refused.body
        assert (await here.label(late)).status == 200 and len(await here.labels()) == 1
        assert (await here.see(f"/review/{agent}/{early}")).status == 404


async def test_skipped_and_taken_back(here: Desk) -> None:
    """A skipped answer waits for somebody else, later; a label is taken back while it does not count."""
    for text in ("one", "two"):
        await here.call(text)
    first = await here.take()
    second = json.loads((await here.send(f"/{first['lease']}", {"do": "skip"})).body)
    assert second["cases"] != first["cases"]
    await here.label(second["lease"])
    undone = json.loads((await here.send(f"/{second['lease']}", {"do": "undo"})).body)
    assert undone["cases"] == second["cases"] and await here.labels() == []
    refused = await here.send(f"/{first['lease']}", {"do": "undo"})
    assert refused.status == 409 and b"Your time with this answer is over" in refused.body
    two = {"label-0": "good", "comment-0": "", "label-1": "good", "comment-1": ""}
    refused = await here.send(f"/{second['lease']}", two)
    assert refused.status == 409 and b"one label for each answer" in refused.body


async def test_a_pair_is_of_both_arms(here: Desk) -> None:
    """Answers to like questions, each labelled by itself; where there is none, it is said."""
    assert (await here.take("pair"))["cases"] == []
    calls = {}
    for number in range(40):
        call = await here.call(f"where is my order number {number}?")
        calls[call.version] = call
        if len(calls) == 2:
            break
    assert len(calls) == 2
    await here.call("something else entirely")
    pair = await here.take("pair")
    assert len(pair["cases"]) == 2
    reply = await here.send(f"/{pair['lease']}", {"label-0": "bad", "label-1": "good", "comment-1": "kind"})
    assert reply.status == 200
    labels = {each["version"]: (each["label"], each["comment"]) for each in await here.labels()}
    assert labels.keys() == {"v1", "v2"} and sorted(labels.values()) == [("bad", ""), ("good", "kind")]


async def test_nothing_on_the_page_tells_the_version(here: Desk) -> None:
    """Neither its name, nor the arm, nor the call, nor why it was chosen, before the label; then it says so."""
    call = await here.call("hello <script>alert(1)</script>")
    begun = await here.send("", {"kind": "single"}, BASIC, *OWN, HTML)
    assert begun.status == 303
    page = await here.see(f"/review/{begun.headers['location']}", BASIC, HTML)
    text = page.body.decode()
    assert page.status == 200 and "&lt;script&gt;alert(1)" in text and "<script>alert" not in text
    for word in (call.version, "stable", "canary", call.headers["x-serinus-call-id"][-8:], "sample"):
        assert word not in text
    lease = begun.headers["location"].rpartition("/")[2]
    done = await here.send(f"/{lease}", {"label-0": "good", "kind": "single"}, BASIC, *OWN, HTML)
    assert (done.status, done.headers["location"]) == (303, f"../{here.agent}?after={lease}")
    after = (await here.see(f"/review/{here.agent}?after={lease}", BASIC, HTML)).body.decode()
    assert "Labelled: good." in after and "Take it back" in after and call.version not in after


async def test_a_label_that_counts_tells_the_version(tmp_path: Path, redis_url: str, agent: str) -> None:
    """It can be taken back no more, so nobody labels again with that knowledge."""
    async with desk(tmp_path, redis_url, agent, AT_ONCE) as (here, _):
        call = await here.call()
        lease = (await here.take())["lease"]
        assert json.loads((await here.label(lease)).body)["labels"][0]["version"] == call.version
        page = (await here.see(f"/review/{agent}?after={lease}", HTML)).body.decode()
        assert f"Labelled: {call.version} (" in page and "Take it back" not in page


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({}, 400, "Say bad, unsure or good"),
        ({"label-0": "best"}, 400, "Say bad, unsure or good"),
        ({"label-0": "good", "label-1": "best"}, 400, "Say bad, unsure or good"),
        ({"label-0": "good", "kind": "triple"}, 400, "single or pair"),
        ({"do": "skip", "label-0": "best"}, 400, "Say bad, unsure or good"),
        ({"label-0": "good", "label-1": "good"}, 409, "one label for each answer"),
        ({"label-0": "good", "comment-0": "x" * 1_001}, 400, "at most 1,000 characters"),
    ],
)
async def test_a_form_that_is_wrong(here: Desk, fields: dict[str, str], status: int, said: str) -> None:
    """It is told why, and nothing is labelled."""
    await here.call()
    lease = (await here.take())["lease"]
    reply = await here.send(f"/{lease}", fields)
    assert reply.status == status and said in json.loads(reply.body)["error"]["message"]
    assert await here.labels() == []


@pytest.mark.parametrize(
    ("status", "headers"),
    [(200, (BASIC, *OWN)), (401, OWN), (403, (BASIC,)), (403, (BASIC, "origin: http://evil.test")),
     (403, (BASIC, OWN[0], OWN[1], "sec-fetch-site: cross-site")), (403, (BEARER, "origin: http://evil.test"))],
)  # fmt: skip
async def test_forms_of_our_own_pages_alone(
    tmp_path: Path, redis_url: str, agent: str, status: int, headers: tuple[str, ...]
) -> None:
    """A browser sends a password by itself, to whatever page asks."""
    keys = {"keys": {"app": {"sha256": hashlib.sha256(b"app-key").hexdigest()}}}
    async with desk(tmp_path, redis_url, agent, gateway=keys) as (here, _):
        await here.call(key="app-key")
        lease = (await here.take())["lease"]
        assert (await here.send(f"/{lease}", {"label-0": "good"}, *headers)).status == status
        assert len(await here.labels()) == (status == 200)


async def test_for_reviewers_alone(tmp_path: Path, redis_url: str, agent: str) -> None:
    """The admin, and a key that may review the agent: not the key that made the call, nor one that reviews others."""
    keys: dict[str, dict[str, Any]] = {"app": {}, "ada": {"agents": [], "reviews": [agent]}, "bob": {"reviews": []}}
    written = {name: {"sha256": hashlib.sha256(name.encode()).hexdigest(), **more} for name, more in keys.items()}
    async with desk(tmp_path, redis_url, agent, gateway={"keys": written}) as (here, _):
        await here.call(key="app")
        for path in ("/review", f"/review/{agent}", f"/review/{agent}/labels?content=true", f"/review/{agent}/abc"):
            statuses = [(await here.see(path, f"authorization: Bearer {key}")).status for key in ("app", "bob", "")]
            assert statuses == [403, 403, 401]
        ada = replace(here, auth="authorization: Bearer ada")
        assert await ada.json("/review") == {"agents": [{"agent": agent, "waiting": 1}]}
        await ada.label((await ada.take())["lease"], "bad")
        assert [each["by"] for each in await here.labels()] == ["ada"]
        assert (await ada.call(key="ada")).status == 403


async def test_labels_are_told_with_their_texts(here: Desk) -> None:
    """On request; by their label and their time; in pages."""
    for number in range(22):
        await here.call(f"question {number}")
    for _ in range(22):
        await here.label((await here.take())["lease"], "good")
    page = await here.json(f"/review/{here.agent}/labels?content=true&label=good&since=1h")
    rest = await here.json(f"/review/{here.agent}/labels?after={page['next']}")
    assert len(page["labels"]) == 20 and len(rest["labels"]) == 2 and rest["next"] is None
    assert page["labels"][0]["content"]["messages"][0]["parts"][0]["text"].startswith("question")
    assert await here.labels("?label=bad") == [] and await here.labels("?since=2100-01-01T00:00:00Z") == []
    assert (await here.see(f"/review/{here.agent}/labels?label=fine")).status == 400


async def test_what_is_forgotten_waits_no_more(here: Desk) -> None:
    """Nor is any label kept: a comment may hold the words of the conversation."""
    for text in ("one", "two"):
        call = await here.call(text)
    labelled = await here.take()
    await here.label(labelled["lease"], "bad", "their words")
    for each in [call.headers["x-serinus-call-id"], (await here.labels())[0]["call_id"]]:
        body = json.dumps({"actor": "ada", "reason": "asked"}).encode()
        path = f"/admin/conversations/{each}/forget"
        assert (await ask(here.served.url, "POST", path, body, (BEARER,))).status == 200
    assert await here.labels() == [] and (await here.take())["cases"] == []


async def test_escalated_calls_wait_in_any_case(tmp_path: Path, redis_url: str, agent: str) -> None:
    """And others only where they are of the sample."""
    routing: dict[str, Any] = {"fallback": ["human"], "review": {"sample": "0%", "plus": ["escalated"]}}
    gateway = {"escalation": {"desk": True}, "retries": {"per_target": 0}}
    async with desk(tmp_path, redis_url, agent, gateway=gateway, **routing) as (here, standin):
        await here.call()
        for model in ("good", "bad"):
            standin.behave(model, ModelBehaviour(error_rate=1, fault="status"))
        await here.call("nobody answers")
        about = await here.json(f"/review/{agent}")
        assert (about["waiting"], about["reasons"]) == (1, {"escalated": 1})


async def test_an_agent_that_is_not_reviewed(tmp_path: Path, redis_url: str, agent: str) -> None:
    """It says what is missing."""
    async with desk(tmp_path, redis_url, agent, review=None) as (here, _):
        await here.call()
        reply = await here.see(f"/review/{agent}")
        assert reply.status == 404 and b"routing.yaml has no `review`" in reply.body
        assert await here.json("/review") == {"agents": []} and (await here.see("/review/nobody")).status == 404


def verdict_on(call: Reply, agent: str, passed: bool) -> JudgeVerdict:
    call_id = call.headers["x-serinus-call-id"]
    return JudgeVerdict(call_id, "t", agent, call.version, None, float(passed), passed, "", "judge-1", 0, 0.0)


async def judge(here: Desk, call: Reply, passed: bool) -> None:
    """Let a judge say so of a call, as the running one does."""
    said, named = verdict_on(call, here.agent, passed), nonce_in(call.headers["x-serinus-call-id"])
    assert named is not None
    await here.served.store.keep_verdict(key_of_nonce(named[1]), said, 1)
    here.served.gateway.services.reviews.queue.note_verdicts([said])


async def score(here: Desk, call: Reply, value: float) -> None:
    body = json.dumps({"call_id": call.headers["x-serinus-call-id"], "score": value}).encode()
    assert (await ask(here.served.url, "POST", "/v1/feedback", body)).status == 200


@pytest.mark.parametrize("is_judged_first", [True, False])
async def test_what_a_judge_failed_and_what_is_disputed(
    tmp_path: Path, redis_url: str, agent: str, is_judged_first: bool
) -> None:
    """Whichever comes first, the verdict or the client's score; agreement queues nothing."""
    async with desk(tmp_path, redis_url, agent, review={"sample": "0%"}) as (here, _):
        table = here.served.gateway.services.table
        entry = table.entry(agent)
        assert entry is not None
        table.install({agent: replace(entry.agent, review=ReviewRules(0, ("low_judge", "disagree")))})
        for passed, value in ((True, 1.0), (True, 0.0), (False, 0.0), (False, 1.0)):
            call = await here.call()
            acts = [judge(here, call, passed), score(here, call, value)]
            for act in acts if is_judged_first else acts[::-1]:
                await act
                await here.catch_up()
        about = await here.json(f"/review/{agent}")
        assert (about["waiting"], about["reasons"]) == (3, {"low_judge": 2, "disagree": 2})


async def test_labels_calibrate_the_judge(tmp_path: Path, redis_url: str, agent: str) -> None:
    """One count for each label of a judged call; the judge's word is told beside it."""
    async with desk(tmp_path, redis_url, agent, AT_ONCE) as (here, _):
        for name, passed in (("good", True), ("good", False), ("bad", False), ("unsure", True)):
            await judge(here, await here.call(), passed)
            lease = (await here.take())["lease"]
            for _ in range(2):
                await here.label(lease, name)
                await here.count()
        await here.call()
        await here.label((await here.take())["lease"])
        await here.count()
        found = await here.served.store.agreement(agent, "judge-1")
        assert sum(astuple(found)) == 3
        assert [each["judge"] for each in await here.labels()] == [1.0, 0.0, 0.0, 1.0, None]


async def test_the_status_says_how_many_wait(here: Desk) -> None:
    """With the way to them, on the page; as a number in the metrics, of agents that are reviewed alone."""
    for text in ("one", "two"):
        await here.call(text)
    status = await here.json(f"/status/{here.agent}")
    assert status["agents"][here.agent]["reviews"] == 2
    for path, way in (("/status", f"review/{here.agent}"), (f"/status/{here.agent}", f"../review/{here.agent}")):
        assert f'href="{way}"' in (await here.see(path, HTML)).body.decode()
    metrics = (await here.see("/metrics", BEARER)).body.decode()
    assert f'serinus_reviews_waiting{{agent="{here.agent}"}} 2' in metrics


async def test_a_label_counts_by_itself(tmp_path: Path, redis_url: str, agent: str) -> None:
    """When it can be taken back no more: nobody has to look."""
    async with desk(tmp_path, redis_url, agent, replace(USUAL, review_undo=0.1)) as (here, _):
        for _ in range(2):
            await here.call()
        leases = [(await here.take())["lease"] for _ in range(2)]
        await here.label(leases[0])
        assert here.scored() == 0
        await asyncio.sleep(0.2)
        await here.label(leases[1])
        await within(10, lambda: here.scored() == 2)
