"""Versions that an evaluation compares: those that the command names, or all that are other than at a commit."""

import io
import math
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.config import AnyEnvironment, Deployment, load
from gateway.config.environment import variables_in
from gateway.config.evaluation_record import record_file
from gateway.config.problems import unknown
from routing.agents import Agent, AgentVersion

ALONE: Final = "-"
_SECONDS: Final = 60.0


class CannotRun(Exception):
    """The evaluation cannot run; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class ComparedVersions:
    """The versions of an evaluation. `stable` is None where the candidate is held to the checks alone."""

    agent: str
    candidate: AgentVersion
    stable: AgentVersion | None

    @property
    def versions(self) -> tuple[AgentVersion, ...]:
        return (self.candidate,) if self.stable is None else (self.candidate, self.stable)


def named_versions(deployment: Deployment, subject: str, against: str | None) -> ComparedVersions:
    """Return the versions that `agent` or `agent@version` means, the canary first. Raises CannotRun."""
    name, _, wanted = subject.partition("@")
    agent = deployment.agents.get(name)
    if agent is None:
        raise CannotRun(unknown("agent", name, deployment.agents))
    candidate = _version(agent, wanted or agent.canary or agent.stable)
    stable = None if against == ALONE else _version(agent, against or agent.stable)
    return ComparedVersions(name, candidate, None if stable is None or stable.digest == candidate.digest else stable)


@dataclass(frozen=True, slots=True)
class BaseCommit:
    """The agents of a commit, and the records of their evaluations, by agent and version."""

    agents: Mapping[str, Agent]
    records: Mapping[tuple[str, str], bytes]


def changed_versions(deployment: Deployment, folder: Path, base: BaseCommit) -> Iterator[ComparedVersions]:
    """Yield the versions of agents with an `evaluation` whose content, or whose record, the commit does not have.

    Each is compared with stable, and an edited stable version with what it was. A record that comes without a change of
    its version was written by somebody, and not by this evaluation.
    """
    for name, agent in deployment.agents.items():
        old = base.agents.get(name)
        known = {version.digest for version in old.versions.values()} if old else set()
        for version in agent.versions.values() if agent.evaluation is not None else ():
            recorded = _record(folder, name, version.name)
            is_new = bool(recorded) and recorded != base.records.get((name, version.name))
            if version.digest not in known or is_new:
                yield ComparedVersions(name, version, _compared(agent, version, old))


def loosened(deployment: Deployment, base: BaseCommit) -> Iterator[tuple[str, str]]:
    """Yield each agent whose canaries need less than at the commit, with a sentence: reviewers should know."""
    for name, old in base.agents.items():
        before, agent = old.evaluation, deployment.agents.get(name)
        if before is None or agent is None:
            continue
        if (needed := agent.evaluation) is None:
            yield name, f"canaries of {name} need no evaluation any more"
            continue
        if needed.suite != before.suite:
            yield name, f"canaries of {name} need to pass {needed.suite}, and no longer {before.suite}"
        if needed.margin > before.margin:
            yield (
                name,
                f"canaries of {name} may be worse on {needed.margin:.4g} of such cases, {before.margin:.4g} before",
            )
        if (needed.max_age or math.inf) > (before.max_age or math.inf):
            yield name, f"evaluations of {name} may be older than before"


def changed_suite(suite: Path, files: Iterable[str], patterns: Iterable[str], base: str) -> tuple[str, ...]:
    """Return the files of a suite that are other than at the commit, also those that it no longer has.

    Raises CannotRun.
    """
    wanted = [*(f":(literal){name}" for name in files), *(f":(glob){pattern}" for pattern in patterns)]
    found = _git(suite.parent, "diff", "--name-only", "--relative", "-z", base, "--", *wanted)
    return tuple(name.decode(errors="replace") for name in found.split(b"\0") if name)


def check_keys(deployment: Deployment, compared: ComparedVersions, environ: Mapping[str, str]) -> None:
    """Raise CannotRun where the evaluation needs a provider that is not configured, or a key that is not set."""
    for version in compared.versions:
        provider = version.target.provider
        if provider not in deployment.settings.providers:
            raise CannotRun(f"{version.name} needs the provider {provider}, which gateway.yaml has not")
        beginning = f"providers.{provider}."
        needed = [written for path, written in deployment.written.items() if path.startswith(beginning)]
        if missing := sorted({name for written in needed for name in variables_in(written)} - environ.keys()):
            raise CannotRun(f"{version.target} needs the environment variable {', '.join(missing)}")


def _version(agent: Agent, name: str) -> AgentVersion:
    if name not in agent.versions:
        raise CannotRun(unknown("version", name, agent.versions))
    return agent.versions[name]


def _compared(agent: Agent, version: AgentVersion, old: Agent | None) -> AgentVersion | None:
    if version.name != agent.stable:
        return agent.versions[agent.stable]
    return old.versions[old.stable] if old else None


def read_base(folder: Path, base: str) -> BaseCommit:
    """Return the agents as the commit has them; none where it has no such folder. Raises CannotRun, ConfigProblems."""
    if base.startswith("-"):
        raise CannotRun(f"{base!r} is no commit")
    if not _git(folder, "ls-tree", "--name-only", base, "--", "."):
        return BaseCommit({}, {})
    archive = _git(folder, "archive", "--format=tar", base, ".")
    with tempfile.TemporaryDirectory() as there:
        try:
            with tarfile.open(fileobj=io.BytesIO(archive)) as files:
                files.extractall(there, filter="data")
        except tarfile.TarError as error:  # such as a link that leads out of the folder
            raise CannotRun(f"the configuration at {base} cannot be read: {error}") from None
        agents = dict(load(Path(there), AnyEnvironment()).agents)
        names = [(name, version) for name, agent in agents.items() for version in agent.versions]
        records = {(name, version): _record(Path(there), name, version) for name, version in names}
        return BaseCommit(agents, records)


def _record(folder: Path, agent: str, version: str) -> bytes:
    """Return the record of a version as it is written, empty where there is none."""
    file = record_file(folder, agent, version)
    return file.read_bytes() if file.is_file() else b""


def _git(folder: Path, *arguments: str) -> bytes:
    """Run Git in the folder; its output. Raises CannotRun."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)  # noqa: S603 - no shell
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotRun(f"git cannot be run: {error}") from None
    if done.returncode:
        raise CannotRun(done.stderr.decode(errors="replace").strip())
    return done.stdout
