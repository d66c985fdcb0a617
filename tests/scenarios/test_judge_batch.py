"""The nightly batch of a judge, and its calibration by people's labels, as commands."""

import json
from pathlib import Path

from tests.support.crowd import crowd
from tests.support.judging import WORSE, judging, with_judge
from tests.support.processes import Done, command, serving
from tests.support.redis_servers import until
from tests.support.running import provider


async def test_what_was_not_graded_is_graded(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Within its limits, as many of either arm of a trial, each call once; a second run finds nothing left."""
    async with provider(bad=WORSE, judge=judging()) as standin:
        folder = with_judge(tmp_path / "config", agent, standin, sample="0.01%")
        async with serving(folder, {"SERINUS_STORE": redis_url}) as served:
            async with crowd(served.url) as people:
                replies = await people.call_often(agent, 50)

            async def run(*options: str) -> Done:
                return await command("judge", *options, "--url", served.url)

            async def are_kept() -> bool:
                kept = json.loads((await served.ask("GET", f"/calls?agent={agent}&limit=60")).body)["calls"]
                return len(kept) == len(replies)

            async def are_shown() -> bool:  # what a verdict counts comes with the next flush
                shown = (await served.status()).agents[agent].judge
                return shown is not None and sum(found.judged for found in shown.versions.values()) == len(replies)

            await until(are_kept)
            few = await run(agent, "--limit", "5", "--json")
            cheap = await run(agent, "--max-cost", "0.004")
            rest = await run("--since", "1h", "--json")
            none = await run(agent, "--json")
            unknown = await run("nobody")
            await until(are_shown)
            view = (await served.status()).agents[agent]
    assert (few.code, json.loads(few.out)[0]["judged"]) == (0, 5)
    assert (cheap.code, "stopped: the next call may cost more than is left of --max-cost" in cheap.out) == (1, True)
    assert (rest.code, json.loads(rest.out)[0]["stopped"]) == (0, "")
    assert [json.loads(none.out)[0][name] for name in ("judged", "cost_usd")] == [0, 0.0]
    assert (unknown.code, "nobody" in unknown.errors) == (1, True)
    judge = view.judge
    assert judge is not None
    counted = {name: found.judged for name, found in judge.versions.items()}
    assert counted == {name: sum(reply.version == name for reply in replies) for name in ("v1", "v2")}
    assert standin.counts("judge").requests == len(replies)


async def test_a_batch_stops_where_the_judge_is_down(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Exit code 1, and a sentence; what was not graded waits for the next run."""
    async with provider(bad=WORSE, judge=judging(error_rate=1, fault="status")) as standin:
        folder = with_judge(tmp_path / "config", agent, standin, sample="0.01%")
        async with serving(folder, {"SERINUS_STORE": redis_url}) as served:
            async with crowd(served.url) as people:
                await people.call_often(agent, 5)
            down = await command("judge", agent, "--url", served.url)
            standin.behave("judge", judging())
            well = await command("judge", agent, "--url", served.url)
    assert (down.code, "stopped: standin/judge gave no answer (status, HTTP 500)" in down.out) == (1, True)
    assert (well.code, "5 judged: " in well.out) == (0, True)


async def test_calibration(tmp_path: Path) -> None:
    """κ, the counts and the rate that people would find, in a table or as JSON; the exit code says whether it acts."""
    labels = tmp_path / "labels.jsonl"
    pairs = [(1, 1)] * 40 + [(1, 0)] * 4 + [(0, 1)] * 3 + [(0, 0)] * 20
    lines = [
        {"call_id": "c", "agent": "support", "version": "v1", "human": human, "judge": judge, "judge_digest": "a" * 64}
        for human, judge in pairs
    ]
    labels.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    table = await command("judge", "calibrate", str(labels), "--passed", "812", "--judged", "1000")
    none = await command("judge", "calibrate", str(labels), "--passed", "0", "--judged", "1000")
    found = json.loads((await command("judge", "calibrate", str(labels), "--json")).out)[0]
    labels.write_text("\n".join(map(json.dumps, lines[:20])), encoding="utf-8")
    few = await command("judge", "calibrate", str(labels))
    missing = await command("judge", "calibrate", str(tmp_path / "nothing.jsonl"))
    assert (table.code, none.code) == (0, 0) and "the judge passed 0% of 1,000" in none.out
    assert "The judge agrees with people: κ = 0.7" in table.out
    assert "People would find 8" in table.out
    assert (found["both_pass"], found["judge_only"], found["people_only"], found["both_fail"]) == (40, 3, 4, 20)
    assert found["kappa"]["low"] < found["kappa"]["value"] < found["kappa"]["high"]
    assert (few.code, "Too few labels to say" in few.out) == (1, True)
    assert (missing.code, "No such file" in missing.errors) == (2, True)


async def test_what_a_judge_costs_is_told_apart(tmp_path: Path, redis_url: str, agent: str) -> None:
    """`serinus costs` has it in a row of its own, so that no version looks dearer for being judged more often."""
    async with provider(bad=WORSE, judge=judging()) as standin:
        folder = with_judge(tmp_path / "config", agent, standin)
        async with serving(folder, {"SERINUS_STORE": redis_url}) as served:
            async with crowd(served.url) as people:
                await people.call_often(agent, 10)

            async def is_paid() -> bool:
                costs = json.loads((await command("costs", agent, "--json", "--url", served.url)).out)
                judge = (await served.status()).agents[agent].judge
                rows = {row["version"]: row["judge_usd"] for row in costs["rows"]}
                total = costs["total"]["judge_usd"]
                spent = judge.usd_today if judge is not None and judge.judged == 10 else None
                return spent is not None and spent == total == rows.get("/judge") and total > 0

            await until(is_paid)
            said = (await command("costs", agent, "--url", served.url)).out
    assert "of it for judges of live calls" in said


async def test_a_kill_grades_nothing_twice(tmp_path: Path, redis_url: str, agent: str) -> None:
    """What a killed process was asking is left to lapse; another process grades the rest, and nothing again."""
    async with provider(bad=WORSE, judge=judging(latency_seconds=0.1)) as standin:
        folder = with_judge(tmp_path / "config", agent, standin)
        environ = {"SERINUS_STORE": redis_url}
        async with serving(folder, environ, "one") as one:
            async with crowd(one.url) as people:
                await people.call_often(agent, 30)

            async def is_halfway() -> bool:
                return standin.counts("judge").requests >= 10

            await until(is_halfway)
            await one.kill()
        async with serving(folder, environ, "two") as two:
            done = await command("judge", agent, "--url", two.url)
            judge = (await two.status()).agents[agent].judge

            async def is_read() -> bool:
                nonlocal judge
                judge = (await two.status()).agents[agent].judge
                return judge is not None and judge.judged >= standin.counts("judge").requests - 2

            await until(is_read)
    assert done.code == 0
    assert judge is not None
    assert judge.judged <= standin.counts("judge").requests <= 30
