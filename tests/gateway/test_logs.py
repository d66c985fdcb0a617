"""The log: one JSON object a line whatever is in it, and no call that fails because a line could not be written."""

import asyncio
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway import logs
from gateway.rehearsal.standin import ModelBehaviour
from tests.support.crowd import crowd
from tests.support.running import provider, running, trial, write

ROOT = Path(__file__).parents[2]


def lines(captured: str) -> list[Any]:
    return [json.loads(line) for line in captured.splitlines()]


@pytest.mark.parametrize("mark", ["\r\n", "\x1b[2J", "\x7f", "\x9b31m", "\x85", "\u2028", "\u202e", "\x00", "\ud800"])
def test_nothing_that_is_logged_is_obeyed(mark: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Line ends, escape sequences and turned directions are escaped; the line reads back as it was."""
    logs.configure().info("event", text=f"a{mark}b")
    (line,) = capfdbinary.readouterr().out.splitlines()
    assert mark.encode(errors="surrogatepass") not in line
    assert json.loads(line)["text"] == f"a{mark}b"


def test_other_languages_stay_readable(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Only what would be obeyed is escaped."""
    logs.configure().info("event", text="Zürich 東京 \N{BIRD}")
    assert "Zürich 東京 \N{BIRD}".encode() in capfdbinary.readouterr().out


def test_what_json_does_not_know_is_written_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    """A path, an integer beyond 64 bits."""
    logs.configure().info("event", path=Path("/x"), number=2**70)
    (line,) = lines(capsys.readouterr().out)
    assert (line["path"], line["number"], line["level"]) == ("/x", 2**70, "info")


def test_an_exception_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With its trace in it."""
    log = logs.configure()
    try:
        raise ValueError("two\nlines")
    except ValueError:
        log.exception("bug")
    (line,) = lines(capsys.readouterr().out)
    assert "Traceback" in line["exception"] and "two\nlines" in line["exception"]


def test_libraries_log_through_the_same_door(capsys: pytest.CaptureFixture[str]) -> None:
    """Their warnings are lines like any other; what is less than a warning is theirs."""
    logs.configure()
    logging.getLogger("some.library").warning("odd: %s", "thing")
    logging.getLogger("some.library").info("chatter")
    (line,) = lines(capsys.readouterr().out)
    assert (line["event"], line["logger"], line["message"]) == ("library", "some.library", "odd: thing")


async def test_lines_of_calls_wait_for_one_another(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """A twentieth of a second at most, and only until something else is said: the order stays."""
    log = logs.configure()
    log.often({"event": "call", "id": "a"})
    log.often({"event": "call", "id": "b"})
    assert capfdbinary.readouterr().out == b""
    log.info("record_applied", id="c")
    log.often({"event": "call", "id": "d"})
    said = lines(capfdbinary.readouterr().out.decode())
    assert [line["id"] for line in said] == ["a", "b", "c"]
    await asyncio.sleep(5 * logs.HELD_SECONDS)
    (last,) = lines(capfdbinary.readouterr().out.decode())
    assert (last["id"], last["level"]) == ("d", "info")


def test_what_is_bound_is_in_every_line(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Those of calls too; below the level that was asked for nothing is written."""
    logs.configure().bind(replica="r").often({"event": "call", "id": "a"})
    logs.configure("warning").often({"event": "call", "id": "b"})
    (line,) = lines(capfdbinary.readouterr().out.decode())
    assert (line["event"], line["replica"], line["id"]) == ("call", "r", "a")


async def test_many_lines_of_calls_do_not_wait(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Beyond 64 kB they are written at once."""
    log = logs.configure()
    for _ in range(3):
        log.often({"event": "call", "id": "x" * (logs.HELD_BYTES // 2)})
    assert len(lines(capfdbinary.readouterr().out.decode())) == 2


def test_nothing_waits_without_a_loop(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Nobody would come back to write it."""
    logs.configure().often({"event": "call", "id": "a"})
    assert len(lines(capfdbinary.readouterr().out.decode())) == 1


async def test_what_waits_is_written_before_the_end() -> None:
    """A loop that ends with lines waiting, and no last word."""
    done = run(
        after="import asyncio\nasync def say(): log.often({'event': 'call'})\nasyncio.run(say())",
        stdout=subprocess.PIPE,
    )
    assert [line["event"] for line in lines(done.stdout.decode())] == ["event"] * 3 + ["call"]


LOG_ON = """
import os, sys
from gateway import logs
log = logs.configure()
{before}
for number in range(3):
    log.info("event", number=number)
{after}
"""


def run(before: str = "", after: str = "", **options: Any) -> "subprocess.CompletedProcess[bytes]":
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    code = LOG_ON.format(before=before, after=after)
    return subprocess.run([sys.executable, "-c", code], env=environ, stderr=subprocess.PIPE, timeout=30, **options)


def test_a_reader_that_went_away_ends_nothing() -> None:
    """The pipe is closed: the lines are lost, the work goes on, and the exit code is 0."""
    reader, writer = os.pipe()
    os.close(reader)
    done = run(stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_closed_output_ends_nothing() -> None:
    """Somebody closed it from within."""
    done = run(before="sys.stdout.buffer.close()", after="sys.stdout = None")
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_full_disk_ends_nothing() -> None:
    """Lines are lost while there is no room."""
    with Path("/dev/full").open("wb") as full:
        done = run(after="os.dup2(os.open(os.devnull, os.O_WRONLY), 1)", stdout=full)
    assert (done.returncode, done.stderr) == (0, b"")


async def test_a_call_is_one_line_without_its_content(
    tmp_path: Path, redis_url: str, agent: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Planted in prompt, answer, key, error and system prompt: none of it is in the log, and every call is, once."""
    secrets = ["PLANTED-prompt", "PLANTED-answer", "PLANTED-provider-key", "PLANTED-system", "PLANTED-error"]
    failing = ModelBehaviour(error_rate=0.5, error_message="PLANTED-error", seed=3)
    good = ModelBehaviour(chunk_text="PLANTED-answer ")
    async with provider(secrets[2], good=good, bad=failing) as standin:
        files = trial(agent, standin)
        keyed = {"api": "openai", "base_url": standin.base_url, "api_key": "${PLANTED_KEY}"}
        files["gateway.yaml"] = {"providers": {"standin": keyed}}
        files[f"agents/{agent}/v1.yaml"] = {"model": "standin/good", "system_prompt": "PLANTED-system"}
        capfd.readouterr()
        gateway = running(write(tmp_path, files), redis_url, {"PLANTED_KEY": secrets[2]})
        async with gateway as served, crowd(served.url) as people:
            replies = await asyncio.gather(*(people.call(agent) for _ in range(40)))
    out, err = capfd.readouterr()
    calls = [line for line in lines(out) if line["event"] == "call"]
    assert sorted(line["id"] for line in calls) == sorted(reply.headers["x-request-id"] for reply in replies)
    assert not [secret for secret in secrets if secret in out + err]
    assert {line["failed"] for line in calls} == {True, False}


CALL_FIELDS = {
    "event", "level", "at", "id", "request_id", "caller", "agent", "version", "reason", "arm", "censored", "held",
    "stream", "end", "status", "failed", "failure", "why", "attempts",
    "latency", "ttft", "input_tokens", "cached_tokens",
    "output_tokens", "estimated", "hedge", "cost_usd",
}  # fmt: skip


async def test_a_calls_line_has_known_fields_only(
    tmp_path: Path, redis_url: str, agent: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whoever adds one thinks about what may be in it."""
    capfd.readouterr()
    async with (
        provider() as standin,
        running(write(tmp_path, trial(agent, standin)), redis_url) as served,
        crowd(served.url) as people,
    ):
        await people.call_often(agent, 5)
    calls = [line for line in lines(capfd.readouterr().out) if line["event"] == "call"]
    assert len(calls) == 5 and set().union(*calls) <= CALL_FIELDS


def test_long_texts_are_shortened(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """What a client wrote, and an error quotes, does not fill the log; its beginning and its end stay."""
    logs.configure().error("bug", error="begin" + "x" * 1_000_000 + "end", count=7)
    line = capfdbinary.readouterr().out
    assert len(line) < 20_000
    assert json.loads(line)["error"].startswith("beginx") and json.loads(line)["error"].endswith("xend")


def test_lines_of_one_kind_have_one_beginning(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """What they have in common is written once; the line holds the same as any other, and is as safe."""
    log = logs.configure().bind(replica="r")
    beginning = log.beginning({"event": "call", "agent": "a"})
    log.go_on(beginning, {"id": "x\x7f\n"})
    logs.configure("warning").go_on(beginning, {"id": "b"})
    log.warning("end")
    first, _ = capfdbinary.readouterr().out.splitlines()
    line = json.loads(first)
    assert line.pop("at") > 0 and b"\x7f" not in first
    assert line == {"event": "call", "agent": "a", "replica": "r", "level": "info", "id": "x\x7f\n"}
