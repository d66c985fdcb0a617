"""What tracing adds to a call, as counts of Python calls, and what it holds."""

import secrets
import tracemalloc
from typing import Any

import pytest

from gateway.calls import Attempt, Call, Caller, Outcome
from gateway.json_body import Document
from gateway.logs import configure
from gateway.net.client import Origin, Request
from gateway.telemetry.otel_settings import otel_settings
from gateway.telemetry.parts import TracingParts
from gateway.telemetry.seam import CallTracing
from gateway.telemetry.start import start_tracing
from tests.support.call_count import CallCount

ORIGIN = Origin("http", "127.0.0.1", 1)
MOST_ON_THE_PATH = 20  # Python calls


def tracing(**environ: str) -> CallTracing:
    settings = otel_settings({"OTEL_TRACES_EXPORTER": "otlp", **environ})
    assert settings is not None
    return start_tracing(settings, TracingParts(configure(), lambda: 2.0, lambda: 1e9, "replica", 1.0, 1.0))


def ended() -> tuple[Outcome, Call]:
    document = Document.parse(b'{"messages": [{"role": "user", "content": "hello"}]}')
    call = Call("id", Caller("key", ""), "agent", None, document, False, False, [], "", 1.0, format="openai")
    call.nonce = secrets.token_bytes(8)
    outcome = Outcome("id", "key", "agent", "v1", "split", "unit", 1, 1, None, False, 1.0)
    outcome.attempts, outcome.end = [Attempt("p/m", 1.0, 2.0)], "answered"
    return outcome, call


@pytest.mark.parametrize("ratio", ["0", "1"])
def test_work_on_a_calls_path(ratio: str) -> None:
    """A header and an entry in a queue; spans are made later."""
    made, (outcome, call) = tracing(OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG=ratio), ended()
    request = Request("POST", ORIGIN, "/", [(b"accept", b"*/*")])
    with CallCount() as calls:
        made.put_into(request, outcome.attempts[0], call, outcome)
        made.note(outcome, call, None, ())
    assert calls.total <= MOST_ON_THE_PATH


def test_memory_of_what_waits() -> None:
    """A receiver that is away costs some kilobytes for each call that waits, and nothing beyond the queue."""
    made: Any = tracing(OTEL_BSP_MAX_QUEUE_SIZE="200")
    tracemalloc.start()
    held = []
    for _ in range(2):
        for _ in range(2_000):
            made.note(*ended(), None, ())
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert made.dropped == {"queue_full": 3_800} and held[0] < 1_200_000 and held[1] < 1.05 * held[0]
