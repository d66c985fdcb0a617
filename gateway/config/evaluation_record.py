"""Schema of `agents/<agent>/<version>.eval.json`: the evaluation of one version, as it goes with it in Git."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, Field

from gateway.config.fields import Name, Sha256, StrictModel
from gateway.config.problems import Problem
from gateway.config.routing_file import AgentEntry
from gateway.config.strict_yaml import read_yaml
from gateway.config.suite_files import MAX_FILES, changed_file, suite_file
from gateway.config.validation import validate
from routing.agents import Agent, EvaluationOnRecord, NeededEvaluation

SUFFIX: Final = ".eval.json"
SCHEMA: Final = "serinus.evaluation/1"
_LONGEST: Final = 4_000
Text = Annotated[str, Field(max_length=_LONGEST)]


class RecordedVersion(StrictModel):
    """A version by its content."""

    version: Name
    digest: Sha256
    target: Text


class RecordedSuite(StrictModel):
    """The suite: its file as it was named, and a digest of all files that it consists of.

    `files` holds the digest of each, and `patterns` those that named some; both are relative to the suite's folder.
    """

    file: Text
    sha256: Sha256
    files: Annotated[Mapping[Text, Sha256], Field(min_length=1, max_length=MAX_FILES)]
    patterns: Annotated[tuple[Text, ...], Field(max_length=MAX_FILES)] = ()
    cases: int = Field(ge=0)


class RecordedCounts(StrictModel):
    """Cases on which the version did worse and better than stable, and runs that nothing could decide."""

    worse: int = Field(ge=0)
    better: int = Field(ge=0)
    undecided_runs: int = Field(ge=0)
    runs: int = Field(ge=0)


class EvaluationRecord(StrictModel):
    """The evaluation of a version, which `serinus eval --record` writes. `stable` is null where there was none."""

    schema_: Literal["serinus.evaluation/1"] = Field(alias="schema")
    agent: Name
    candidate: RecordedVersion
    stable: RecordedVersion | None
    suite: RecordedSuite
    evaluators: tuple[Text, ...]
    repeat: int = Field(ge=1)
    verdict: Literal["passed", "failed", "too_few_cases"]
    sentence: Text
    margin: float = Field(gt=0, lt=1)
    counts: RecordedCounts
    cost_usd: float = Field(ge=0)
    at: AwareDatetime
    by: Text

    def on_record(self) -> EvaluationOnRecord:
        """Return what the gate of a rollout looks at."""
        return EvaluationOnRecord(
            canary=self.candidate.digest,
            stable="" if self.stable is None else self.stable.digest,
            suite=self.suite.file,
            suite_sha256=self.suite.sha256,
            has_passed=self.verdict == "passed",
            sentence=self.sentence,
            at=self.at.timestamp(),
            margin=self.margin,
            verdict=self.verdict,
        )


def record_file(folder: Path, agent: str, version: str) -> Path:
    """Return where the record of a version stands, in the configuration folder."""
    return folder / "agents" / agent / f"{version}{SUFFIX}"


def read_record(folder: Path, agent: str, version: str) -> tuple[EvaluationRecord | None, list[Problem]]:
    """Return the evaluation on record, None where there is none, and what is wrong with it."""
    path = record_file(folder, agent, version)
    if not path.exists():
        return None, []
    parsed = read_yaml(path, str(path))  # JSON is YAML, and problems have lines
    if parsed.root is None:
        return None, list(parsed.problems)
    record, problems = validate(EvaluationRecord, parsed.root)
    if record is None or problems or parsed.problems:
        return None, [*parsed.problems, *problems]
    if record.agent != agent:
        return None, [Problem(str(path), 0, "agent", f"is the record of {record.agent}, in the folder of {agent}")]
    return record, []


def with_evaluations(agents: Mapping[str, Agent], entries: Mapping[str, AgentEntry], folder: Path) -> dict[str, Agent]:
    """Return the agents with what their canaries need to have shown, and what is on record.

    A record that cannot be read keeps its canary waiting, and no other change of the configuration.
    """
    found = dict(agents)
    for name, agent in agents.items():
        if (needed := entries[name].evaluation) is None:
            continue
        record, wrong = read_record(folder, name, agent.canary) if agent.canary else (None, [])
        mistake, changed = "; ".join(map(str, wrong[:1])), ""
        if record is not None:
            changed = changed_file(suite_file(folder, needed.suite), record.suite.files, record.suite.patterns)
        on_record = None if record is None else record.on_record()
        evaluation = NeededEvaluation(needed.suite, needed.max_age, on_record, needed.margin, mistake, changed)
        found[name] = replace(agent, evaluation=evaluation)
    return found


def written_time(at: float) -> str:
    """Return Unix seconds as records have them."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
