"""The endpoints of an API that no version has a say in beyond its model: handed to its provider, and back.

One attempt, no fallback, no circuit: images, audio, files and the like cannot go twice. What goes up and what comes
back is relayed as it comes, whatever its content type. A response by its id is asked for where it may be, one provider
after the other. A call of an agent is metered, apart from the calls that a trial is judged by.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from urllib.parse import quote

from gateway.call.failure_note import note_failure
from gateway.call.proxy import Proxy, failed_by_header, id_headers, response_headers
from gateway.call.quotations import sent_text
from gateway.call.recording import Recording, end_by, name_call
from gateway.call.streaming import ClientTooSlow, send_answer
from gateway.calls import Attempt, Call, Caller, Outcome
from gateway.errors import CallerError, Headers, ProviderError
from gateway.formats.clients import error_body, error_event
from gateway.formats.provider_words import explain
from gateway.headers import JSON, to_client, to_client_untyped
from gateway.logs import Log
from gateway.net.asgi import Send
from gateway.net.client import Request, Response, Upload
from gateway.passthrough.answer_framing import is_stream, length_of
from gateway.passthrough.providers import OPENAI, ForwardedApi, check_list, check_speaks, only_provider
from gateway.passthrough.response_owner import ResponseOwners, is_elsewhere, of_agent, of_caller
from gateway.passthrough.usage_meter import Meter
from gateway.passthrough.wanted import Wanted
from gateway.rollout.call_lines import failures_in
from gateway.rollout.table import Entry
from gateway.rollout.target_faults import named
from gateway.runtime import Channel, Runtime
from policies.calls.blame import counts_as_error
from routing.agents import Timeouts
from routing.chain import Target
from routing.plan import Plan

MODEL = "{model}"  # stands in a path for the version's model
_ERROR_BODY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Forwarder:
    """Hands requests of one API through."""

    proxy: Proxy
    log: Log
    api: ForwardedApi = OPENAI
    owners: ResponseOwners = field(default_factory=ResponseOwners)

    async def handle(self, call: Call, wanted: Wanted, runtime: Runtime, send: Send) -> None:
        """Pass a call to the provider of the version that serves it. Raises CallerError before anything was sent."""
        entry = self.proxy.entry_of(call)
        plan = self.proxy.plan_of(call, entry)
        if entry.plain is None:
            plan = replace(plan, reason="passed", held=False)
        targets = self._targets(wanted, entry, plan, runtime)
        check_list(wanted.method, wanted.path, targets[0].provider, runtime, call.caller)
        admit, target = self.proxy.limits.admit_forwarded, plan.version.target
        held = await admit(call, target, runtime.prices, is_asking=wanted.is_asking)
        with Recording(self.proxy.recorder, call, plan, entry, runtime.prices, held) as outcome:
            name_call(call, outcome, runtime.fingerprint_key)
            blamed = entry.applied[plan.version.name].blamed_by if entry.plain is None else _blame_nobody
            meter = Meter(counts=wanted.body.names_model)

            def headers() -> Headers:
                if carried.status >= 300:  # nothing was answered that could be scored
                    name_call(call, outcome, runtime.fingerprint_key, answered=False)
                return response_headers(outcome, self.api.client)

            carried = _Carried(self.api, targets, runtime, headers, meter, outcome.attempts, blamed, wanted.at, wanted)
            carried.caller, carried.timeouts = call.caller.name, entry.agent.timeouts or runtime.timeouts
            if (tracing := self.proxy.recorder.tracing) is not None:
                carried.trace = partial(tracing.put_into, call=call, outcome=outcome)
            try:
                path = wanted.path.replace(MODEL, quote(target.model, safe=""))
                asked = replace(wanted, id=call.id, path=path)
                error = await self._carry(asked, wanted.body.outgoing(target.model), carried, send)
                _book(outcome, carried, error)
            finally:
                outcome.received_at = carried.at
                if outcome.attempts:
                    outcome.attempts[-1].usage, outcome.attempts[-1].ended_at = meter.usage(), self._now()

    async def at_the_only(self, wanted: Wanted, caller: Caller, runtime: Runtime, send: Send) -> None:
        """Pass what names no agent to the only provider it can be for. Raises CallerError when that is not clear."""
        targets = self._targets_without_agent(wanted, caller, runtime)
        ids, meter = id_headers(wanted.id, wanted.request_id), Meter(counts=False)
        carried = _Carried(self.api, targets, runtime, lambda: ids, meter, [], _blame_nobody, wanted.at, wanted)
        carried.caller = caller.name
        held = await self.proxy.limits.admit_request(caller, runtime.prices)
        end = "failed"
        try:
            error = await self._carry(wanted, wanted.body.outgoing(None), carried, send)
            if error is None:
                end = "answered"
            elif carried.attempts[-1].failure is None:  # the answer broke on its way
                _book_failure(carried.attempts[-1], error, carried)
        except CallerError:
            end = "refused"
            raise
        except (ClientTooSlow, asyncio.CancelledError) as left:
            end = "client_gone"
            if isinstance(left, asyncio.CancelledError):
                raise
        finally:
            held.settle(carried.attempts)
            self.log.info(
                "passed", id=wanted.id, request_id=wanted.request_id or None, caller=caller.name,
                provider=carried.target.provider, method=wanted.method,
                end=end, status=carried.status, latency=round(self._now() - carried.at, 6),
                failures=failures_in(carried.attempts, carried.at),
            )  # fmt: skip

    def _targets(self, wanted: Wanted, entry: Entry, plan: Plan, runtime: Runtime) -> Sequence[Target]:
        """Return the version's provider, or each of the agent's that may have the response."""
        answer_id = wanted.answer_id(self.api.kept_at)
        if answer_id is not None and (found := of_agent(entry, plan, runtime.channels, self.api.kept_at)):
            return self.owners.first(answer_id, found)
        check_speaks(runtime.channels[plan.version.target.provider], wanted.path, self.api)
        return [plan.version.target]

    def _targets_without_agent(self, wanted: Wanted, caller: Caller, runtime: Runtime) -> Sequence[Target]:
        if wanted.session is not None and wanted.session.provider:
            return [Target(wanted.session.provider, "")]
        answer_id = wanted.answer_id(self.api.kept_at)
        if answer_id is not None and (found := of_caller(caller, self.proxy.table, runtime.channels, self.api.kept_at)):
            return self.owners.first(answer_id, found)
        if caller.is_limited:
            raise CallerError("this key is limited to some agents: name one as '?model=' in the query", param="model")
        return [Target(only_provider(runtime.channels, wanted.path, self.api), "")]

    async def _carry(
        self, wanted: Wanted, body: bytes | Upload, carried: "_Carried", send: Send
    ) -> ProviderError | None:
        """Send the request and relay its answer; return the error that the client was told of, else None."""
        carried.body = body
        try:
            response = await self._find_response(wanted, body, carried)
        except ProviderError as error:
            return await _tell(error, wanted, carried, send)
        try:
            further = wanted.further(carried.channel.endpoint, response.headers)
            await _relay(response, carried, further, carried.deadline(self._now()), send)
        except ProviderError as error:
            if not carried.has_begun:
                return await _tell(error, wanted, carried, send)
            if is_stream(response):
                last = error_event(error, self.api.client, wanted.id)
                await send({"type": "http.response.body", "body": last, "more_body": True})
            return error  # the answer is left incomplete: the server cuts it off
        finally:
            await response.aclose()
        return None

    async def _find_response(self, wanted: Wanted, body: bytes | Upload, carried: "_Carried") -> Response:
        """The answer of the first provider that knows what is asked for. Raises the ProviderError that tells most: what
        keeps one from answering, before that the others know nothing."""
        spent: ProviderError | None = None
        answer_id = wanted.answer_id(self.api.kept_at)
        for target in carried.targets:
            attempt = Attempt(target.name, self._now())
            carried.attempts.append(attempt)
            carried.target = target
            try:
                response = await _send(wanted, body, carried, self._now)
            except ProviderError as error:
                attempt.ended_at = self._now()
                _book_failure(attempt, error, carried)
                if answer_id is not None and is_elsewhere(error):
                    attempt.counts = False  # nobody's fault
                spent = error if spent is None or is_elsewhere(spent) else spent
                if isinstance(body, Upload):
                    break
                continue
            attempt.status = response.status
            if len(carried.targets) > 1 and answer_id is not None:
                self.owners.learn(answer_id, target.provider)
            return response
        assert spent is not None, "there is a target"  # noqa: S101
        raise spent

    def _now(self) -> float:
        return self.proxy.clock.monotonic()


@dataclass(slots=True)
class _Carried:
    """State of a forwarded request: its destinations, its answer's headers, and its result.

    `at` is when all of it had come, which its time is counted from: how fast a client sends says nothing about anyone.
    """

    api: ForwardedApi
    targets: Sequence[Target]
    runtime: Runtime
    headers: Callable[[], Headers]
    meter: Meter
    attempts: list[Attempt]
    blamed: Callable[[str | None], bool]
    at: float
    wanted: Wanted
    caller: str = ""
    body: bytes | Upload = b""
    status: int = 0
    has_begun: bool = False  # whether something has gone out to the client
    trace: Callable[[Request, Attempt], None] | None = None
    target: Target = field(init=False)
    timeouts: Timeouts = field(init=False)

    def __post_init__(self) -> None:
        self.target, self.timeouts = self.targets[0], self.runtime.timeouts

    @property
    def channel(self) -> Channel:
        return self.runtime.channels[self.target.provider]

    def deadline(self, now: float) -> float:
        """Return when the whole call must have ended, on the event loop's clock."""
        return asyncio.get_running_loop().time() + self.at + self.timeouts.total - now


async def _send(wanted: Wanted, body: bytes | Upload, carried: _Carried, now: Callable[[], float]) -> Response:
    """The answer, its header block in and its status a good one. Raises ProviderError, and what the upload raises."""
    endpoint, runtime = carried.channel.endpoint, carried.runtime
    path = wanted.at_base(endpoint.base_path)
    request = endpoint.request(path, wanted.headers, body if isinstance(body, bytes) else b"", wanted.method)
    request.connect_seconds = carried.timeouts.connect
    if carried.trace is not None:
        carried.trace(request, carried.attempts[-1])
    response: Response | None = None
    good = False
    loop = asyncio.get_running_loop()
    try:
        soonest = min(carried.deadline(now()), loop.time() + carried.timeouts.answer)
        async with asyncio.timeout_at(soonest) as limit:
            if isinstance(body, Upload):
                request.upload = Upload(_pace(body, carried, limit, now), body.length)
            response = await carried.channel.send(request, runtime.answer_limit)
            if isinstance(body, Upload):  # an early answer finds it under way
                carried.at = now()
                _move(limit, loop.time() + carried.timeouts.answer)
            carried.status, good = response.status, 200 <= response.status < 300
            if not good:
                said = await response.whole(_ERROR_BODY_BYTES)
                error = carried.api.read_error(endpoint.api, response.status, response.headers, said)
                raise explain(error, said, response.headers)
            return response
    except TimeoutError:
        raise ProviderError("timeout", f"{endpoint.name} did not answer in time") from None
    finally:
        if response is not None and not good:
            await response.aclose()


async def _pace(
    upload: Upload, carried: _Carried, limit: asyncio.Timeout, now: Callable[[], float]
) -> AsyncIterator[bytes]:
    """The upload, which moves its request's time limit: the provider has `between_chunks` to take each piece, and
    `answer` once it has all. How long the client takes is the server's business."""
    timeouts, loop = carried.timeouts, asyncio.get_running_loop()
    while True:
        _move(limit, None)
        piece = await anext(upload.chunks, None)
        if piece is None:
            break
        _move(limit, loop.time() + timeouts.between_chunks)
        yield piece
    carried.at = now()
    _move(limit, loop.time() + min(timeouts.answer, timeouts.total))


def _move(limit: asyncio.Timeout, when: float | None) -> None:
    if not limit.expired():
        limit.reschedule(when)


async def _tell(error: ProviderError, wanted: Wanted, carried: _Carried, send: Send) -> ProviderError:
    """Answer with the error, which is the same one: nothing has gone out yet."""
    carried.status = error.status
    further = wanted.further(carried.channel.endpoint, error.headers)
    error.asked = tuple(attempt.target for attempt in carried.attempts)
    headers = [JSON, *to_client_untyped(error.headers), *further, *carried.headers(), failed_by_header(error)]
    body = error_body(named(error, carried.target), carried.api.client, wanted.id)
    await send_answer(send, error.status, headers, body)
    return error


async def _relay(response: Response, carried: _Carried, further: Headers, deadline: float, send: Send) -> None:
    """Hand the answer on as it comes, and its head, with `further` headers, with the first bytes.

    Raises ProviderError when it breaks or stalls, ClientTooSlow for a client.
    """
    meter, silence = carried.meter, carried.timeouts.between_chunks
    meter.begin(response.headers)
    headers = [*to_client(response.headers), *length_of(response), *further, *carried.headers()]
    start = {"type": "http.response.start", "status": response.status, "headers": headers}
    chunks = response.chunks()
    loop, sending = asyncio.get_running_loop(), False
    try:
        async with asyncio.timeout_at(deadline):
            while True:
                sending = False
                async with asyncio.timeout_at(min(deadline, loop.time() + silence)):
                    chunk = await anext(chunks, None)
                sending = True  # a slow client uses up the call's time, not the provider's
                if not carried.has_begun:
                    carried.has_begun = True
                    await send(start)
                if chunk is None:
                    break
                meter.feed(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except TimeoutError:
        if sending:
            raise ClientTooSlow from None
        raise ProviderError("timeout", "the provider's answer stalled: no data within the time limit") from None
    await send({"type": "http.response.body", "body": b""})


def _book(outcome: Outcome, carried: _Carried, error: ProviderError | None) -> None:
    outcome.end = "answered"
    if error is not None:
        if (attempt := outcome.attempts[-1]).failure is None:  # the answer broke on its way
            _book_failure(attempt, error, carried)
        end_by(outcome, error)
    outcome.status = carried.status  # as the client got it, which a break does not change


def _blame_nobody(_param: str | None) -> bool:
    """Return False: all of a plain model's request is the client's, and so is one that names no agent."""
    return False


def _book_failure(attempt: Attempt, error: ProviderError, carried: _Carried) -> None:
    fixed, own = carried.channel.endpoint.fixed, carried.runtime.doorkeeper.keys_of(carried.caller)
    note_failure(attempt, error, lambda: _sent(carried, fixed), (), carried.channel.redactor, own)
    is_blamed = carried.blamed(error.param)
    attempt.counts = error.kind != "exhausted" and counts_as_error(error.kind, error.upstream_status, is_blamed)


def _sent(carried: _Carried, fixed: Headers) -> str | None:
    """The text of a forwarded request, to find what a provider quotes of it; None for an upload, which is not held."""
    wanted, body = carried.wanted, carried.body
    if not isinstance(body, bytes):
        return None
    return sent_text({}, [*wanted.headers, *fixed], wanted.path, wanted.query, body.decode("utf-8", "replace"))
