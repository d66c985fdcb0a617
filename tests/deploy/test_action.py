"""The action for GitHub: its scripts as its steps run them, with a `gh` that writes down what it is asked."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.architecture import ROOT

pytestmark = pytest.mark.process
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
GH = """#!/usr/bin/env python3
import json, os, sys
with open(os.environ["ASKED"], "a") as asked:
    asked.write(json.dumps([sys.argv[1:], os.environ["MARKER"]]) + "\\n")
if "--paginate" in sys.argv and os.environ.get("FOUND"):
    print(os.environ["FOUND"])
"""
REPORT = "<!-- serinus eval support v2 suite -->\n### failed\n"


def run(folder: Path, step: dict[str, Any], **environ: str) -> list[tuple[list[str], str]]:
    """What `gh` was asked by a step's script, and the marker each time."""
    (folder / "bin").mkdir()
    for name, text in (("gh", GH), ("serinus", '#!/bin/sh\nprintf \'%s\\n\' "$@" >> "$ASKED"\n')):
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    environ = {"PATH": path, "ASKED": str(folder / "asked"), "GITHUB_REPOSITORY": "o/r", "COMMENTS": "c", **environ}
    subprocess.run(["bash", "-e", "-c", step["run"]], cwd=folder, env=environ, check=True)
    text = (folder / "asked").read_text() if (folder / "asked").exists() else ""
    return [tuple(json.loads(line)) for line in text.splitlines()] if "gh api" in step["run"] else [(text.split(), "")]


@pytest.mark.parametrize(
    ("found", "method", "path"), [("", "POST", "c"), ("17", "PATCH", "repos/o/r/issues/comments/17")]
)
def test_a_report_is_one_comment(found: str, method: str, path: str, tmp_path: Path) -> None:
    """A new one, or in place of the one that has the report's marker."""
    (tmp_path / "serinus-report-support-v2.md").write_text(REPORT)
    (_, marker), (asked, _) = run(tmp_path, STEPS[-1], FOUND=found)
    assert marker == REPORT.split("\n")[0]
    assert asked[1:4] == ["--method", method, path] and "body=@serinus-report-support-v2.md" in asked


def test_without_a_report_there_is_no_comment(tmp_path: Path) -> None:
    """Nothing was changed, or nothing could run."""
    assert run(tmp_path, STEPS[-1]) == []


def test_the_command_gets_its_inputs(tmp_path: Path) -> None:
    """Each as one word, and the additional arguments as several."""
    ((asked, _),) = run(tmp_path, STEPS[-2], BASE="abc", CONFIG="my-config", MAX_COST="5", ARGUMENTS="--repeat 3")
    assert asked == [
        "eval", "--config", "my-config", "--changed", "abc", "--record", "--max-cost", "5",
        "--output", "serinus-report.md", "--repeat", "3",
    ]  # fmt: skip


def test_every_input_is_described() -> None:
    """And used by a step."""
    used = json.dumps(STEPS)
    assert all(each["description"] and f"inputs.{name}" in used for name, each in ACTION["inputs"].items())
