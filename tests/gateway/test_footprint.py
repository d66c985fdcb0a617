"""What a serving process does not load: memory is asked for by the megabyte, and a start by the millisecond."""

import subprocess
import sys

NEEDLESS = (
    "genai_prices",  # the price list, 8 MB: another process reads it
    "httpx2",  # 3 MB, for `transport: standard`
    "opentelemetry.proto",  # with protobuf, 5 MB: only where spans are exported
    "google.protobuf",
    "anyio._backends",  # 1.7 MB, for a watch that a thread does as well
    "evals",  # and what its extra brings
    "jsonschema",
    "gateway.rehearsal.demo",
    "gateway.cli.client",
    "gateway.cli.operate",
    "gateway.cli.simulate",
    "gateway.rehearsal.standin",
)


def test_serving_loads_what_it_needs() -> None:
    """Everything else waits until somebody wants it."""
    code = "import sys, gateway.cli.main, gateway.replica.serve; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    loaded = said.split()
    assert "gateway.replica.serve" in loaded
    assert [name for name in loaded for needless in NEEDLESS if f"{name}.".startswith(f"{needless}.")] == []
