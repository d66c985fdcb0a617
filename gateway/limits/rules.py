"""The limits of a configuration, by level and holder."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from gateway.config import Deployment
from gateway.config.limit_settings import AgentLimits, HolderLimits
from gateway.config.quantities import seconds
from gateway.limits.ledger import Kind, Level, Limit
from gateway.limits.windows import CALENDARS, Calendar, Window

NANO: Final = 1_000_000_000
_OF_CONVERSATIONS: Final = Window("24h", 24 * 3600.0)


@dataclass(frozen=True, slots=True)
class Rules:
    """Limits of one holder; of a level whose holders clients name, those of each of them."""

    level: Level
    name: str = ""  # '' of a level whose holders clients name
    limits: tuple[Limit, ...] = ()
    in_flight: int | None = None
    refuses_unpriced: bool = False
    assume_output: int = 4096
    serves_without_store: bool = True

    def of(self, name: str) -> Iterator[Limit]:
        """Yield the limits of the holder of that name."""
        return (replace(limit, name=name) for limit in self.limits)


@dataclass(frozen=True, slots=True)
class RuleBook:
    """Limits of one configuration. `conversations` and `canaries` are by agent."""

    keys: Mapping[str, Rules] = field(default_factory=dict)
    groups: Mapping[str, Rules] = field(default_factory=dict)
    agents: Mapping[str, Rules] = field(default_factory=dict)
    conversations: Mapping[str, Rules] = field(default_factory=dict)
    canaries: Mapping[str, Rules] = field(default_factory=dict)
    users: Rules | None = None

    @property
    def is_empty(self) -> bool:
        """Return whether nothing is limited."""
        return not (self.keys or self.groups or self.agents or self.conversations or self.canaries or self.users)

    @classmethod
    def of(cls, deployment: Deployment) -> "RuleBook":
        """Return the limits of a deployment."""
        settings = deployment.settings
        return cls(
            {name: _rules("key", name, key.limits) for name, key in settings.keys.items() if key.limits},
            {name: _rules("group", name, group.limits) for name, group in settings.groups.items()},
            {name: _rules("agent", name, given) for name, given in deployment.agent_limits.items()},
            {name: _of_conversations(given) for name, given in deployment.agent_limits.items() if given.conversation},
            dict(_of_canaries(deployment)),
            _rules("user", "", settings.end_users.limits) if settings.end_users else None,
        )


def _rules(level: Level, name: str, given: HolderLimits) -> Rules:
    return Rules(
        level,
        name,
        tuple(_limits(level, name, given)),
        given.in_flight,
        given.unpriced == "refuse",
        given.assume_output,
        given.on_store_loss == "serve",
    )


def _limits(level: Level, name: str, given: HolderLimits) -> Iterator[Limit]:
    rates: tuple[tuple[Kind, str | None], ...] = (("requests", given.requests), ("tokens", given.tokens))
    for kind, rate in rates:
        if rate is not None:
            count, _, window = rate.partition("/")
            yield Limit(level, name, kind, window_of(window, given.tz), int(count), given.soft)
    for window, usd in given.usd.items():
        yield Limit(level, name, "usd", window_of(window, given.tz), round(usd * NANO), given.soft)


def _of_canaries(deployment: Deployment) -> Iterator[tuple[str, Rules]]:
    """Yield the rules of each canary that has a budget; another version begins with a budget of its own."""
    for agent, given in deployment.agent_limits.items():
        canary = deployment.agents[agent].canary
        if given.canary is not None and canary is not None:
            name = f"{agent}/{canary}"
            budgets = ((window_of(text, given.tz), round(usd * NANO)) for text, usd in given.canary.usd.items())
            limits = (Limit("canary", name, "usd", window, amount, given.soft) for window, amount in budgets)
            yield agent, Rules("canary", name, tuple(limits), assume_output=given.assume_output)


def _of_conversations(given: AgentLimits) -> Rules:
    each, limits = given.conversation, list[Limit]()
    if each is not None and each.calls is not None:
        limits.append(Limit("conversation", "", "requests", _OF_CONVERSATIONS, each.calls))
    if each is not None and each.usd is not None:
        limits.append(Limit("conversation", "", "usd", _OF_CONVERSATIONS, round(each.usd * NANO)))
    serves = given.on_store_loss == "serve"
    return Rules("conversation", "", tuple(limits), None, given.unpriced == "refuse", given.assume_output, serves)


def window_of(text: str, zone: str = "UTC") -> Window:
    """Return the window that a configuration writes so."""
    calendar: Calendar | None = next((each for each in CALENDARS if each == text), None)
    return Window(text, calendar=calendar, zone=zone) if calendar else Window(text, seconds(text))
