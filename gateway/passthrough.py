"""The endpoints of OpenAI's API that no version has a say in beyond its model: handed to its provider, and back.

One attempt, no fallback, no circuit: images, audio, files and the like cannot go twice. The answer is relayed as it
comes, whatever its content type. A call of an agent is metered, apart from the calls that a trial is judged by.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from gateway.attempts import read_bounded
from gateway.callid import mint
from gateway.calls import Attempt, Call, Outcome, Usage, tokens, usage_from
from gateway.document import Document, encode
from gateway.errors import CallerError, Headers, NotFound, ProviderError
from gateway.headers import JSON, to_client, to_client_untyped
from gateway.logs import Log
from gateway.multipart import Field
from gateway.providers import sse
from gateway.providers.chat.answer import read_error
from gateway.providers.clients import CHAT, told, told_event
from gateway.proxy import Proxy, about, plan_of
from gateway.recorder import Recorder, booking_of
from gateway.runtime import Channel, Runtime
from gateway.streaming import ClientTooSlow, Send, send_answer
from gateway.upstream import Response, header
from gateway.upstream.decoding import decoded
from policies.metrics import counts_as_error

_SPOKEN = ("openai", "openai-responses")
_ERROR_BODY_BYTES = 1 << 20
_METERED_BYTES = 8 << 20  # of an answer that is kept to find its usage; images as base64 take megabytes
_STREAM = b"text/event-stream"


@dataclass(frozen=True, slots=True)
class Body:
    """A request's body, and where it names its model: a member of a JSON object, a field of a form, or nowhere."""

    data: bytes = b""
    document: Document | None = None
    field: Field | None = None

    @property
    def names_model(self) -> bool:
        """Whether the body itself says which model it is for."""
        return self.field is not None or (self.document is not None and self.document.values.get("model") is not None)

    def with_model(self, model: str) -> bytes:
        """The body with that model where it named one; all else as it came."""
        if self.field is not None:
            return self.field.replaced(self.data, model)
        if self.document is not None and "model" in self.document.values:
            return self.document.render({"model": encode(model)})
        return self.data


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request on its way: `path` is what follows the base URL, `query` has no `?`. `at` is monotonic seconds."""

    id: str
    method: str
    path: str
    query: str
    headers: Headers
    body: Body
    at: float


@dataclass(frozen=True, slots=True)
class Passage:
    """Hands requests through."""

    proxy: Proxy
    log: Log

    async def handle(self, call: Call, wanted: Wanted, runtime: Runtime, send: Send) -> None:
        """Pass a call to the provider of the version that serves it. Raises CallerError before anything was sent."""
        entry = self.proxy.entry_of(call)
        plan = plan_of(call, entry)._replace(reason="passed")
        target = plan.version.target
        channel = runtime.channels[target.provider]
        _check_speaks(channel, wanted.path)
        outcome = self._recorder.open(call, plan, entry)
        if call.nonce is not None:
            call.id = outcome.call_id = mint(booking_of(outcome), call.nonce, runtime.fingerprint_key)
        attempt = Attempt(str(target), self._now())
        outcome.attempts.append(attempt)
        carried = _Carried(channel, runtime, about(outcome), Meter(counts=wanted.body.names_model))
        try:
            error = await self._carry(replace(wanted, id=call.id), wanted.body.with_model(target.model), carried, send)
            _book(outcome, attempt, carried.status, error, entry.applied[plan.version.name].blamed_by)
        except ClientTooSlow:
            outcome.end = "client_gone"
        except asyncio.CancelledError:
            outcome.end = "client_gone"
            raise
        finally:
            attempt.usage, attempt.ended_at = carried.meter.usage(), self._now()
            self._recorder.close(outcome, runtime.prices)

    async def at_the_only(self, wanted: Wanted, caller: str, runtime: Runtime, send: Send) -> None:
        """Pass what names no agent to the only provider it can be for. Raises CallerError when that is not clear."""
        name = only_provider(runtime.channels, wanted.path)
        carried = _Carried(
            runtime.channels[name], runtime, [(b"x-request-id", wanted.id.encode())], Meter(counts=False)
        )
        end = "client_gone"
        try:
            error = await self._carry(wanted, wanted.body.data, carried, send)
            end = "answered" if error is None else "failed"
        except ClientTooSlow:
            pass
        finally:
            self.log.info(
                "passed", id=wanted.id, caller=caller, provider=name, method=wanted.method, end=end,
                status=carried.status, latency=round(self._now() - wanted.at, 6),
            )  # fmt: skip

    async def _carry(self, wanted: Wanted, body: bytes, carried: "_Carried", send: Send) -> ProviderError | None:
        """There and back. The error that the client was told of or cut off by; None when all went well."""
        deadline = asyncio.get_running_loop().time() + wanted.at + carried.runtime.timeouts.total - self._now()
        try:
            response = await _sent(wanted, body, carried, deadline)
        except ProviderError as error:
            carried.status = error.status
            headers = [JSON, *to_client_untyped(error.headers), *carried.headers]
            await send_answer(send, error.status, headers, told(error, CHAT, wanted.id))
            return error
        try:
            await _relay(response, carried, deadline, send)
        except ProviderError as error:
            if _is_stream(response):
                last = told_event(error, CHAT, wanted.id)
                await send({"type": "http.response.body", "body": last, "more_body": True})
            return error  # the answer is left incomplete: the server cuts it off
        finally:
            await response.aclose()
        return None

    @property
    def _recorder(self) -> Recorder:
        return self.proxy.recorder

    def _now(self) -> float:
        return self.proxy.clock.monotonic()


class Meter:
    """Finds the usage in an answer that passes by; `counts` where the answer is billed for what it says."""

    def __init__(self, counts: bool) -> None:
        self._counts = counts
        self._streams = False
        self._kept = bytearray()
        self._cutter = sse.Cutter()
        self._found: Usage | None = None

    def begin(self, headers: Headers) -> None:
        """The answer has these headers."""
        kind = (header(headers, b"content-type") or b"").lower()
        self._streams = kind.startswith(_STREAM)
        self._counts &= self._streams or b"json" in kind

    def feed(self, chunk: bytes) -> None:
        if not self._counts:
            return
        if self._streams:
            self._follow(chunk)
            return
        self._kept += chunk
        if len(self._kept) > _METERED_BYTES:
            self._drop()

    def usage(self) -> Usage | None:
        """What was found; None when the answer said nothing of it."""
        if self._counts and not self._streams and self._kept:
            self._found = _usage_in(bytes(self._kept))
            self._drop()
        return self._found

    def _follow(self, chunk: bytes) -> None:
        for event in sse.split(self._cutter.feed(chunk)):
            if b'"usage"' in event:
                self._found = _usage_in(sse.data(event)) or self._found
        if len(self._cutter.kept) > _METERED_BYTES:
            self._drop()

    def _drop(self) -> None:
        self._counts = False
        self._kept.clear()


@dataclass(slots=True)
class _Carried:
    """Where a request goes, what its answer is told with, and what became of it."""

    channel: Channel
    runtime: Runtime
    headers: Headers
    meter: Meter
    status: int = 0


def only_provider(channels: Mapping[str, Channel], path: str) -> str:
    """The provider that a request without an agent is for. Raises CallerError when there are several, or none."""
    speaking = [name for name, channel in channels.items() if channel.endpoint.format in _SPOKEN]
    if path.startswith("/responses/"):  # ids are given out by these alone
        speaking = [name for name in speaking if channels[name].endpoint.format == "openai-responses"] or speaking
    if len(speaking) == 1:
        return speaking[0]
    if not speaking:
        raise NotFound(f"there is nothing at '/v1{path}': no provider here speaks OpenAI's API", code="unknown_url")
    way_out = "name an agent, as 'model' in the body or as '?model=' in the query"
    raise CallerError(f"providers {', '.join(speaking)} all speak OpenAI's API: {way_out}", param="model")


def _check_speaks(channel: Channel, path: str) -> None:
    endpoint = channel.endpoint
    if endpoint.format not in _SPOKEN:
        why = (
            f"the agent's provider {endpoint.name!r} has `api: {endpoint.format}`, and only OpenAI's has this endpoint"
        )
        raise NotFound(f"there is nothing at '/v1{path}': {why}", code="unknown_url", param="model")


async def _sent(wanted: Wanted, body: bytes, carried: _Carried, deadline: float) -> Response:
    """The answer, its header block in and its status a good one. Raises ProviderError."""
    endpoint, runtime = carried.channel.endpoint, carried.runtime
    path = f"{endpoint.base_path}{wanted.path}{'?' + wanted.query if wanted.query else ''}"
    request = endpoint.request(path, wanted.headers, body, wanted.method)
    response: Response | None = None
    good = False
    try:
        async with asyncio.timeout_at(min(deadline, asyncio.get_running_loop().time() + runtime.timeouts.answer)):
            response = decoded(await carried.channel.transport.send(request), runtime.answer_limit)
            carried.status, good = response.status, 200 <= response.status < 300
            if not good:
                said = await read_bounded(response, _ERROR_BODY_BYTES)
                raise read_error(response.status, response.headers, said)
            return response
    except TimeoutError:
        raise ProviderError("timeout", f"{endpoint.name} did not answer in time") from None
    finally:
        if response is not None and not good:
            await response.aclose()


async def _relay(response: Response, carried: _Carried, deadline: float, send: Send) -> None:
    """Hand the answer on as it comes. Raises ProviderError when it breaks or stalls, ClientTooSlow for a client."""
    meter, silence = carried.meter, carried.runtime.timeouts.between_chunks
    meter.begin(response.headers)
    headers = [*to_client(response.headers), *_length(response), *carried.headers]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    chunks = response.chunks()
    loop, sending = asyncio.get_running_loop(), False
    try:
        async with asyncio.timeout_at(deadline):
            while True:
                sending = False
                async with asyncio.timeout_at(min(deadline, loop.time() + silence)):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    break
                meter.feed(chunk)
                sending = True  # a slow client uses up the call's time, not the provider's
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except TimeoutError:
        if sending:
            raise ClientTooSlow from None
        raise ProviderError("timeout", "the provider's answer did not go on in time") from None
    await send({"type": "http.response.body", "body": b""})


def _length(response: Response) -> Headers:
    length = header(response.headers, b"content-length")
    if length is None or _is_stream(response):  # a stream that breaks has an error put behind it
        return []
    return [(b"content-length", length)]


def _is_stream(response: Response) -> bool:
    return (header(response.headers, b"content-type") or b"").lower().startswith(_STREAM)


def _book(
    outcome: Outcome, attempt: Attempt, status: int, error: ProviderError | None, blamed: Callable[[str | None], bool]
) -> None:
    outcome.status = attempt.status = status
    outcome.end = "answered"
    if error is not None:
        attempt.failure, attempt.status, attempt.message = error.kind, error.upstream_status, error.message
        attempt.counts = counts_as_error(error.kind, error.upstream_status, blamed(error.param))
        outcome.end = "failed" if outcome.failed else "refused"


def _usage_in(body: bytes) -> Usage | None:
    """The usage of an answer or an event, in either of OpenAI's spellings."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    usage = answer.get("usage") if isinstance(answer, dict) else None
    if not isinstance(usage, dict) or "input_tokens" not in usage:
        return usage_from(usage)
    details: Any = usage.get("input_tokens_details")
    cached = tokens(details.get("cached_tokens")) if isinstance(details, dict) else 0
    given = tokens(usage.get("input_tokens"))
    return Usage(given, min(cached, given), tokens(usage.get("output_tokens")))
