"""The calls of an evaluation: a version, or a judge's target, asked over its provider's own API.

The request is written by the translation that serves calls, so that a case meets what a client would. Nothing falls
back: an evaluation is about one version. Where a provider is busy or away, the call waits and is tried again.
"""

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from pydantic import JsonValue

from evals.cases import ChatMessage
from evals.running.cost_limit import CostLimit
from gateway.calls import Usage
from gateway.errors import CallerError, Denied, KeyRefused, ProviderError
from gateway.formats.openai_chat.provider_answer import read_answer
from gateway.formats.prompt import ToolCall
from gateway.headers import retry_after
from gateway.pricing import PriceBook
from gateway.questions import TargetQuestion, TargetReply, ask_target
from gateway.runtime import Channel
from policies.calls.retry import Backoff, is_outage
from routing.agents import AgentVersion

_BYTES_PER_TOKEN: Final = 3  # so few that a reservation is too high rather than too low
_ASSUMED_OUTPUT: Final = 4_096  # tokens reserved for an answer where the version sets no limit
_BACKOFF: Final = Backoff(base=1.0, cap=30.0)
_LIMITS: Final = ("max_tokens", "max_completion_tokens", "max_output_tokens")


class TargetFailed(Exception):
    """A target gave no answer. `is_outage` says that the provider is why, and not what was asked.

    With `is_billed` the provider may have worked on it all the same.
    """

    def __init__(self, message: str, *, is_outage: bool, is_billed: bool = False) -> None:
        super().__init__(message)
        self.is_outage = is_outage
        self.is_billed = is_billed


@dataclass(frozen=True, slots=True)
class TurnAnswer:
    """An answer of a model: its message in the shape of chat completions, and what it took."""

    message: Mapping[str, Any]
    finish_reason: str
    usage: Usage
    cost_nano_usd: int | None
    seconds: float

    @property
    def text(self) -> str:
        """Return what the answer says, also where it declines."""
        content = self.message.get("content")
        if isinstance(content, list):
            content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
        return content or self.message.get("refusal") or ""

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """Return the calls of functions that it asks for."""
        return tuple(
            ToolCall(str(call.get("id", "")), str(function.get("name", "")), str(function.get("arguments", "")))
            for call in self.message.get("tool_calls") or ()
            if isinstance(call, dict) and isinstance(function := call.get("function"), dict)
        )


@dataclass(frozen=True, slots=True)
class Patience:
    """Patience with a provider, in seconds: for one answer, and in all while the provider is busy."""

    answer: float = 120.0
    busy: float = 600.0


@dataclass(frozen=True, slots=True)
class Targets:
    """The providers of a configuration, as an evaluation calls them. `tell` hears of each wait for a busy one."""

    channels: Mapping[str, Channel]
    prices: PriceBook
    cost_limit: CostLimit
    patience: Patience = Patience()
    tell: Callable[[str], None] = lambda sentence: None

    async def ask(
        self,
        version: AgentVersion,
        messages: Sequence[ChatMessage],
        values: Mapping[str, JsonValue] | None = None,
        **members: Any,
    ) -> TurnAnswer:
        """Ask a version; `values` are those of its inputs, `members` more of the request in chat completions' names.

        Raises TargetFailed, and LimitReached before a call that the limit does not allow.
        """
        body = orjson.dumps({"model": version.name, "messages": list(messages), **members})
        got = await self._exchange(TargetQuestion(version, body, values=values))
        choice = read_answer(got.body)["choices"][0]
        finish = str(choice.get("finish_reason") or "")
        return TurnAnswer(choice["message"], finish, got.usage, got.cost_nano_usd, got.seconds)

    async def complete(self, version: AgentVersion, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the whole answer to a request, both in the shape of chat completions.

        Raises TargetFailed, and LimitReached before a call that the limit does not allow.
        """
        most = most_output(request)
        body = orjson.dumps({**request, "model": version.name})
        got = await self._exchange(TargetQuestion(version, body, output=most))
        whole: Mapping[str, Any] = read_answer(got.body)
        return whole

    async def embed(self, version: AgentVersion, texts: Sequence[str]) -> list[list[float]]:
        """Return the vector of each text by the version's target. Raises TargetFailed, and LimitReached."""
        body = orjson.dumps({"model": version.name, "input": list(texts)})
        got = await self._exchange(TargetQuestion(version, body, "embeddings"))
        try:
            return [[float(number) for number in each["embedding"]] for each in orjson.loads(got.body)["data"]]
        except (KeyError, TypeError, ValueError):
            raise TargetFailed("the embedder's answer holds no vectors", is_outage=False) from None

    def address_of(self, version: AgentVersion) -> str:
        """Return where the version's calls go, with its model: answers of another provider are other answers."""
        endpoint = self.channels[version.target.provider].endpoint
        return f"{endpoint.origin}{endpoint.base_path} {version.target}"

    def has_price(self, version: AgentVersion) -> bool:
        """Return whether it is known what the version's calls cost."""
        return bool(self.prices.rates(str(version.target), time.time()))

    def most_cost(self, version: AgentVersion, request_bytes: int, output: int = 0) -> int:
        """Return what such a call may cost in nano-dollars; 0 without a known price.

        `output` are the tokens that the request allows for, where these are more than the version does.
        """
        given = request_bytes + len(version.system_prompt or "") + sum(len(tool.definition) for tool in version.tools)
        usage = Usage(given // _BYTES_PER_TOKEN + 1, output=max(output, _output_limit(version)))
        return self.prices.cost(str(version.target), usage, time.time()) or 0

    async def _exchange(self, question: TargetQuestion) -> TargetReply:
        values = len(orjson.dumps(question.values, default=dict)) if question.values else 0
        reserved = self.most_cost(question.version, len(question.body) + values, question.output)
        await self.cost_limit.reserve(reserved)
        cost = reserved  # whoever is cancelled may be billed
        try:
            exchanged = await self._exchange_patiently(question)
            cost = exchanged.cost_nano_usd or 0
            return exchanged
        except TargetFailed as error:
            cost = reserved if error.is_billed else 0
            raise
        finally:
            self.cost_limit.settle(reserved, cost)

    async def _exchange_patiently(self, question: TargetQuestion) -> TargetReply:
        began, failures = time.monotonic(), 0
        while True:
            try:
                async with asyncio.timeout(self.patience.answer):
                    channel = self.channels[question.version.target.provider]
                    return await ask_target(question, channel, self.prices)
            except TimeoutError:
                message = f"no answer within {self.patience.answer:g} s"
                raise TargetFailed(message, is_outage=True, is_billed=True) from None
            except CallerError as error:
                raise TargetFailed(error.message, is_outage=False) from None
            except ProviderError as error:
                failures += 1
                wait = _BACKOFF.delay(failures, random.random(), retry_after(error.headers, time.time()))  # noqa: S311
                if isinstance(error, KeyRefused | Denied):
                    raise TargetFailed(error.message, is_outage=True) from None
                outage = _is_outage(error)
                if not outage or time.monotonic() + wait - began > self.patience.busy:
                    raise TargetFailed(error.message, is_outage=outage, is_billed=error.kind == "lost") from None
                self.tell(f"{question.version.target}: {error.message}; asked again in {wait:.0f} s")
                await asyncio.sleep(wait)


def most_output(request: Mapping[str, Any]) -> int:
    """Return how many tokens a request lets its answers have, all together."""
    count, *limits = (
        value if isinstance(value := request.get(name), int) and value > 0 else 0 for name in ("n", *_LIMITS)
    )
    return max(count, 1) * max(*limits, _ASSUMED_OUTPUT if count > 1 else 0)


def _output_limit(version: AgentVersion) -> int:
    limits = [int(text) for name in _LIMITS if (text := version.parameters.get(name, "")).isdecimal()]
    return max(limits, default=_ASSUMED_OUTPUT)


def _is_outage(error: ProviderError) -> bool:
    """Return whether a failure says nothing about what was asked: no connection, or a busy server."""
    if error.kind == "status":
        return error.upstream_status is None or is_outage(error.upstream_status)
    return error.kind in ("connect", "lost", "timeout")
