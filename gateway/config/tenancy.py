"""Warnings of accounts that several callers share though their keys are meant to be apart."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Final

from gateway.calls import FormatName
from gateway.config.gateway_file import ClientKey, GatewaySettings
from gateway.config.provider_settings import Provider
from gateway.formats.registry import CLIENTS, PROVIDERS
from routing.agents import Agent
from routing.chain import Target
from routing.models import ModelPattern

_SHOWN: Final = 5
_AT_OPENAI: Final = ("files", "batches", "responses")


def shared_accounts(
    settings: GatewaySettings, agents: Mapping[str, Agent], written: Mapping[str, str]
) -> Iterator[str]:
    """A warning for each account that a key with `agents` shares with another key.

    `written` is how the configuration writes its secrets: the same variable is the same key, whatever it holds.
    """
    for names in _accounts(settings, lambda name: written.get(f"providers.{name}.api_key")):
        stored = dict.fromkeys(word for name in names for word in _stored(settings.providers[name].api))
        users = _users(settings, names, agents)
        if stored and len(users) > 1 and any(settings.keys[each].agents_in_scope is not None for each in users):
            shown = ", ".join(users[:_SHOWN]) + (" and others" if len(users) > _SHOWN else "")
            what = f"providers {', '.join(names)} are" if len(names) > 1 else f"provider {names[0]} is"
            yield (
                f"{what} one account for the keys {shown}: each may read and delete what the others store "
                f"there ({', '.join(stored)}); give them providers with accounts of their own to keep them apart"
            )


def shared_providers(settings: GatewaySettings, agents: Mapping[str, Agent]) -> Mapping[str, frozenset[str]]:
    """Return the providers whose accounts a key with `agents` or `models` shares with other keys, by its name."""
    found: dict[str, frozenset[str]] = {}
    for names in _accounts(settings, lambda name: _secret_of(settings.providers[name])):
        users = _users(settings, names, agents)
        for each in users if len(users) > 1 else ():
            key = settings.keys[each]
            if key.agents_in_scope is not None or key.models_in_scope is not None:
                found[each] = found.get(each, frozenset()).union(names)
    return found


def _accounts(settings: GatewaySettings, key_of: Callable[[str], str | None]) -> Iterable[list[str]]:
    """Return the providers of each account: two wire formats of one address and key are one."""
    found: dict[Hashable, list[str]] = {}
    for name, provider in settings.providers.items():
        found.setdefault((provider.base_url, key_of(name), frozenset(provider.headers.items())), []).append(name)
    return found.values()


def _users(settings: GatewaySettings, providers: Iterable[str], agents: Mapping[str, Agent]) -> list[str]:
    """Return the keys whose calls may go to one of the providers."""
    return [each for each, key in settings.keys.items() if _reaches(key, providers, agents, settings.models)]


def _secret_of(provider: Provider) -> str | None:
    return None if provider.api_key is None else provider.api_key.get_secret_value()


def _stored(api: FormatName) -> Iterator[str]:
    """Yield what clients store at an account of that format, by the endpoints that are forwarded to it."""
    facts, client = PROVIDERS[api].facts, CLIENTS.get(api)
    if facts.has_openai_endpoints:
        yield from _AT_OPENAI
    if client is not None and client.others is not None:
        yield from (path.rpartition("/")[2] for path in client.others.paths)
    if facts.keeps_answers_at:
        yield facts.keeps_answers_at.strip("/")


def _reaches(key: ClientKey, providers: Iterable[str], agents: Mapping[str, Agent], models: Iterable[str]) -> bool:
    """Return whether calls of that key may go to one of the providers, by an agent or as a plain model."""
    own = key.models_in_scope
    reached = {ModelPattern.of(text).provider for text in (models if own is None else own)}
    scope = key.agents_in_scope
    names = agents.keys() if scope is None else scope
    return not reached.union(*(_providers(agents[name]) for name in names if name in agents)).isdisjoint(providers)


def _providers(agent: Agent) -> set[str]:
    targets = [*(version.target for version in agent.versions.values()), *agent.fallback]
    return {target.provider for target in targets if isinstance(target, Target)}
