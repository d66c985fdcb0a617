"""Schema of limits and budgets: of a key, a group, each end user, an agent."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from gateway.config import quantities
from gateway.config.fields import Share, StrictModel
from gateway.config.nodes import Node, Path
from gateway.config.problems import Problem, quoted

_WINDOW: Final = r"[0-9]{1,6}(s|m|h|d)|day|week|month"
_CALENDARS: Final = ("day", "week", "month")
_SHORTEST, _LONGEST = 10.0, 366 * 24 * 3600.0  # seconds: below, a lease would be as long as the window
_MOST_USD: Final = 1_000_000
_MOST_COUNT: Final = 1_000_000_000_000
_MOST_WINDOWS: Final = 5


def window(written: object) -> str:
    """A window as it is written. Raises ValueError with a hint."""
    if written in _CALENDARS:
        return str(written)
    if not isinstance(written, str) or not re.fullmatch(_WINDOW, written):
        raise ValueError("write a window such as 1m, 24h or 30d, which roll, or day, week or month of the calendar")
    if not _SHORTEST <= quantities.seconds(written) <= _LONGEST:
        raise ValueError(f"{quoted(written)} is no window; the shortest is 10s, the longest 366d")
    return written


def rate(written: object) -> str:
    """`600/1m` as it is written. Raises ValueError with a hint."""
    match = re.fullmatch(r"([0-9]{1,12})/(.*)", written) if isinstance(written, str) else None
    if match is None or not int(match[1]):
        raise ValueError("write how many in which window, such as 600/1m or 10000/day")
    window(match[2])
    return str(written)


def zone(written: str) -> str:
    """The name of a time zone. Raises ValueError with a hint."""
    try:
        _ = UTC if written == "UTC" else ZoneInfo(written)  # which slim images have no file of
    except (OSError, ValueError, KeyError):
        raise ValueError(f"{quoted(written)} is no time zone; write a name such as UTC or Europe/Berlin") from None
    return written


def above_zero(value: float) -> float:
    """A share that is not 0%. Raises ValueError."""
    if not value:
        raise ValueError("must be more than 0%")
    return value


def _text(pattern: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]})


WindowText = Annotated[str, BeforeValidator(window), _text(f"^({_WINDOW})$", "24h")]
RateText = Annotated[str, BeforeValidator(rate), _text(f"^[0-9]{{1,12}}/({_WINDOW})$", "600/1m")]
Usd = Annotated[float, Field(gt=0, le=_MOST_USD)]
Zone = Annotated[str, AfterValidator(zone)]


class HolderLimits(StrictModel):
    """Limits of a key, a group, each end user or an agent; all that a call falls under must have room for it."""

    requests: RateText | None = Field(
        default=None, description="Calls in a window, such as 600/1m. Default: no limit. All replicas share it."
    )
    tokens: RateText | None = Field(
        default=None,
        description="Tokens of input and output in a window, such as 200000/1m. Default: no limit. A call reserves its "
        "estimate, and gives back what it did not use.",
    )
    usd: Annotated[Mapping[WindowText, Usd], Field(max_length=_MOST_WINDOWS)] = Field(
        default_factory=dict,
        description="Budgets in USD by window, such as {24h: 20, month: 300}. Default: none. Needs `unpriced`.",
    )
    in_flight: int | None = Field(
        default=None, ge=1, le=1_000_000, description="Concurrent calls at each replica. Default: no limit."
    )
    unpriced: Literal["refuse", "count_tokens"] | None = Field(
        default=None,
        description="Calls of models without a known price: `refuse` them, or `count_tokens`, which leaves them out of "
        "`usd`. Must be said where there is `usd`.",
    )
    assume_output: int = Field(
        default=4096,
        ge=1,
        le=10_000_000,
        description="Output tokens that a call without a limit of its own reserves. Default: 4096. Less lets more "
        "calls run side by side, and lets each exceed the budget by more.",
    )
    on_store_loss: Literal["serve", "refuse"] = Field(
        default="serve",
        description="Once the lease of a replica that cannot reach the store is used up: `serve` calls and count them "
        "afterwards, or `refuse` them. Default: serve.",
    )
    soft: Annotated[Share, AfterValidator(above_zero)] | None = Field(
        default=None,
        description="The share of a limit whose use is an alert (`limit_soft`), such as 80%. Default: none.",
    )
    tz: Zone = Field(
        default="UTC", description="Time zone of day, week and month, such as Europe/Berlin. Default: UTC."
    )


class ConversationLimits(StrictModel):
    """Limits of each conversation of an agent: a brake for agents in a loop."""

    usd: Usd | None = Field(default=None, description="USD in 24 hours. Default: no limit.")
    calls: int | None = Field(default=None, ge=1, le=_MOST_COUNT, description="Calls in 24 hours. Default: no limit.")


class CanaryLimits(StrictModel):
    """Budget of an agent's canary: beyond it the canary is paused, and no call is refused."""

    usd: Annotated[Mapping[WindowText, Usd], Field(min_length=1, max_length=_MOST_WINDOWS)] = Field(
        description="What the canary's calls may cost, in USD by window, such as {24h: 50}."
    )


class AgentLimits(HolderLimits):
    """Limits of an agent."""

    conversation: ConversationLimits | None = Field(
        default=None,
        description="Limits of each of its conversations, such as {usd: 2, calls: 200}: a brake for agents in a loop. "
        "Default: none.",
    )
    canary: CanaryLimits | None = Field(
        default=None,
        description="Budget of the canary, such as {usd: {24h: 50}}: once it is used up, the rollout is paused at "
        "weight 0 until somebody resumes it. Default: none.",
    )


class GroupEntry(StrictModel):
    """A group of callers."""

    limits: HolderLimits = Field(description="Limits that all keys of the group share.")


class EndUserEntry(StrictModel):
    """The people behind the callers."""

    limits: HolderLimits = Field(
        description="Limits of each end user that a request names, by its key and its `user` or what other formats "
        "call it. A request that names nobody has none of them."
    )


def limit_problems(limits: Node | None, path: Path) -> Iterator[Problem]:
    """Return what is wrong with how the values of one holder's limits fit together."""
    if limits is None:
        return
    usd, conversation = limits.get("usd"), limits.get("conversation", "usd")
    spends = (usd is not None and usd.entries) or (conversation is not None and conversation.value is not None)
    if spends and (limits.get("unpriced") is None):
        message = (
            "a budget in USD must say what becomes of models without a price: add `unpriced: refuse` or count_tokens"
        )
        yield limits.problem(path, message)
