"""What surrounds the code: workflows call the targets of the Makefile, and files name the present version."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway import __version__
from tests.architecture import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
CI: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))
TARGETS = set(re.findall(r"(?m)^([a-z-]+)(?: [a-z-]+)*:(?!=)", (ROOT / "Makefile").read_text("utf-8")))
PROJECT = (ROOT / "pyproject.toml").read_text("utf-8")
by_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def steps(path: Path) -> list[dict[str, Any]]:
    """Every step of a workflow's jobs."""
    return [step for job in yaml.safe_load(path.read_text("utf-8"))["jobs"].values() for step in job["steps"]]


@by_workflow
def test_a_workflow_runs_the_commands_of_the_manual(path: Path) -> None:
    """Each `make` names a target of the Makefile, and each script is in the checkout: CI and a desk do the same."""
    runs = [step["run"] for step in steps(path) if "run" in step]
    made = [target for run in runs for target in re.findall(r"\bmake ([a-z-]+)", run)]
    assert made and set(made) <= TARGETS
    assert all((ROOT / script).exists() for run in runs for script in re.findall(r"(?<!\S)\.ci/\S+", run))


@by_workflow
def test_a_workflow_may_read_and_no_more(path: Path) -> None:
    """A job that writes says so itself; an action is pinned to a release, never to a branch that moves freely."""
    assert yaml.safe_load(path.read_text("utf-8"))["permissions"] == {"contents": "read"}
    used = [step["uses"] for step in steps(path) if "uses" in step]
    assert used and all(re.fullmatch(r"[\w./-]+@(v\d+|release/v\d+)", each) for each in used)


def test_every_python_that_is_promised_is_tried() -> None:
    """The matrix is the list of the classifiers, and the oldest is what the package requires."""
    promised = re.findall(r"Programming Language :: Python :: (3\.\d+)", PROJECT)
    assert CI["jobs"]["python"]["strategy"]["matrix"]["python"] == promised
    assert f'requires-python = ">={promised[0]}"' in PROJECT
    assert f"Python {promised[0]} to {promised[-1]}" in (ROOT / "README.md").read_text("utf-8")


def test_every_file_names_the_present_version() -> None:
    """The citation, the supported versions and the demo's distribution are those of `gateway.__version__`."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == __version__
    minor = __version__.rpartition(".")[0]
    assert f"| {minor}.x | yes |" in (ROOT / "SECURITY.md").read_text("utf-8")
    assert f"serinus-demo=={__version__}" in PROJECT
