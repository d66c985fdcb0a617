"""A question to a target over its provider's own API, outside of any client's call: nothing is tried again.

The request is written by the translation that serves calls. No circuit hears of it, and no evidence.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from gateway import __version__
from gateway.calls import Call, Caller, Operation, Usage, estimated_usage
from gateway.formats.applied import AppliedVersion
from gateway.formats.openai_chat import NAME as CHAT
from gateway.formats.translate import Attempted, translation
from gateway.headers import to_provider
from gateway.json_body import Document
from gateway.pricing import PriceBook
from gateway.runtime import Channel
from routing.agents import AgentVersion

_HEADERS: Final = [*to_provider([], ()), (b"user-agent", f"serinus/{__version__}".encode())]
_ANSWER_BYTES: Final = 16 << 20
_BYTES_PER_TOKEN: Final = 3  # of an answer that names no usage: so few that its cost is too high rather than too low


@dataclass(frozen=True, slots=True)
class TargetQuestion:
    """A question to a version's target. `body` is JSON in chat completions' format, `values` are those of its inputs,
    `output` the tokens that its answers may have together, 0 for the version's limit. `asker` names who asks.
    """

    version: AgentVersion
    body: bytes
    operation: Operation = "generate"
    values: Mapping[str, JsonValue] | None = None
    asker: str = "evaluation"
    output: int = 0


@dataclass(frozen=True, slots=True)
class TargetReply:
    """The reply of a target, in chat completions' format, and what it took."""

    body: bytes
    usage: Usage
    cost_nano_usd: int | None
    seconds: float


async def ask_target(question: TargetQuestion, channel: Channel, prices: PriceBook) -> TargetReply:
    """Return the target's reply. Raises CallerError, ProviderError."""
    version, body, began = question.version, question.body, time.monotonic()
    caller, document = Caller(question.asker, ""), Document.parse(body)
    call = Call("", caller, "", version.name, document, False, False, _HEADERS, "", began, format=CHAT)
    call.operation = question.operation
    own, applied = channel.endpoint.api.name, AppliedVersion.of(version).filled(question.values)
    way = translation(Attempted(call, applied, channel.endpoint, version.target, own, time.time))
    response = await channel.send(way.request(), _ANSWER_BYTES)
    try:
        answered = await response.whole(_ANSWER_BYTES)
    finally:
        await response.aclose()
    if response.status != 200:
        raise way.error(response.status, response.headers, answered)
    whole = way.whole(answered)
    usage = whole.usage or estimated_usage(len(body), len(answered) // _BYTES_PER_TOKEN)
    cost = prices.cost(str(version.target), usage, time.time())
    return TargetReply(whole.body, usage, cost, time.monotonic() - began)
