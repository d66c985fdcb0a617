"""From an edit to a canary: `serinus eval --changed --record` as a pull request runs it, and the gate that it opens."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.config import load
from gateway.rehearsal.standin import ModelBehaviour
from gateway.rollout.gates import refused_canaries
from tests.support.running import provider, trial, write

pytestmark = [pytest.mark.process, pytest.mark.socket]
GOOD, BAD = ModelBehaviour(chunk_text="It was shipped. "), ModelBehaviour(chunk_text="No idea. ")
CASES = [
    {"ask": f"Where is order {number}?", "expect": [{"icontains": "shipped"}], "critical": number == 0}
    for number in range(60)
]
PRICES = [{"target": f"standin/{model}", "from": "2026-01-01", "input": 1, "output": 10} for model in ("good", "bad")]


def git(folder: Path, *arguments: str) -> None:
    """A commit is made under a name of the test's own."""
    name = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *name, *arguments], check=True, capture_output=True)


def evaluate(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The public command, in the repository's folder."""
    command = [str(Path(sys.executable).with_name("serinus")), "eval", *arguments]
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environ = {**inherited, "XDG_CACHE_HOME": str(folder / ".cache"), "KEY": "a-key-of-the-tests", **environ}
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False)


def repository(folder: Path, standin: Any, **evaluation: Any) -> Path:
    """A repository with an agent whose canary needs an evaluation; v2's model is as good as v1's."""
    files = trial("support", standin, evaluation={"suite": "evals/support.yaml", **evaluation})
    provider_entry = {"api": "openai", "base_url": standin.base_url, "api_key": "${KEY}"}
    files["gateway.yaml"] = {"providers": {"standin": provider_entry}, "prices": PRICES}
    files["agents/support/v2.yaml"] = {"model": "standin/good", "system_prompt": "You are v2."}
    write(folder / "config", files)
    write(folder, {"evals/support.yaml": {"cases": CASES}})
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "The first version")
    return folder


def waiting(folder: Path) -> list[str]:
    """The canaries that would stay at 0 %."""
    return list(refused_canaries(load(folder / "config", {"KEY": "k" * 20}).agents, 1_800_000_000.0))


async def run(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The same beside the stand-in's loop."""
    return await asyncio.to_thread(evaluate, folder, *arguments, **environ)


async def test_a_good_version_passes_the_gate(tmp_path: Path) -> None:
    """Exit code 0, a record that lets the canary in; a second run asks nothing."""
    async with provider(good=GOOD, bad=BAD) as standin:
        folder = repository(tmp_path, standin)
        assert waiting(folder)
        done = await run(folder, "support", "--record", "--max-cost", "1", "--json")
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        assert (said["verdict"]["status"], said["candidate"]["version"]) == ("passed", "v2")
        assert "120 calls, at most" in done.stderr and "recorded in config/agents/support/v2.eval.json" in done.stderr
        assert not waiting(folder)
        asked = len(standin.requests)
        again = await run(folder, "support@v2")
        assert again.returncode == 0 and len(standin.requests) == asked
        assert "Passed: 0 of 60 cases worse" in again.stdout


async def test_a_pull_request_with_a_bad_edit_is_refused(tmp_path: Path) -> None:
    """`--changed` finds the edited version alone; the comment, the marks, and a record that keeps it at 0 %."""
    async with provider(good=GOOD, bad=BAD) as standin:
        folder = repository(tmp_path, standin)
        unchanged = await run(folder, "--changed", "HEAD")
        assert unchanged.returncode == 0 and "no version" in unchanged.stdout and not list(standin.requests)
        write(folder, {"config/agents/support/v2.yaml": {"model": "standin/bad", "system_prompt": "Say little."}})
        summary = str(folder / "summary.md")
        done = await run(
            folder, "--changed", "HEAD", "--record", "--output", "report.md",
            GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=summary, GITHUB_ACTOR="ada",
        )  # fmt: skip
        assert done.returncode == 1, done.stderr
        assert "::error file=evals/support.yaml,line=" in done.stdout and "Failed: " in done.stdout
        assert "**Newly failing: " in (folder / "report-support-v2.md").read_text()
        record = json.loads((folder / "config/agents/support/v2.eval.json").read_text())
        assert (record["verdict"], record["by"], record["suite"]["file"]) == ("failed", "ada", "evals/support.yaml")
        assert "has not passed its evaluation" in waiting(folder)[0]


async def test_an_edited_stable_version_is_compared_with_what_it_was(tmp_path: Path) -> None:
    """As Git has it."""
    async with provider(good=GOOD, bad=BAD) as standin:
        folder = repository(tmp_path, standin)
        write(folder, {"config/agents/support/v1.yaml": {"model": "standin/bad", "system_prompt": "You are v1."}})
        done = await run(folder, "--changed", "HEAD", "--json")
        said = json.loads(done.stdout)
        assert done.returncode == 1
        assert (said["candidate"]["target"], said["stable"]["target"]) == ("standin/bad", "standin/good")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["suport"], "did you mean 'support'?"),
        (["support@v9"], "unknown version 'v9'"),
        (["support", "--suite", "evals/none.yaml"], "evals/none.yaml"),
        (
            ["support", "--max-cost", "0.0000001", "--no-cache"],
            "stopped: 0.000000 USD are spent, and the next call might go beyond 1e-07 USD",
        ),
        ([], "say 'eval AGENT[@VERSION]', or 'eval --changed COMMIT'"),
        (["--changed", "nowhere"], "Not a valid object name"),
    ],
)
async def test_what_cannot_run_says_why(tmp_path: Path, arguments: list[str], reason: str) -> None:
    """With exit code 2, which is neither passed nor failed."""
    async with provider(good=GOOD, bad=BAD) as standin:
        done = await run(repository(tmp_path, standin), *arguments)
    assert done.returncode == 2 and reason in done.stderr
    assert "Traceback" not in done.stderr


async def test_only_the_keys_that_are_needed_must_be_set(tmp_path: Path) -> None:
    """Another provider's may be missing; one of these is named."""
    async with provider(good=GOOD, bad=BAD) as standin:
        folder = repository(tmp_path, standin)
        path = folder / "config/gateway.yaml"
        settings = json.loads(path.read_text())
        settings["providers"]["other"] = {**settings["providers"]["standin"], "api_key": "${NOT_HERE}"}
        path.write_text(json.dumps(settings))
        assert (await run(folder, "support", "--repeat", "1")).returncode == 0
        settings["providers"]["standin"]["api_key"] = "${NOT_HERE}"
        path.write_text(json.dumps(settings))
        done = await run(folder, "support", "--no-cache")
        assert done.returncode == 2 and "standin/good needs the environment variable NOT_HERE" in done.stderr


async def test_an_answer_writes_no_workflow_command(tmp_path: Path) -> None:
    """In GitHub Actions commands are stopped around what models wrote; the marks stand before it."""
    owned = ModelBehaviour(chunk_text="\n::error::owned\n##[error]owned ")
    async with provider(good=GOOD, bad=owned) as standin:
        folder = repository(tmp_path, standin)
        write(folder, {"config/agents/support/v2.yaml": {"model": "standin/bad"}})
        done = await run(folder, "support", GITHUB_ACTIONS="true")
    marks, stop, rest = done.stdout.partition("::stop-commands::")
    token = rest.split("\n")[0]
    assert done.returncode == 1 and stop and rest.rstrip().endswith(f"::{token}::")
    assert all(line.startswith("::error file=") for line in marks.splitlines())


@pytest.mark.parametrize("judge", [[], ["--judge", "nosuch/model"]])
async def test_a_judge_that_cannot_be_asked_is_found_before_money_is_spent(tmp_path: Path, judge: list[str]) -> None:
    """By file and line."""
    async with provider(good=GOOD, bad=BAD) as standin:
        folder = repository(tmp_path, standin)
        cases = [{"ask": "Hello", "expect": [{"any": [{"llm-rubric": "is kind"}]}]}]
        write(folder, {"evals/support.yaml": {"cases": cases}})
        done = await run(folder, "support", *judge)
        assert not list(standin.requests)
    assert done.returncode == 2 and "evals/support.yaml:1: llm-rubric: " in done.stderr


async def test_a_report_that_cannot_be_written_is_found_first(tmp_path: Path) -> None:
    """Before money is spent; so is a file of kept answers that is none."""
    async with provider(good=GOOD, bad=BAD) as standin:
        folder = repository(tmp_path, standin)
        (folder / "report.md").mkdir()
        done = await run(folder, "support", "--output", "report.md")
        assert done.returncode == 2 and "report.md cannot be written" in done.stderr
        (folder / "answers").write_text("no database, but a text of some length: " * 20)
        done = await run(folder, "support", "--cache", "answers")
        assert done.returncode == 2 and "the file of kept answers answers: file is not a database" in done.stderr
        assert not list(standin.requests)
