"""The record of an evaluation, as it stands beside a version's file: read strictly, part of the configuration."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.main import main
from gateway.config import load
from gateway.config.evaluation_record import record_file, written_time
from gateway.rollout.gates import refused_canaries
from tests.support.running import write

PROVIDER = {"p": {"api": "openai", "base_url": "http://127.0.0.1:1/v1"}}
SUITE = "evals/s.yaml"


def configured(tmp_path: Path, **evaluation: Any) -> Path:
    """A canary that needs an evaluation."""
    entry = {"stable": "v1", "canary": "v2", "weight": "5%", "evaluation": {"suite": SUITE, **evaluation}}
    files = {"gateway.yaml": {"providers": PROVIDER}, "routing.yaml": {"agents": {"a": entry}}}
    return write(tmp_path, {**files, "agents/a/v1.yaml": {"model": "p/m"}, "agents/a/v2.yaml": {"model": "p/n"}})


def content(folder: Path, **changes: Any) -> dict[str, Any]:
    """A passed evaluation of the canary."""
    versions = load(folder, {}).agents["a"].versions
    v1, v2 = ({"version": name, "digest": versions[name].digest, "target": "p/m"} for name in ("v1", "v2"))
    return {
        "schema": "serinus.evaluation/1", "agent": "a", "candidate": v2, "stable": v1,
        "suite": {"file": SUITE, "sha256": "0" * 64, "cases": 60, "files": {"s.yaml": "0" * 64}},
        "evaluators": ["p/judge"], "repeat": 3,
        "verdict": "passed", "sentence": "Passed.", "margin": 0.05,
        "counts": {"worse": 0, "better": 0, "undecided_runs": 0, "runs": 9},
        "cost_usd": 0.5, "at": "2026-11-30T12:00:00Z", "by": "ada", **changes,
    }  # fmt: skip


def test_a_record_is_part_of_the_configuration(tmp_path: Path) -> None:
    """With it the digest changes, so that running replicas take it over."""
    folder = configured(tmp_path, max_age="30d")
    before = load(folder, {})
    write(folder, {"agents/a/v2.eval.json": content(folder)})
    after = load(folder, {})
    assert before.agents["a"].evaluation is not None and before.agents["a"].evaluation.record is None
    needed = after.agents["a"].evaluation
    assert needed is not None and needed.record is not None
    assert (needed.max_age, needed.record.has_passed, needed.record.suite) == (30 * 86_400.0, True, SUITE)
    assert written_time(needed.record.at) == "2026-11-30T12:00:00Z"
    assert before.digest != after.digest


def test_a_record_without_a_gate_is_nothing(tmp_path: Path) -> None:
    """Nor is that of another version read, however broken it is."""
    folder = configured(tmp_path)
    write(folder, {"agents/a/v1.eval.json": "{"})
    assert load(folder, {}).warnings == ()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"verdict": "fine"}, "verdict: "),
        ({"schema": "serinus.evaluation/2"}, "schema: "),
        ({"at": "yesterday"}, "at: "),
        ({"margin": 2}, "margin: "),
        ({"agent": "b"}, "agent: is the record of b, in the folder of a"),
        ({"more": 1}, "more: unknown key"),
    ],
)
def test_a_broken_record_keeps_its_canary_waiting(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    """With its file; the configuration is taken, so that nothing else is held up."""
    folder = configured(tmp_path)
    write(folder, {"agents/a/v2.eval.json": content(folder, **changes)})
    needed = load(folder, {}).agents["a"].evaluation
    assert needed is not None and needed.record is None
    assert str(record_file(folder, "a", "v2")) in needed.mistake and problem in needed.mistake


def test_text_that_is_no_json_is_no_record(tmp_path: Path) -> None:
    """With file and line."""
    folder = configured(tmp_path)
    write(folder, {"agents/a/v2.eval.json": '{"schema": '})
    needed = load(folder, {}).agents["a"].evaluation
    assert needed is not None and "v2.eval.json:2: not YAML" in needed.mistake


def test_check_says_that_a_canary_would_wait(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a warning, with the command to run; nothing once it is on record."""
    folder = configured(tmp_path)
    assert main(["check", "--config", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "  canary 0% pending" in said and "  stable 100%" in said
    assert "warning: agent a: the canary stays at 0 %: v2 has no evaluation on record: run 'serinus eval a@v2" in said
    write(folder, {"agents/a/v2.eval.json": content(folder)})
    assert main(["check", "--config", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "stays at 0 %" not in said and "  canary 5%  " in said
    assert f"warning: agent a: the suite {SUITE} is not here, so nobody sees whether it is the one on record" in said


def test_check_tells_programs_who_waits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By agent, with the reason."""
    assert main(["check", "--config", str(configured(tmp_path)), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pending"]["a"].startswith("v2 has no evaluation on record")


@pytest.mark.parametrize("beside", ["", "config/"])
def test_an_edit_of_the_suite_voids_the_record(tmp_path: Path, beside: str) -> None:
    """In the configuration's folder or beside it, for `check` and for the gate of a running gateway alike."""
    folder = configured(tmp_path / beside)
    suite = write(tmp_path, {SUITE: "cases: [{ask: Hello}]\n"}) / SUITE
    files = {"s.yaml": sha256(suite.read_bytes()).hexdigest()}
    passed = {"file": SUITE, "sha256": "0" * 64, "cases": 60, "files": files}
    write(folder, {"agents/a/v2.eval.json": content(folder, suite=passed)})
    before = load(folder, {})
    assert not list(refused_canaries(before.agents, 1.8e9))
    suite.write_text("cases: [{ask: Bye}]\n")
    after = load(folder, {})
    assert "the suite of v2 has changed since its evaluation (s.yaml)" in next(refused_canaries(after.agents, 1.8e9))
    assert before.digest != after.digest
