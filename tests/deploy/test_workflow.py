"""The workflow of the documentation: its steps run as GitHub runs them, on a repository with a pull request."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config import load
from gateway.rehearsal.standin import ModelBehaviour, Standin
from gateway.rollout.gates import refused_canaries
from tests.architecture import ROOT
from tests.support.running import provider, trial, write

pytestmark = [pytest.mark.process, pytest.mark.socket]
WORKFLOW = yaml.safe_load((ROOT / "docs/examples/evaluate.yml").read_text(encoding="utf-8"))
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
JOB = WORKFLOW["jobs"]["evaluate"]
STEPS: list[dict[str, Any]] = JOB["steps"]
GH = '#!/bin/sh\necho "$@" >> "$ASKED"\n'
SHIPPED = ModelBehaviour(chunk_text="It was shipped. ")
CASES = [{"ask": f"Where is order {number}?", "expect": [{"icontains": "shipped"}]} for number in range(60)]


class Runner:
    """A machine that runs scripts of steps in a clone, with a `gh` that writes down what it is asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "clone"
        self.asked = folder / "asked"
        (folder / "bin").mkdir()
        (folder / "bin/gh").write_text(GH)
        (folder / "bin/gh").chmod(0o755)
        here = Path(sys.executable).parent
        self._environ = {
            **os.environ, "PATH": f"{folder / 'bin'}:{here}:{os.environ['PATH']}", "ASKED": str(self.asked),
            "GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "o/r", "GITHUB_ACTOR": "ada", "COMMENTS": "comments",
            "XDG_CACHE_HOME": str(folder / "cache"), "GIT_CONFIG_GLOBAL": os.devnull,
        }  # fmt: skip

    async def run(self, script: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        """Run a script as a step with `shell: bash`."""
        command, environ = ["bash", "-e", "-o", "pipefail", "-c", script], {**self._environ, **environ}
        return await asyncio.to_thread(
            subprocess.run, command, cwd=self.folder, env=environ, capture_output=True, text=True, check=False
        )


def git(folder: Path, *arguments: str) -> str:
    """Run Git under a name of the test's own; what it prints."""
    name = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    done = subprocess.run(["git", *name, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


def repository(folder: Path, standin: Standin) -> None:
    """A clone with the branch `try-v2` of a pull request, whose canary needs an evaluation."""
    git(folder, "init", "-q", "--bare", "-b", "main", "origin")
    git(folder, "clone", "-q", "origin", "clone")
    clone, files = folder / "clone", trial("support", standin, evaluation={"suite": "evals/support.yaml"})
    prices = [{"target": "standin/good", "from": "2026-01-01", "input": 1, "output": 10}]
    files["gateway.yaml"] = {**files["gateway.yaml"], "prices": prices}  # type: ignore[dict-item]
    files["agents/support/v2.yaml"] = {"model": "standin/good", "system_prompt": "Be brief."}
    stable = {"routing.yaml": {"agents": {"support": {"stable": "v1"}}}}
    write(clone / "config", {**{name: text for name, text in files.items() if "v2" not in name}, **stable})
    write(clone, {"evals/support.yaml": {"cases": CASES}})
    for branch, message in (("main", "Serve v1"), ("try-v2", "Try v2")):
        git(clone, "checkout", "-q", "-B", branch)
        git(clone, "add", ".")
        git(clone, "commit", "-qm", message)
        git(clone, "push", "-q", "origin", branch)
        write(clone / "config", files)


def script(name: str) -> str:
    """The script of the workflow's step with that name."""
    (found,) = [step["run"] for step in STEPS if step.get("name") == name]
    return str(found)


def test_the_workflow_gives_the_action_what_it_has() -> None:
    """Inputs that there are, on the event whose base it compares with, and no more rights than it needs."""
    (action,) = [step for step in STEPS if step.get("uses", "").startswith("OWNER/serinus@")]
    assert action["with"].keys() <= ACTION["inputs"].keys()
    assert set(WORKFLOW[True]) == {"pull_request"}  # YAML 1.1 reads `on` as true
    assert WORKFLOW["permissions"] == {"contents": "write", "pull-requests": "write"}
    assert "head.repo.full_name == github.repository" in JOB["if"]


def test_no_script_holds_what_a_pull_request_names() -> None:
    """A branch is called what its author likes; it comes by the environment."""
    assert not [step for step in [*STEPS, *ACTION["runs"]["steps"]] if "${{" in step.get("run", "")]


async def test_a_pull_request_gets_its_record(tmp_path: Path) -> None:
    """Evaluated, commented on, and committed to its branch: whoever checks that out has a canary that may begin."""
    async with provider(good=SHIPPED) as standin:
        repository(tmp_path, standin)
        runner = Runner(tmp_path)
        *_, evaluate, comment = ACTION["runs"]["steps"]
        inputs = {"BASE": "origin/main", "CONFIG": "config", "MAX_COST": "5", "ARGUMENTS": "--repeat 1"}
        done = await runner.run(evaluate["run"], **inputs)
        assert done.returncode == 0, done.stderr
        assert (await runner.run(comment["run"])).returncode == 0
        checked = await runner.run(script("Say which canary would still wait"))
        assert checked.returncode == 0 and "stays at 0 %" not in checked.stdout
        for _ in range(2):  # a second time there is nothing to commit
            done = await runner.run(script("Commit the records"), BRANCH="try-v2")
            assert done.returncode == 0, done.stderr
    assert "--method POST comments -F body=@serinus-report-support-v2.md" in runner.asked.read_text()
    git(tmp_path, "clone", "-q", "-b", "try-v2", "origin", "there")
    assert not list(refused_canaries(load(tmp_path / "there/config", {}).agents, 1.8e9))
    names = git(tmp_path / "there", "show", "--name-only", "--format=%s").splitlines()
    assert names == ["Record evaluations", "", "config/agents/support/v2.eval.json"]
