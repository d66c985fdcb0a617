"""The one tree of errors. Each knows its HTTP status, its OpenAI `type` and `code`, and whose fault it is.

    SerinusError
    ├── CallerError        they asked wrong: 4xx, never retried, never counted against a version
    ├── ProviderError      upstream failed: carries its `kind`, and what upstream said where it said anything
    │   ├── KeyRefused     it refuses our own credentials
    │   ├── ContentRefused its moderation refuses what the client sent
    │   ├── Denied         it answers 403 and does not say why
    │   └── Misconfigured  no target can serve, for reasons that the configuration gives
    └── GatewayError       we failed: 5xx
        └── StoreAway      the shared state cannot be reached
            └── StoreRefused   its server answers, and refuses

What each kind of `ProviderError` means for retries and for the statistics is said in `policies.calls.retry` and
`policies.calls.blame`; this module only names them.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

Headers = Sequence[tuple[bytes, bytes]]

LONGEST_SHOWN = 200  # characters of a client's text that an error repeats

FailureKind = Literal[
    "connect",  # no connection: refused, DNS, TLS; nothing was sent
    "lost",  # the connection broke after the request went out, before an answer
    "timeout",  # no first token, no next chunk or no end in time
    "status",  # an answer of 4xx or 5xx
    "error_in_answer",  # an error object inside HTTP 200
    "malformed",  # an answer that is not what the wire format promises
    "truncated",  # an answer or stream that ended early
    "bad_tool_arguments",  # tool-call arguments that are not JSON
    "circuit_open",  # not tried: the target's circuit is open
    "untranslatable",  # not tried: the target's wire format cannot say what the client asks for
    "exhausted",  # not tried: the gateway's host had no file descriptor or memory left for a connection
    "overtaken",  # cancelled: of a call's two attempts at the same time the other was first; never raised
]
# Kinds of failures of attempts by which no provider was asked.
NOT_SENT: frozenset[FailureKind | None] = frozenset({"circuit_open", "untranslatable", "exhausted"})


# Who wrote what an answer of 4xx is about: `unknown` where the gateway spelled anew what the client had asked for.
Blame = Literal["client", "version", "gateway", "unknown"]

# What a client is told of failures whose messages name hosts and ports of the inside.
_CLIENT_MESSAGES: dict[FailureKind, str] = {
    "connect": "the provider could not be reached",
    "lost": "the connection to the provider broke before its answer",
    "malformed": "the provider's answer is not what its API promises",
    "truncated": "the provider's answer ended early",
}


class ProviderWords(NamedTuple):
    """A provider's own words about a failure, and its id of the request: for our records, not for clients."""

    message: str = ""
    code: str = ""
    param: str = ""
    request_id: str = ""


RefusedFor = Literal["credentials", "model", "region"]

_REFUSED_FOR: dict[RefusedFor, str] = {
    "credentials": "the provider refused the gateway's credentials",
    "model": "the provider does not let the gateway's key use the model",
    "region": "the provider does not serve the gateway's region",
}
_PROVIDERS_LIMITS = (408, 429)  # statuses below 500 that no client's request causes by itself
_NO_RETRY = (b"x-should-retry", b"false")  # a client's SDK repeats a 502 otherwise

# Characters. What a message quotes may be the client's, of any length; its end says what to do instead.
_LONGEST_MESSAGE = 4_000
_LONGEST_PARAM = 400


def shortened(text: str, longest: int) -> str:
    """The text, or its beginning and its end where it is longer than that many characters."""
    if len(text) <= longest:
        return text
    end = longest // 4
    return f"{text[: longest - end]} […] {text[-end:]}"


class SerinusError(Exception):
    """The root: a message for the client, an HTTP status, an OpenAI error type and code."""

    status = 500
    type = "api_error"
    code: str | None = None
    param: str | None = None

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None) -> None:
        self.message = shortened(message, _LONGEST_MESSAGE)
        super().__init__(self.message)
        self.code = code or self.code
        self.param = param and shortened(param, _LONGEST_PARAM)

    @property
    def client_message(self) -> str:
        """The message as clients may read it."""
        return self.message

    @property
    def failed_by(self) -> "FailedBy":
        """Return who must change something."""
        return "client" if self.status < 500 else "gateway"


FailedBy = Literal["client", "provider", "version", "gateway"]


class CallerError(SerinusError):
    """The caller's request is wrong."""

    status = 400
    type = "invalid_request_error"


class Unauthenticated(CallerError):
    status = 401
    code = "invalid_api_key"


class Forbidden(CallerError):
    status = 403
    type = "permission_error"
    code = "permission_denied"


class NotFound(CallerError):
    status = 404
    code = "not_found"


class UnknownModel(NotFound):
    code = "model_not_found"


class MethodNotAllowed(CallerError):
    status = 405
    code = "method_not_allowed"


class UpgradeRefused(CallerError):
    """A WebSocket was asked for where HTTP is spoken."""

    status = 426
    code = "websocket_not_supported"


class RequestTimeout(CallerError):
    status = 408
    code = "request_timeout"


class EpochConflict(CallerError):
    """Someone changed the rollout since the caller looked."""

    status = 412
    code = "epoch_conflict"


class BodyTooLarge(CallerError):
    status = 413
    code = "request_too_large"


class UnsupportedBody(CallerError):
    status = 415
    code = "unsupported_media_type"


class Reached(NamedTuple):
    """A limit that a call has no room under. `left` and `amount` are of its kind; `resets_in` is in seconds, None where
    waiting does not help. `resets_at` is in Unix seconds."""

    kind: Literal["requests", "tokens", "usd", "in_flight"]
    amount: int
    left: int
    resets_in: float | None
    resets_at: float = 0.0


class OverLimit(CallerError):
    """A limit or a budget of ours has no room for the call: nobody's failure, and never a provider's."""

    status = 429
    code = "rate_limit_exceeded"

    def __init__(self, message: str, reached: Reached) -> None:
        super().__init__(message)
        self.reached = reached
        self.type = "tokens" if reached.kind == "tokens" else "requests"
        if self.is_budget:
            self.type = self.code = "insufficient_quota"

    @property
    def is_budget(self) -> bool:
        """Return whether money is spent, which a client's retry cannot help."""
        return self.reached.kind == "usd"

    @property
    def retry_headers(self) -> list[tuple[bytes, bytes]]:
        """Return when a client may come again, as its SDK reads it; and that it must not, where that is in vain."""
        seconds = self.reached.resets_in
        if self.is_budget or seconds is None:
            return [_NO_RETRY]
        return [
            (b"retry-after", b"%d" % math.ceil(max(seconds, 0.001))),
            (b"retry-after-ms", b"%d" % math.ceil(max(seconds, 0.001) * 1000)),
        ]


class ProviderError(SerinusError):
    """Upstream failed. `status` is what the client gets; `upstream_status` what upstream said, if it said anything.

    `body` is upstream's own error body when the client may see it, `headers` upstream's headers. `words` is what it
    said, whoever may see that; None where it said nothing. `denial` is a 403 that came with HTTP 200, as it was read:
    whoever knows the model looks for its name there.
    """

    status = 502
    type = "upstream_error"
    blame: Blame = "client"
    caller_can_cause = True  # False where no request, whatever is in it, brings the failure about
    asked: tuple[str, ...] = ()  # the target of each attempt, once the chain is spent
    whom = ""  # the target that failed and the number of attempts, in brackets, once the chain is spent
    words: ProviderWords | None = None
    denial: object = None
    refuses_usage = False  # the provider does not take the question for a stream's usage that the gateway added

    def __init__(
        self,
        kind: FailureKind,
        message: str,
        *,
        upstream_status: int | None = None,
        headers: Headers = (),
        body: bytes | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message, code=f"upstream_{kind}", param=param)
        self.kind: FailureKind = kind
        self.upstream_status = upstream_status
        self.headers = headers
        self.body = body
        if kind == "connect":
            self.caller_can_cause = False
        elif kind == "timeout":
            self.status = 504
        elif kind in ("circuit_open", "exhausted"):
            self.status = 503
        elif kind == "untranslatable":
            self.status, self.type, self.code = 400, "invalid_request_error", "unsupported_by_provider"
        elif kind == "status" and upstream_status not in (None, 401, 403):
            self.status = upstream_status or self.status

    @property
    def failed_by(self) -> FailedBy:
        if self.kind == "untranslatable" or self.blame == "version":
            return "version"
        if not self.caller_can_cause and self.kind != "connect":  # a key, a region: what the configuration gives
            return "gateway"
        is_refusal = self.kind == "status" and self.status < 500 and self.status not in _PROVIDERS_LIMITS
        if is_refusal and self.blame in ("client", "gateway"):
            return self.blame
        return "provider"

    @property
    def client_message(self) -> str:
        said = _CLIENT_MESSAGES.get(self.kind)
        return self.message if said is None else f"{said}{self.whom}"


class KeyRefused(ProviderError):
    """The provider refuses the gateway's credentials, its account or its region: none of the client's doing.

    `reason` is what exactly: the credentials, a `model` that they do not open, or the `region`.
    """

    caller_can_cause = False

    def __init__(
        self, kind: FailureKind, upstream_status: int, headers: Headers = (), reason: RefusedFor = "credentials"
    ) -> None:
        super().__init__(kind, _REFUSED_FOR[reason], upstream_status=upstream_status, headers=headers)
        self.reason: RefusedFor = reason


class ContentRefused(ProviderError):
    """The provider's moderation refused what the client sent. No other target is asked."""

    def __init__(self, message: str, headers: Headers, body: bytes) -> None:
        super().__init__("status", message, upstream_status=403, headers=headers, body=body)
        self.status, self.type, self.code = 403, "permission_error", "content_policy_violation"


class Denied(ProviderError):
    """The provider answered 403, and nothing tells whether the request or the gateway's key is at fault."""

    def __init__(self, headers: Headers = ()) -> None:
        message = "the provider refused the request (HTTP 403) and did not say what is wrong with it"
        super().__init__("status", message, upstream_status=403, headers=(*headers, _NO_RETRY))


class Misconfigured(ProviderError):
    """No target of a chain can serve, for reasons that the configuration gives. The message names each of them."""

    def __init__(self, message: str) -> None:
        super().__init__("status", message)
        self.code = "target_misconfigured"
        self.caller_can_cause = False


class GatewayError(SerinusError):
    """The gateway, or a server behind it, failed."""

    code = "gateway_error"


def failure_details(error: SerinusError, call_id: str) -> dict[str, str | int]:
    """Return who failed, where, after how many attempts, under which id, and where to look it up.

    Nothing for what is the caller's own mistake, and for what has no id.
    """
    if isinstance(error, CallerError) or not call_id:
        return {}
    asked = error.asked if isinstance(error, ProviderError) else ()
    tried: dict[str, str | int] = {"target": asked[-1], "attempts": len(asked)} if asked else {}
    return {"failed_by": error.failed_by, **tried, "call_id": call_id, "look_up": f"/calls/{call_id}"}


class Overloaded(GatewayError):
    status = 503
    code = "overloaded"


class StoreAway(GatewayError):
    """The shared state cannot be reached; calls go on without it."""

    status = 503
    code = "store_unavailable"


class StoreRefused(StoreAway):
    """The store's server answered that it does not do what it was asked: nothing was changed."""
