"""Targets of an agent's chain that can never serve one of its versions, reported after a load.

A version's parameters are its own word, whatever the client asks for. So where a target's wire format cannot say one of
them, that target refuses each call of the version, and a fallback is none. The translation itself is asked.
"""

from collections.abc import Iterator

from gateway.calls import Call, Caller
from gateway.config import Deployment
from gateway.errors import CallerError, ProviderError
from gateway.formats.applied import AppliedVersion
from gateway.formats.endpoint import ProviderEndpoint
from gateway.formats.openai_chat import NAME as CHAT
from gateway.formats.translate import Attempted, translation
from gateway.json_body import Document
from gateway.replica.wiring import endpoint_of
from routing.agents import Agent, AgentVersion
from routing.chain import HUMAN, Target, chain

_SIMPLEST = b'{"model":"agent","messages":[{"role":"user","content":"hi"}]}'


def unusable_targets(deployment: Deployment) -> Iterator[str]:
    """Return one sentence for each target that can never serve a version."""
    endpoints = {name: endpoint_of(name, given) for name, given in deployment.settings.providers.items()}
    for agent in deployment.agents.values():
        for version in agent.versions.values():
            yield from _of_version(agent, version, endpoints)


def _of_version(agent: Agent, version: AgentVersion, endpoints: dict[str, ProviderEndpoint]) -> Iterator[str]:
    applied = AppliedVersion.of(version)
    for target in chain(version.target, agent.fallback):
        if target == HUMAN:
            continue
        why = _refusal(applied, target, endpoints)
        if why is not None:
            yield f"{agent.name}@{version.name} can never be served by {target}: {why}"


def _refusal(applied: AppliedVersion, target: Target, endpoints: dict[str, ProviderEndpoint]) -> str | None:
    """Return why the target refuses even the simplest call of the version; None if the version is not the cause."""
    call = Call(
        id="", caller=Caller("", ""), agent="", pin=None, document=Document.parse(_SIMPLEST), stream=False,
        wants_usage=False, headers=[], query="", received_at=0.0, format=CHAT,
    )  # fmt: skip
    home = endpoints[applied.version.target.provider].format
    attempted = Attempted(call, applied, _unsigned(endpoints[target.provider]), target, home, lambda: 0.0)
    try:
        translation(attempted).request()
    except (ProviderError, CallerError) as error:
        if applied.blamed_by(error.param):
            return error.message.removeprefix(f"{target}: ")
    return None


def _unsigned(endpoint: ProviderEndpoint) -> ProviderEndpoint:
    """The same account, for requests that are never sent."""
    return ProviderEndpoint(endpoint.name, endpoint.origin, endpoint.base_path, endpoint.api)
