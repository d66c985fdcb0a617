"""The adapters against the real packages, each in an environment of its own, with the stand-in as the judge."""

import ast
import asyncio
import json
import re
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import JsonValue

from evals.answer import CaseAnswer, TrajectoryStep
from evals.cases import CheckSpec
from evals.checks.scores import NamedScore
from evals.checks.scoring import score_case
from evals.scorers.evaluator import ADAPTERS, Evaluator, value_of
from evals.scorers.pools import Evaluators
from gateway.rehearsal.standin import ModelBehaviour, Standin
from gateway.rehearsal.standin.judge import JudgeBehaviour
from tests.architecture import ROOT
from tests.evals.checks.builders import case_of, check, tool_call
from tests.evals.scorers.commands import evaluating

pytestmark = [pytest.mark.socket, pytest.mark.process]
ENVIRONMENTS = Path(sys.prefix).parent / ".venv-scorers"
SCRIPTS = ROOT / "tests" / "scorers"
TAKES_AT_MOST = 150.0  # seconds; importing alone takes some on a busy machine
MANUAL = (ROOT / "docs" / "evaluation.md").read_text("utf-8")
ITEM = {
    "input": "When does my order ship?",
    "output": "It ships on Monday. Returns are free.",
    "expected": "It ships on Monday.",
    "context": ["Orders ship on Mondays.", "Returns cost 5 dollars."],
    "tools": [{"name": "lookup", "arguments": {}, "output": "monday"}],
    "expected_tools": ["lookup"],
}
SETTINGS: Mapping[str, Mapping[str, JsonValue]] = {"g_eval": {"criteria": "Is it kind?"}}


def python_of(package: str) -> Path:
    """The interpreter of a package's environment."""
    python = ENVIRONMENTS / package / "bin" / "python"
    assert python.exists(), f"{python} is missing: make .venv-scorers/.{package}"
    return python


def judge(**more: object) -> ModelBehaviour:
    """A stand-in that plays a judge."""
    return ModelBehaviour(judge=JudgeBehaviour(seed=7, **more))  # type: ignore[arg-type]


async def scores_alone(package: str, standin: Standin) -> dict[str, float]:
    """The scores of the package by itself, asked the same judge."""
    process = await create_subprocess_exec(
        python_of(package), SCRIPTS / f"{package}_alone.py", standin.base_url, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    async with asyncio.timeout(TAKES_AT_MOST):
        out, errors = await process.communicate(json.dumps(ITEM).encode())
    assert process.returncode == 0, errors.decode()[-3_000:]
    scores: dict[str, float] = json.loads(out.splitlines()[-1])
    return scores


def adapted(package: str, folder: Path, **more: object) -> Evaluator:
    """The evaluator of a package, all of whose addresses are noted."""
    command = (str(python_of(package)), str(SCRIPTS / "watched.py"), str(folder / "addresses"), str(ADAPTERS[package]))
    usual = {"timeout": TAKES_AT_MOST, "processes": 1, "embedder": "standin/good", **more}
    return Evaluator(package, command, str(folder), "0" * 64, **usual)  # type: ignore[arg-type]


async def score_all(evaluators: Evaluators, evaluator: Evaluator, *metrics: str) -> dict[str, NamedScore]:
    """The scores of an answer by these metrics, in one case."""
    checks: list[CheckSpec] = [
        check("external", value_of(evaluator, name, SETTINGS.get(name, {})), threshold=0.5, metric=name)
        for name in metrics
    ]
    case = case_of(
        *checks,
        messages=({"role": "user", "content": ITEM["input"]},),
        expected=ITEM["expected"],
        context=ITEM["context"],
        metadata={"expected_tools": ITEM["expected_tools"]},
    )
    steps = (TrajectoryStep(1, tool_call("lookup"), "monday"),)
    graders = replace(evaluators.judges, evaluators=evaluators)
    found = await score_case(case, CaseAnswer(text=str(ITEM["output"]), steps=steps), graders)
    return {each.name: each for each in found.named}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("package", ADAPTERS)
async def test_a_package_scores_as_it_does_alone(package: str, tmp_path: Path) -> None:
    """Each metric, to the last digit; its judge is asked through the run, and nothing else is connected to."""
    async with evaluating(tmp_path) as (standin, evaluators):
        standin.behave("good", judge())
        for model in ("gpt-5-mini", "gpt-4o-mini"):
            standin.behave(model, judge())
        alone = await scores_alone(package, standin)
        found = await score_all(evaluators, adapted(package, tmp_path), *alone)
        spent = evaluators.judges.targets.cost_limit.spent
    assert {name: (each.value, each.undecided) for name, each in found.items()} == {
        name: (score, False) for name, score in alone.items()
    }, {name: each.reason for name, each in found.items() if each.undecided}
    assert {name: each.passed for name, each in found.items()} == {name: score >= 0.5 for name, score in alone.items()}
    assert len(set(alone.values())) > 3 and spent > 0
    addresses = set((tmp_path / "addresses").read_text().splitlines())
    assert addresses and all("127.0.0.1" in each for each in addresses), addresses


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("package", "metric", "words"),
    [
        ("deepeval", "kindness", "has no metric 'kindness'; known: answer_relevancy"),
        ("ragas", "kindness", "has no metric 'kindness'; known: agent_goal_accuracy"),
        ("ragas", "__class__", "has no metric '__class__'; known: agent_goal_accuracy"),
    ],
)
async def test_what_a_package_cannot_score_is_undecided(package: str, metric: str, words: str, tmp_path: Path) -> None:
    """An unknown metric, and a judge that answers in words where grades are asked for; the child goes on."""
    async with evaluating(tmp_path) as (standin, evaluators):
        standin.behave("good", judge(manner="garbage"))
        found = await score_all(evaluators, adapted(package, tmp_path), metric, "faithfulness")
    assert found[metric].undecided and words in found[metric].reason
    assert found["faithfulness"].undecided and "ended" not in found["faithfulness"].reason


@pytest.mark.parametrize("package", ADAPTERS)
def test_the_manual_knows_every_metric(package: str) -> None:
    """Of an adapter's own names."""
    row = next(line for line in MANUAL.splitlines() if line.startswith(f"| `{package}` |"))
    tree = ast.parse(ADAPTERS[package].read_text())
    (names,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "METRICS"
    )
    assert set(re.findall("`([a-z_0-9]+)`", row)) - {package} == set(names)


async def test_an_adapter_connects_to_the_door_alone(tmp_path: Path) -> None:
    """Whatever a package would call home with is refused in its own process."""
    script = tmp_path / "calls_home.py"
    script.write_text(
        f"import sys, socket; sys.path.insert(0, {str(ADAPTERS['ragas'].parent)!r})\n"
        "from adapter_protocol import guard_sockets\n"
        "server = socket.create_server(('127.0.0.1', 0)); port = server.getsockname()[1]\n"
        "guard_sockets(f'http://127.0.0.1:{port}/v1')\n"
        "socket.create_connection(('127.0.0.1', port)).close()\n"
        "for address in (('127.0.0.1', port + 1), ('192.0.2.1', port), ('telemetry.example.com', 443)):\n"
        "    try: socket.create_connection(address)\n"
        "    except PermissionError as error: print(error)\n"
    )
    process = await create_subprocess_exec(sys.executable, "-I", script, stdout=PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0
    assert len(out.decode().splitlines()) == 3 and "'telemetry.example.com'" in out.decode()
