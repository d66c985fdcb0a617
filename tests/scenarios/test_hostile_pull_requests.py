"""The gate against whoever opens a pull request: what would get a worse version in is refused, or said aloud."""

import asyncio
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.config import load
from gateway.config.evaluation_record import record_file
from gateway.rehearsal.standin import ModelBehaviour, Standin
from gateway.rollout.gates import refused_canaries
from tests.support.processes import Done, command
from tests.support.running import provider, trial, write

pytestmark = [pytest.mark.process, pytest.mark.socket]
SUITE = "evals/support.yaml"
NOW = 1_800_000_000.0
MODELS = {"good": ModelBehaviour(chunk_text="It was shipped. "), "bad": ModelBehaviour(chunk_text="No idea. ")}
CASES = [{"ask": f"Where is order {number}?", "expect": [{"icontains": "shipped"}]} for number in range(60)]
NAMES = [
    f"GIT_{role}_{what}=ada@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
]  # fmt: skip


def git(folder: Path, *arguments: str) -> None:
    """Run Git under a name of the test's own."""
    environ = {**os.environ, **dict(name.split("=") for name in NAMES), "GIT_CONFIG_GLOBAL": os.devnull}
    subprocess.run(["git", *arguments], cwd=folder, env=environ, check=True, capture_output=True)


def routing(**evaluation: Any) -> dict[str, object]:
    """`routing.yaml` of the agent; without arguments its canaries need no evaluation."""
    entry = {"stable": "v1", "canary": "v2", "weight": "5%", **({"evaluation": evaluation} if evaluation else {})}
    return {"config/routing.yaml": {"agents": {"support": entry}}}


def repository(folder: Path, standin: Standin) -> Path:
    """A repository on whose branch main v2, which is worse, has no evaluation on record."""
    files = {f"config/{name}": content for name, content in trial("support", standin).items()}
    needed = {"suite": SUITE, "margin": "5%", "max_age": "30d"}
    write(folder, {**files, **routing(**needed), SUITE: {"cases": CASES}})
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "Try v2"]):
        git(folder, *arguments)
    return folder


def forged(folder: Path, **changes: Any) -> Path:
    """The record that v2 would have, had it passed."""
    versions = load(folder / "config", {}).agents["support"].versions
    v1, v2 = ({"version": name, "digest": versions[name].digest, "target": "standin/m"} for name in ("v1", "v2"))
    suite = {"file": SUITE, "sha256": "0" * 64, "files": {"support.yaml": digest_of(folder / SUITE)}, "cases": 60}
    content = {
        "schema": "serinus.evaluation/1", "agent": "support", "candidate": v2, "stable": v1, "suite": suite,
        "evaluators": [], "repeat": 1, "verdict": "passed", "sentence": "Passed: 0 of 60 cases worse.", "margin": 0.05,
        "cost_usd": 0.5, "at": "2027-01-14T08:00:00Z", "by": "ci",
        "counts": {"worse": 0, "better": 0, "undecided_runs": 0, "runs": 120}, **changes,
    }  # fmt: skip
    file = record_file(folder / "config", "support", "v2")
    file.write_text(json.dumps(content))
    return file


def digest_of(file: Path) -> str:
    done = subprocess.run(["sha256sum", str(file)], capture_output=True, check=True, text=True)
    return done.stdout.split()[0]


def waiting(folder: Path) -> str:
    """Why v2 stays at 0 %, as `serinus check` and the gate of a gateway say."""
    return next(refused_canaries(load(folder / "config", {}).agents, NOW), "")


async def evaluate(folder: Path, *arguments: str, **environ: str) -> Done:
    """As a workflow on the pull request runs it."""
    places = {"SERINUS_CONFIG": str(folder / "config"), "XDG_CACHE_HOME": str(folder / ".cache")}
    return await command("eval", "--changed", "main", "--record", *arguments, **places, **environ)


def empty_the_suite(folder: Path) -> None:
    write(folder, {SUITE: "cases: []\n"})


def link_the_suite(folder: Path) -> None:
    (folder / "easy.yaml").write_text("cases: [{ask: Hello}]\n")
    (folder / SUITE).unlink()
    (folder / SUITE).symlink_to("../easy.yaml")


def name_another_suite(folder: Path) -> None:
    write(folder, {"easy.yaml": "cases: [{ask: Hello}]\n", **routing(suite="easy.yaml")})


def edit_the_version(folder: Path) -> None:
    write(folder, {"config/agents/support/v2.yaml": {"model": "standin/bad", "system_prompt": "Be rude."}})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (empty_the_suite, "the suite of v2 has changed since its evaluation (support.yaml)"),
        (link_the_suite, "the suite of v2 has changed since its evaluation (support.yaml)"),
        (name_another_suite, "v2 was evaluated with evals/support.yaml, not with easy.yaml"),
        (edit_the_version, "v2 has changed since its evaluation"),
    ],
)
async def test_what_a_record_rests_on_cannot_be_swapped(
    tmp_path: Path, change: Callable[[Path], None], reason: str
) -> None:
    """Though the record itself has passed."""
    async with provider() as standin:
        folder = repository(tmp_path, standin)
    forged(folder)
    assert waiting(folder) == ""
    change(folder)
    assert reason in waiting(folder)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"candidate": {"version": "v2", "digest": "1" * 64, "target": "standin/m"}}, "v2 has changed since"),
        ({"at": "2099-01-01T00:00:00Z"}, "the evaluation of v2 is dated in the future"),
        ({"at": "2026-10-01T00:00:00Z"}, "days old, and 30 are allowed"),
        ({"margin": 0.9}, "v2 was evaluated with a margin of 0.9, and 0.05 is the most"),
        ({"agent": "billing"}, "is the record of billing, in the folder of support"),
        ({"suite": {"file": SUITE, "sha256": "0" * 64, "files": {"x": "0" * 64}, "cases": 60}}, "has changed since"),
    ],
)
async def test_a_record_that_is_not_of_this_version_opens_nothing(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    """Of another content, time, margin, agent or suite."""
    async with provider() as standin:
        folder = repository(tmp_path, standin)
    forged(folder, **changes)
    assert reason in waiting(folder)


async def test_a_forged_record_is_replaced_by_what_is_true(tmp_path: Path) -> None:
    """Though nothing but the record changes, the version is evaluated, and the job fails."""
    async with provider(**MODELS) as standin:
        folder = repository(tmp_path, standin)
        file = forged(folder)
        done = await evaluate(folder)
    assert done.code == 1 and "Failed: worse than stable on" in done.out
    assert json.loads(file.read_text())["verdict"] == "failed"
    assert "has not passed its evaluation" in waiting(folder)
    assert "support@v2  " in done.errors  # whose progress it is


async def test_a_weaker_gate_is_said_aloud(tmp_path: Path) -> None:
    """To whoever reads the comment and the job: fewer cases, a wider margin, older evaluations."""
    async with provider(**MODELS) as standin:
        folder = repository(tmp_path, standin)
        edit_the_version(folder)
        few = {SUITE: {"cases": [{"ask": "Hello"}, {"ask": "Bye"}]}}
        write(folder, {**few, **routing(suite=SUITE, margin="99%")})
        done = await evaluate(folder, "--margin", "99%", "--output", str(folder / "c.md"), GITHUB_ACTIONS="true")
    assert done.code == 0
    comment = (folder / "c-support-v2.md").read_text()
    for sentence in (
        "canaries of support may be worse on 0.99 of such cases, 0.05 before",
        "evaluations of support may be older than before",
    ):
        assert f"::warning::{sentence}" in done.errors and sentence in comment
    assert "The suite is other than at main: support.yaml" in comment


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (routing(), "canaries of support need no evaluation any more"),
        (routing(suite="easy.yaml"), "canaries of support need to pass easy.yaml, and no longer evals/support.yaml"),
    ],
)
async def test_a_gate_that_is_taken_away_is_said_aloud(tmp_path: Path, change: dict[str, object], said: str) -> None:
    """Also where no version is left to evaluate."""
    async with provider(**MODELS) as standin:
        folder = repository(tmp_path, standin)
        write(folder, {"easy.yaml": "cases: [{ask: Hello}]\n", **change})
        done = await evaluate(folder)
    assert done.code == 0 and f"warning: {said}" in done.errors


async def test_a_link_out_of_the_configuration_is_no_crash(tmp_path: Path) -> None:
    """At the commit that is compared with; exit code 1 would say that a version failed."""
    async with provider() as standin:
        folder = repository(tmp_path, standin)
        (folder / "config/prompt.txt").symlink_to("/etc/passwd")
        for arguments in (["add", "."], ["commit", "-qm", "Link"]):
            git(folder, *arguments)
        done = await evaluate(folder)
    assert done.code == 2 and "the configuration at main cannot be read" in done.errors


async def test_a_suite_reads_nothing_outside_of_the_repository(tmp_path: Path) -> None:
    """By whatever link; nothing is asked."""
    async with provider(**MODELS) as standin:
        folder = repository(tmp_path / "repository", standin)
        (tmp_path / "secrets.yaml").write_text("cases: [{ask: a secret}]\n")
        (folder / SUITE).unlink()
        (folder / SUITE).symlink_to("../../secrets.yaml")
        edit_the_version(folder)
        done = await asyncio.wait_for(evaluate(folder), 60)
        assert not list(standin.requests)
    assert done.code == 2 and "is outside of" in done.errors and "a secret" not in done.errors
