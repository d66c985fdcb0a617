"""Evaluations over a real socket: targets of a configuration, suites of a few cases, a scorer of the simplest kind."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from evals.answer import CaseAnswer
from evals.cases import Case, SourceLine, Suite
from evals.checks.scores import CaseScore
from evals.running.cost_limit import CostLimit
from evals.running.targets import Patience, Targets
from gateway.config import load
from gateway.net.client.upstreams import Upstreams
from gateway.pricing import PriceList
from gateway.rehearsal.standin import ModelBehaviour, Standin
from gateway.replica import wiring
from tests.support.running import trial, write

PRICES = [
    {"target": f"standin/{model}", "from": "2026-01-01", "input": 1, "output": 1_000} for model in ("good", "bad")
]  # USD per million tokens: an answer of eight chunks costs 0.008 USD and a little


def case_of(name: str, ask: str = "Where is my order?", expected: str = "shipped", **more: object) -> Case:
    """A case that passes where the answer holds the expected text."""
    messages = ({"role": "user", "content": ask},)
    return Case(name, messages, SourceLine("s.yaml", 1), {}, (), expected=expected, **more)  # type: ignore[arg-type]


def suite_of(*cases: Case, **more: object) -> Suite:
    """A suite of these cases."""
    return Suite("s", "native", cases, "0" * 64, **more)  # type: ignore[arg-type]


async def holds_expected(case: Case, answer: CaseAnswer, answer_key: str = "") -> CaseScore:
    """Whether the answer holds the case's expected text."""
    passed = not answer.error and (case.expected or "") in answer.text
    return CaseScore(passed, float(passed), f"says {answer.text[:20]!r}")


@asynccontextmanager
async def evaluated(
    folder: Path, limit: int | None = None, patience: Patience | None = None
) -> AsyncIterator[tuple[Standin, Targets]]:
    """A stand-in whose model `good` says "shipped" and `bad` "lost", and the targets of v1 and v2 at it."""
    models = {"good": ModelBehaviour(chunk_text="shipped "), "bad": ModelBehaviour(chunk_text="lost ")}
    standin = Standin(models)
    await standin.start()
    files = trial("support", standin)
    files["gateway.yaml"] = {**files["gateway.yaml"], "prices": PRICES}  # type: ignore[dict-item]
    settings = load(write(folder, files), {}).settings
    upstreams = Upstreams(wiring.transport_options(settings))
    try:
        book = wiring.prices(settings, PriceList())
        yield standin, Targets(wiring.channels_of(settings, upstreams), book, CostLimit(limit), patience or Patience())
    finally:
        await upstreams.aclose()
        await standin.stop()
