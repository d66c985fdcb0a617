"""Evaluations on record, as `serinus eval --record` leaves them beside a version's file."""

import json
from pathlib import Path

from gateway.config import load
from gateway.config.evaluation_record import record_file

SUITE = "evals/support.yaml"


def record(folder: Path, agent: str, **changes: object) -> None:
    """Put a passed evaluation of v2 over v1 on record."""
    versions = load(folder, {}).agents[agent].versions
    v1, v2 = ({"version": name, "digest": versions[name].digest, "target": "standin/m"} for name in ("v1", "v2"))
    content = {
        "schema": "serinus.evaluation/1", "agent": agent, "candidate": v2, "stable": v1,
        "suite": {"file": SUITE, "sha256": "0" * 64, "cases": 60, "files": {"support.yaml": "0" * 64}},
        "evaluators": [], "repeat": 1, "verdict": "passed",
        "sentence": "Passed: 0 of 60 cases worse.", "margin": 0.05, "cost_usd": 0.5,
        "at": "2026-11-30T12:00:00Z", "by": "ada",
        "counts": {"worse": 0, "better": 0, "undecided_runs": 0, "runs": 120}, **changes,
    }  # fmt: skip
    record_file(folder, agent, "v2").write_text(json.dumps(content))
