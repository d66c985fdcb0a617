"""Log line of a finished call: an allow-list of names and numbers, and why its attempts failed."""

from collections.abc import Sequence

from gateway.calls import Attempt, Outcome, Spent, Usage
from gateway.logs import Log

_NANO = 1e9
_NO_USAGE = Usage()
# What lines of usual calls have not in common.
_VARYING = ("id", "request_id", "latency", "ttft", "input_tokens", "cached_tokens", "output_tokens", "cost_usd")


def call_line(outcome: Outcome, spent: Spent) -> dict[str, object]:
    """Return the call's log line. That of a plain model's call has neither an agent nor a version."""
    attempts = outcome.attempts
    failure = attempts[0].failure if attempts else None
    first = outcome.first_token_at
    unknown = spent.unpriced or spent.unreported
    line: dict[str, object] = {
        "event": "shadow" if outcome.reason == "shadow" else "call",
        "id": outcome.call_id,
        "request_id": outcome.request_id or None,
        "caller": outcome.caller,
        "agent": outcome.agent,
        "version": outcome.version,
        "reason": outcome.reason,
        "arm": outcome.arm,
        "censored": outcome.censored,
        "held": outcome.held,
        "stream": outcome.stream,
        "end": outcome.end,
        "status": outcome.status,
        "failed": outcome.failed,
        "failure": failure,
        "why": (attempts[0].message if failure else outcome.refusal) or None,
        "hedge": outcome.hedge,
        "attempts": [(attempt.target, attempt.status, attempt.failure) for attempt in attempts],
        "latency": round(outcome.ended_at - outcome.received_at, 6),
        "ttft": round(first - outcome.received_at, 6) if first else None,
        "input_tokens": spent.input,
        "cached_tokens": spent.cached,
        "output_tokens": spent.output,
        "estimated": spent.estimated,
        "cost_usd": None if unknown else spent.cost_nano_usd / _NANO,
    }
    if failure is not None or len(attempts) > 1:
        line["failures"] = failures_in(attempts, outcome.received_at)
    if outcome.reason == "model":
        line |= {"agent": None, "version": None, "model": outcome.version}
    return line


def line_beginning(log: Log, outcome: Outcome) -> bytes:
    """Return what the lines of usual calls like this one begin with."""
    line = call_line(outcome, Spent.by(outcome.attempts))
    return log.beginning({name: value for name, value in line.items() if name not in _VARYING})


def log_usual(log: Log, beginning: bytes, outcome: Outcome, trace_id: str = "") -> None:
    """Write the line of a usual call, whose kind has that beginning. `trace_id` is '' where nothing is exported."""
    attempt, received_at, first = outcome.attempts[0], outcome.received_at, outcome.first_token_at
    usage = attempt.usage or _NO_USAGE
    varying: dict[str, object] = {
        "id": outcome.call_id,
        "request_id": outcome.request_id or None,
        "latency": round(outcome.ended_at - received_at, 6),
        "ttft": round(first - received_at, 6) if first else None,
        "input_tokens": usage.input,
        "cached_tokens": usage.cached,
        "output_tokens": usage.output,
        "cost_usd": (attempt.cost_nano_usd or 0) / _NANO,
    }
    if trace_id:
        varying["trace_id"] = trace_id
    log.go_on(beginning, varying)


def failures_in(attempts: Sequence[Attempt], since: float) -> list[dict[str, object]]:
    """Return why attempts failed, for a log line; `since` is the time on their clock from which seconds count."""
    return [_failure(attempt, since) for attempt in attempts if attempt.failure not in (None, "overtaken")]


def _failure(attempt: Attempt, since: float) -> dict[str, object]:
    return {
        "target": attempt.target,
        "status": attempt.status,
        "failure": attempt.failure,
        "message": attempt.message or None,
        "code": attempt.code or None,
        "param": attempt.param or None,
        "upstream_id": attempt.upstream_id or None,
        "began": round(attempt.started_at - since, 6),
        "seconds": round(max(attempt.ended_at - attempt.started_at, 0.0), 6),
    }
