"""Versions that an evaluation compares: those that the command names, or all that are other than at a commit."""

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.config import AnyEnvironment, Deployment, load
from gateway.config.environment import variables_in
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


def changed_versions(deployment: Deployment, folder: Path, base: str) -> Iterator[ComparedVersions]:
    """Yield the versions of agents with an `evaluation` whose content the commit does not have.

    Each is compared with stable, and an edited stable version with what it was. Raises CannotRun, ConfigProblems.
    """
    if base.startswith("-"):
        raise CannotRun(f"{base!r} is no commit")
    before = _agents_at(folder, base)
    for name, agent in deployment.agents.items():
        old = before.get(name)
        known = {version.digest for version in old.versions.values()} if old else set()
        for version in agent.versions.values() if agent.evaluation is not None else ():
            if version.digest not in known:
                yield ComparedVersions(name, version, _compared(agent, version, old))


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


def _agents_at(folder: Path, base: str) -> dict[str, Agent]:
    """Return the agents as the commit has them; none where it has no such folder."""
    if not _git(folder, "ls-tree", "--name-only", base, "--", "."):
        return {}
    archive = _git(folder, "archive", "--format=tar", base, ".")
    with tempfile.TemporaryDirectory() as there:
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(there, filter="data")
        return dict(load(Path(there), AnyEnvironment()).agents)


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
