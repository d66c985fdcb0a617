"""From a pull request to a rollback, and from there to the suite: what hurt once is asked of every later version."""

import json
import os
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from gateway.rehearsal.standin import ModelBehaviour, Standin
from gateway.rehearsal.standin.judge import JudgeBehaviour
from gateway.rollout.status_view import AgentView
from tests.support.crowd import Crowd, crowd
from tests.support.processes import Done, Served, command, serving
from tests.support.redis_servers import until
from tests.support.running import ADMIN_TOKEN, provider, trial, write

pytestmark = [pytest.mark.process, pytest.mark.socket]
SHIPPED = ModelBehaviour(chunk_text="It was shipped. ")
RECORDED = {"record_content": "all", "review": {"sample": "100%"}}
CUT_OFF = ModelBehaviour(chunk_text="It was shipped, and then", chunks=1, slip="truncated")
JUDGE = ModelBehaviour(judge=JudgeBehaviour(bad_if="and then"))
CASES = [{"ask": f"Where is order {number}?", "expect": [{"icontains": "shipped"}]} for number in range(60)]
WHO = {
    **{f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in
       (("NAME", "Ada"), ("EMAIL", "ada@example.com"))},
    "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clone:
    """A clone of the team's repository."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "config"

    def git(self, *arguments: str) -> None:
        """Run Git there."""
        environ = {**os.environ, **WHO}
        subprocess.run(["git", *arguments], cwd=self.folder, env=environ, check=True, capture_output=True)

    def commit(self, files: Mapping[str, object], message: str) -> None:
        """Write files, and commit all that has changed."""
        write(self.folder, files)
        self.git("add", ".")
        self.git("commit", "-qm", message)

    def merge(self, branch: str) -> None:
        """Merge a pull request."""
        self.git("checkout", "-q", "main")
        self.git("merge", "-q", "--no-ff", "-m", f"Merge {branch}", branch)
        self.git("push", "-q", "origin", "main")

    async def serinus(self, *arguments: str) -> Done:
        """A command as CI runs it on this clone."""
        cache = str(self.folder.parent / "cache")
        return await command(*arguments, SERINUS_CONFIG=str(self.config), XDG_CACHE_HOME=cache)


@dataclass(frozen=True, slots=True)
class Team:
    """A developer's clone, production's, and the two gateways that serve from the latter."""

    agent: str
    standin: Standin
    developer: Clone
    production: Clone
    gateways: tuple[Served, Served]
    people: Crowd

    async def is_everywhere(self, phase: str, weight: float, pace: int = 0) -> bool:
        """Whether both gateways show that; with calls of `pace` people meanwhile."""
        if pace:
            await self.people.call_often(self.agent, 4 * pace, pace)
        views = [await self.view(number) for number in (0, 1)]
        return all((view.phase, view.weight) == (phase, weight) for view in views)

    async def view(self, number: int = 0) -> AgentView:
        return (await self.gateways[number].status()).agents[self.agent]


def routing(agent: str, **members: Any) -> dict[str, object]:
    """`routing.yaml` of an agent whose canaries need an evaluation."""
    entry = {"stable": "v1", "evaluation": {"suite": "evals/support.yaml"}, **RECORDED}
    return {"config/routing.yaml": {"agents": {agent: {**entry, **members}}}}


def clone(origin: Path, name: str) -> Clone:
    """A clone of that name beside the repository, on its branch main."""
    made = Clone(origin.parent / name / "repository")
    made.folder.parent.mkdir()
    subprocess.run(["git", "clone", "-q", str(origin), str(made.folder)], check=True, capture_output=True)
    made.git("checkout", "-q", "-B", "main")
    return made


def repository(folder: Path, agent: str, standin: Standin) -> tuple[Clone, Clone]:
    """The developer's clone and production's, of a repository in which v1 serves."""
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(folder / "origin")], check=True)
    developer = clone(folder / "origin", "developer")
    files = {f"config/{name}": content for name, content in trial(agent, standin).items() if "v2" not in name}
    developer.commit({**files, **routing(agent), "evals/support.yaml": {"cases": CASES}}, "Serve v1")
    developer.git("push", "-q", "origin", "main")
    production = clone(folder / "origin", "production")
    production.git("pull", "-q", "origin", "main")
    return developer, production


@asynccontextmanager
async def team(folder: Path, agent: str, redis_url: str) -> AsyncIterator[Team]:
    """v1 serves alone, from the branch main of a repository."""
    async with provider(good=SHIPPED, fresh=SHIPPED, judge=JUDGE) as standin:
        developer, production = repository(folder, agent, standin)
        environ = {"SERINUS_STORE": redis_url}
        async with (
            serving(production.config, environ, "one") as one,
            serving(production.config, environ, "two") as two,
            crowd(one.url, two.url) as people,
        ):
            yield Team(agent, standin, developer, production, (one, two), people)


async def test_what_hurt_once_is_asked_of_every_later_version(tmp_path: Path, agent: str, redis_url: str) -> None:
    """A pull request passes its suite and is merged; its canary breaks live and is rolled back, with the evidence.

    People review its answers, the bad ones become cases, and the next version with that fault gets no call at all.
    """
    async with team(tmp_path, agent, redis_url) as here:
        await propose(here, "v2", "Answer in one sentence.")
        passed = await here.developer.serinus("eval", "--changed", "origin/main", "--record")
        assert passed.code == 0 and "Passed: 0 of 60 cases worse" in passed.out, passed
        here.developer.commit({}, "Record the evaluation of v2")
        assert (await here.view()).weight == 0.0 and not here.standin.counts("fresh").requests - 60

        here.developer.merge("v2")
        here.production.git("pull", "-q", "--ff-only", "origin", "main")
        await until(lambda: here.is_everywhere("running", 0.05, pace=4))
        here.standin.behave("fresh", CUT_OFF)
        await until(lambda: here.is_everywhere("rolled_back", 0.0, pace=8))
        await show_the_evidence(here)
        bad = await review(here)
        await export_cases(here)
        await refuse_the_next(here, bad)


async def propose(here: Team, version: str, prompt: str) -> None:
    """A pull request with that version as the canary at 5 %; without a record it would stay at 0 %."""
    here.developer.git("checkout", "-q", "-b", version)
    files = {f"config/agents/{here.agent}/{version}.yaml": {"model": "standin/fresh", "system_prompt": prompt}}
    here.developer.commit({**files, **routing(here.agent, canary=version, weight="5%")}, f"Try {version}")
    checked = await here.developer.serinus("check", "--no-env")
    assert checked.code == 0 and f"the canary stays at 0 %: {version} has no evaluation on record" in checked.out


async def show_the_evidence(here: Team) -> None:
    """In the audit trail, once, by the gateway itself; every call was answered by stable afterwards."""
    url = here.gateways[1].url
    said = await command("audit", here.agent, "--url", url, "--json")
    events = [event for event in map(json.loads, said.out.splitlines()) if event["action"] == "roll_back"]
    assert [event["actor"] for event in events] == ["controller"]
    assert events[0]["reason"].startswith("truncated <= stable * 1.5 is breached: canary 100.00% of")
    assert events[0]["evidence"]["canary_requests"] >= 3
    replies = await here.people.call_often(here.agent, 40)
    assert {(reply.status, reply.version) for reply in replies} == {(200, "v1")}


async def review(here: Team) -> int:
    """A reviewer goes through all that waits until bad answers came, and says what is wrong; how many those are.

    The call that decided the rollback is among the last, which come to the queue a moment later.
    """
    bad = 0

    async def has_found() -> bool:
        nonlocal bad
        said = await command("review", here.agent, "--json", "--url", here.gateways[0].url)
        for _ in range(json.loads(said.out)["waiting"]):
            opened = await post(here, "", kind="single")
            (case,) = opened["cases"]
            is_bad = "and then" in case["answer"]["parts"][0]["text"]
            label, comment = ("bad", "It ends in the middle of a sentence.") if is_bad else ("good", "")
            await post(here, f"/{opened['lease']}", **{"label-0": label, "comment-0": comment})
            bad += is_bad
        return bad > 0

    await until(has_found)
    return bad


async def post(here: Team, path: str, **fields: str) -> Any:
    """A form of the reviewers' page; what it answers to a program."""
    headers = (f"authorization: Bearer {ADMIN_TOKEN}", "content-type: application/x-www-form-urlencoded")
    reply = await here.gateways[0].ask("POST", f"/review/{here.agent}{path}", urlencode(fields).encode(), headers)
    assert reply.status == 200, reply.body
    return json.loads(reply.body)


async def export_cases(here: Team) -> None:
    """The bad answers become cases of the suite that every version has to pass."""
    file = here.developer.folder / "evals/reviewed.yaml"
    arguments = ("--format", "promptfoo", "--label", "bad", "--output", str(file), "--url", here.gateways[1].url)
    done = await command("review", "export", here.agent, *arguments)
    assert done.code == 0, done
    here.developer.git("checkout", "-q", "-b", "cases")
    here.developer.commit({"evals/support.yaml": {"cases": ["file://reviewed.yaml", *CASES]}}, "Add what hurt")
    here.developer.merge("cases")


async def refuse_the_next(here: Team, bad: int) -> None:
    """By just these cases, in its pull request; and were it merged all the same, it would stay at 0 %."""
    await propose(here, "v3", "Answer in one short sentence.")
    judged = ("--judge", "standin/judge", "--json")
    refused = await here.developer.serinus("eval", "--changed", "origin/main", "--record", *judged)
    verdict = json.loads(refused.out)["verdict"]
    assert (refused.code, verdict["status"]) == (1, "failed"), refused
    assert 0 < verdict["worse"] <= bad  # it ends early where these cases prove it
    here.developer.commit({}, "Record the evaluation of v3")
    here.developer.merge("v3")
    asked = here.standin.counts("fresh").requests
    here.production.git("pull", "-q", "--ff-only", "origin", "main")
    await until(lambda: here.is_everywhere("pending", 0.0))
    await here.people.call_often(here.agent, 40)
    assert "v3 has not passed its evaluation: Failed: " in (await here.view()).reason
    assert here.standin.counts("fresh").requests == asked
