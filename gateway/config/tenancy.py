"""Warnings of accounts that several callers share though their keys are meant to be apart."""

from collections.abc import Iterable, Iterator, Mapping

from gateway.config.gateway_file import ClientKey, GatewaySettings
from gateway.formats.registry import PROVIDERS
from routing.agents import Agent
from routing.chain import Target
from routing.models import ModelPattern

_SHOWN = 5


def shared_accounts(settings: GatewaySettings, agents: Mapping[str, Agent]) -> Iterator[str]:
    """A warning for each account that a key with `agents` shares with another key."""
    for name, provider in settings.providers.items():
        if not PROVIDERS[provider.api].facts.has_openai_endpoints:
            continue
        users = [each for each, key in settings.keys.items() if _reaches(key, name, agents, settings.models)]
        if len(users) > 1 and any(settings.keys[each].agents_in_scope is not None for each in users):
            shown = ", ".join(users[:_SHOWN]) + (" and others" if len(users) > _SHOWN else "")
            yield (
                f"provider {name} is one account for the keys {shown}: each may read and delete what the others store "
                "there (files, batches, responses); give them providers with accounts of their own to keep them apart"
            )


def _reaches(key: ClientKey, provider: str, agents: Mapping[str, Agent], models: Iterable[str]) -> bool:
    """Return whether calls of that key may go to the provider, by an agent or as a plain model."""
    own = key.models_in_scope
    if any(ModelPattern.of(text).provider == provider for text in (models if own is None else own)):
        return True
    scope = key.agents_in_scope
    names = agents.keys() if scope is None else scope
    return any(provider in _providers(agents[name]) for name in names if name in agents)


def _providers(agent: Agent) -> set[str]:
    targets = [*(version.target for version in agent.versions.values()), *agent.fallback]
    return {target.provider for target in targets if isinstance(target, Target)}
