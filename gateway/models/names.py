"""Names that a client may write as `model`: agents, their versions, aliases and plain models.

All that a configuration spells out is one dictionary, made with it. Only names that are open (`openai/*`), or that name
no provider, are looked up when they come, and remembered.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import NamedTuple

from gateway.calls import Caller
from gateway.errors import LONGEST_SHOWN, Forbidden, UnknownModel
from gateway.models.known import KnownModels
from routing.agents import Agent
from routing.chain import Target
from routing.models import MODELS, ModelPattern, is_among

_MOST_FOUND = 2048  # names that were looked up; a cache, which begins anew when it is full
_MOST_COMPARED = 100  # names that a wrong one is compared with, and the longest that is: some milliseconds at most
_LONGEST_COMPARED = 48
_MOST_HINTS = 256  # an app that is configured wrongly asks time and again


class Meaning(NamedTuple):
    """Meaning of a name: an agent and perhaps the version that is pinned, or a plain model.

    A plain model is pinned under `MODELS`, and `target` is set for it alone.
    """

    agent: str
    pin: str | None = None
    target: Target | None = None

    @classmethod
    def of_model(cls, target: Target) -> "Meaning":
        """Return the meaning of a plain model's name."""
        return cls(MODELS, target.name, target)

    def is_open_to(self, caller: Caller) -> bool:
        """Return whether the caller's key may call it."""
        return caller.may_call(self.agent) if self.target is None else caller.may_use(self.target)


class AmbiguousModel(UnknownModel):
    """Several providers may have a model of that name."""

    status = 400
    code = "ambiguous_model"


class ModelNames:
    """Names of one configuration.

    `models` are the patterns of plain models that are passed on, and `accounts` the configured providers, each with
    what identifies its account. `known` says which models the providers have.
    """

    def __init__(
        self,
        agents: Mapping[str, Agent] | None = None,
        aliases: Mapping[str, str] | None = None,
        models: Iterable[ModelPattern] = (),
        accounts: Mapping[str, Hashable] | None = None,
        known: KnownModels | None = None,
    ) -> None:
        self.aliases = dict(aliases or {})
        self.models = tuple(models)
        self._agents = dict(agents or {})
        self._accounts = dict(accounts or {})
        self._known = known or KnownModels()
        self._meanings: dict[str, Meaning] = dict(self._spelled_out())
        pins = (each for each in self._meanings if each not in self.aliases and each.partition("@")[0] in self.aliases)
        self._shown = self._meanings.keys() - set(pins)
        self._found: dict[tuple[str, tuple[ModelPattern, ...] | None], Meaning] = {}
        self._hints: dict[tuple[str, frozenset[str] | None, tuple[ModelPattern, ...] | None], str] = {}

    def find(self, name: str, caller: Caller) -> Meaning:
        """Return what the caller means by that name. Raises UnknownModel, AmbiguousModel, Forbidden."""
        meaning = self._meanings.get(name)
        if meaning is None:
            meaning = self._look_up(name, caller)
        if caller.is_limited and not meaning.is_open_to(caller):
            raise self._forbidden(name, caller)
        return meaning

    def agent_in(self, name: str) -> Agent | None:
        """Return the agent that a name means by its own name, with a version or without; None for any other name."""
        return self._agents.get(name.partition("@")[0])

    def listed(self, caller: Caller) -> Iterator[str]:
        """Yield the names that are spelled out and that the caller's key may call; of aliases no versions."""
        for name, meaning in self._meanings.items():
            if name in self._shown and meaning.is_open_to(caller):
                yield name

    def open_models(self, caller: Caller) -> Iterator[str]:
        """Yield the plain models that the caller's key may call and that no configuration spells out."""
        patterns = [pattern for pattern in self.models if pattern.is_open]
        for provider in dict.fromkeys(pattern.provider for pattern in patterns):
            for name in self._known.names(provider):
                target = Target(provider, name)
                if target.name not in self._meanings and is_among(target, patterns) and caller.may_use(target):
                    yield target.name

    def _spelled_out(self) -> Iterator[tuple[str, Meaning]]:
        for name, agent in self._agents.items():
            yield from _with_versions(name, name, agent)
        for alias, target in self.aliases.items():
            served = self._agents.get(target)
            if served is None:
                yield alias, Meaning.of_model(_target(target))
            else:
                yield from _with_versions(alias, target, served)
        for pattern in self.models:
            model = Target(pattern.provider, pattern.name)
            if not pattern.is_open and model.name not in self.aliases:
                yield model.name, Meaning.of_model(model)

    def _look_up(self, name: str, caller: Caller) -> Meaning:
        key = (name, caller.models)
        meaning = self._found.get(key)
        if meaning is None:
            self._check_version(name, caller)
            meaning = Meaning.of_model(self._find_model(name, caller))
            if len(self._found) >= _MOST_FOUND:
                self._found.clear()
            self._found[key] = meaning
        return meaning

    def _check_version(self, name: str, caller: Caller) -> None:
        """Raise UnknownModel or Forbidden where the name pins a version that its agent does not have."""
        owner, mark, version = name.partition("@")
        served = self._meanings.get(owner)
        if not mark or served is None or (served.target is not None and owner not in self.aliases):
            return  # some providers have models of such names
        if not served.is_open_to(caller):
            raise self._forbidden(name, caller)
        if served.target is not None:
            message = f"{owner!r} is an alias of the model {served.target.name!r}, and models have no versions"
            raise UnknownModel(message, param="model")
        known = ", ".join(self._agents[served.agent].versions)
        raise UnknownModel(f"{owner!r} has no version {_shown(version)}; known: {known}", param="model")

    def _find_model(self, name: str, caller: Caller) -> Target:
        """Return the plain model of that name: with its provider in front, or at the one provider that has it."""
        whole = _target(name) if "/" in name else None
        if whole is not None and is_among(whole, self.models):
            return whole
        providers = dict.fromkeys(pattern.provider for pattern in self.models)
        offered = [Target(provider, name) for provider in providers if whole is None or provider != whole.provider]
        offered = [target for target in offered if is_among(target, self.models)]
        if not offered:
            raise self._unknown(name, caller)
        allowed = [target for target in offered if caller.may_use(target)]
        if not allowed:
            raise self._forbidden(name, caller)
        return self._only(name, allowed)

    def _only(self, name: str, offered: Sequence[Target]) -> Target:
        """Return the target that is known to exist, or its maker's. Raises AmbiguousModel for several accounts."""
        left = offered
        if len(offered) > 1:
            known = [target for target in offered if self._is_known(target)]
            left = known or [target for target in offered if self._known.is_made_by(target)] or offered
        if len({self._accounts.get(target.provider, target.provider) for target in left}) > 1:
            choices = ", ".join(sorted(target.name for target in left))
            raise AmbiguousModel(
                f"the model {_shown(name)} may be that of several providers; write one of: {choices}", param="model"
            )
        return left[0]

    def _is_known(self, target: Target) -> bool:
        return target.name in self._meanings or self._known.has(target)

    def _unknown(self, name: str, caller: Caller) -> UnknownModel | Forbidden:
        """Return the error for an unknown name; a limited key gets the same as for a name that it may not call."""
        if caller.is_limited:
            return self._forbidden(name, caller)
        hint = self._near(name, caller)
        return UnknownModel(
            f"the model {_shown(name)} does not exist;{hint} GET /v1/models lists those that do", param="model"
        )

    def _forbidden(self, name: str, caller: Caller) -> Forbidden:
        hint = self._near(name, caller).rstrip(";")
        return Forbidden(f"this key may not call {_shown(name)}{';' if hint else ''}{hint}", param="model")

    def _near(self, name: str, caller: Caller) -> str:
        """Return which name may have been meant, of those that the key may call."""
        if len(name) > _LONGEST_COMPARED:
            return ""
        key = (name, caller.agents, caller.models)
        hint = self._hints.get(key)
        if hint is None:
            near = get_close_matches(name, islice(self.listed(caller), _MOST_COMPARED), n=1)
            hint = f" did you mean {near[0]!r}?" if near else ""
            if len(self._hints) >= _MOST_HINTS:
                self._hints.clear()
            self._hints[key] = hint
        return hint


def _with_versions(name: str, agent_name: str, agent: Agent) -> Iterator[tuple[str, Meaning]]:
    yield name, Meaning(agent_name)
    yield from ((f"{name}@{version}", Meaning(agent_name, version)) for version in agent.versions)


def _target(name: str) -> Target:
    provider, _, model = name.partition("/")
    return Target(provider, model)


def _shown(name: str) -> str:
    return repr(name if len(name) <= LONGEST_SHOWN else f"{name[:LONGEST_SHOWN]}…")
