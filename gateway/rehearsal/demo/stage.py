"""The stage: a private Redis, the stand-in provider, two replicas and the traffic through them, all in one folder."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from gateway.rehearsal.demo.ask import NoAnswer, ask
from gateway.rehearsal.demo.checks import DemoVerdict
from gateway.rehearsal.demo.children import Child, ChildCommand, DemoFailed, free_ports, listen, run_to_end, running
from gateway.rehearsal.demo.files import AGENT, CANARY_MODEL, FALLBACK_MODEL, RULE, STABLE_MODEL, write_configuration
from gateway.rehearsal.demo.ledger import Ledger
from gateway.rehearsal.demo.sight import Sight, read
from gateway.rehearsal.demo.traffic import DemoTraffic, clients_of
from gateway.rollout.status_view import StatusView
from gateway.store import EmbeddedRedis
from gateway.views import read_view

REPLICAS = 2
BASELINE_ERRORS = 0.01  # a provider that never fails would make every failure of the canary look suspicious
BROKEN_ERRORS = 0.30
# Only faults that come before the first byte of an answer: these the gateway can hide behind a retry or the fallback.
# What was sent cannot be taken back, so a stream that breaks in its middle reaches the client as an error, rightly.
FAULTS = ("status", "error_in_200", "reset")
_MIX_SECONDS = 0.5  # the stand-in knows one fault at a time, so a mix is one after the other
_LOOK_SECONDS = 0.25
_EVALUATION_SECONDS = 40.0  # it took 3 s; a provider that fails is asked again
_WELL = {
    "error_rate": BASELINE_ERRORS, "latency_seconds": 0.08, "latency_p90_seconds": 0.16,
    "chunk_seconds": 0.01, "chunks": 12, "chunk_text": "on its way ", "output_tokens": 60,
}  # fmt: skip
_STABLE = {**_WELL, "rule": RULE, "without_rule": "on its way and refunded "}
_SPARE = {**_WELL, "error_rate": 0.0}


@dataclass(slots=True)
class Stage:
    """Everything that runs. `sights` are the latest of each replica, None until the first."""

    folder: Path
    config: Path
    provider: Child
    replicas: Sequence[Child]
    traffic: DemoTraffic
    ledger: Ledger
    token: str
    sights: list[Sight | None]

    @property
    def page(self) -> str:
        """The address of the agent's status page."""
        return f"{self.replicas[0].root_url}/status/{AGENT}"

    async def watch(self) -> None:
        """Look at every replica's `/status` until cancelled. Raises DemoFailed when one of the processes has ended."""
        while True:
            for number, replica in enumerate(self.replicas):
                self._check_alive()
                try:
                    self.sights[number] = read(read_view(StatusView, await ask("GET", f"{replica.root_url}/status")))
                except NoAnswer as error:
                    raise DemoFailed(f"{replica.name} does not answer: {error}") from error
            await asyncio.sleep(_LOOK_SECONDS)

    async def break_canary(self) -> None:
        """Let the canary's model fail 30 % of its calls, now with this fault, now with that, until cancelled."""
        while True:
            for fault in FAULTS:
                await self._behave(CANARY_MODEL, {"error_rate": BROKEN_ERRORS, "fault": fault})
                await asyncio.sleep(_MIX_SECONDS)

    async def set_up_models(self) -> None:
        """Every model is well: one call in a hundred fails, as with any provider; the fallback's never."""
        for model, behaviour in ((STABLE_MODEL, _STABLE), (CANARY_MODEL, _WELL), (FALLBACK_MODEL, _SPARE)):
            await self._behave(model, behaviour)

    async def evaluate(self, version: str) -> DemoVerdict:
        """Run `serinus eval --record` on a version. Raises DemoFailed when there is no verdict."""
        arguments = ("eval", f"{AGENT}@{version}", "--record", "--no-cache", "--json", "--config", "config")
        code, printed = await run_to_end("eval", arguments, self.folder, _EVALUATION_SECONDS)
        try:
            verdict = json.loads(printed)["verdict"]
            return DemoVerdict(code, verdict["sentence"], verdict["worse"], verdict["cases"])
        except (ValueError, KeyError, TypeError):
            said = (self.folder / "eval.log").read_text("utf-8", "replace")
            raise DemoFailed(f"serinus {' '.join(arguments)} ended with exit code {code}\n{said}") from None

    async def audit(self) -> list[dict[str, Any]]:
        """The agent's audit events, newest first."""
        answer = await ask("GET", f"{self.replicas[0].root_url}/audit/{AGENT}", token=self.token)
        events: list[dict[str, Any]] = answer["events"]
        return events

    def tails(self) -> str:
        """The last lines of every process."""
        return "\n".join(child.tail() for child in (self.provider, *self.replicas))

    async def _behave(self, model: str, behaviour: dict[str, Any]) -> None:
        await ask("PATCH", f"{self.provider.root_url}/standin/models/{model}", behaviour)

    def _check_alive(self) -> None:
        for child in (self.provider, *self.replicas):
            if not child.is_alive:
                raise DemoFailed(f"{child.name} ended with exit code {child.process.returncode}")


@asynccontextmanager
async def set_up(folder: Path) -> AsyncIterator[Stage]:
    """The stage with everything running, and taken down whatever happens. Raises DemoFailed and what the store raises.

    The replicas get a store by URL, as several always need; it is the same private Redis that `store: embedded` starts.
    """
    provider_port, *ports = free_ports(1 + REPLICAS)
    config, token = folder / "config", secrets.token_urlsafe(16)
    write_configuration(config, f"http://{listen(provider_port)}/v1")
    async with AsyncExitStack() as stack:
        redis = EmbeddedRedis(folder / "redis", log=lambda *_: None)
        store = await redis.start()
        stack.push_async_callback(redis.stop)
        starts = [_provider(provider_port), *(_replica(n + 1, port, store, token) for n, port in enumerate(ports))]
        provider, *replicas = await _start_all(stack, starts, folder)
        base_urls = [f"{replica.root_url}/v1" for replica in replicas]
        clients = await stack.enter_async_context(clients_of(base_urls))
        ledger = Ledger()
        traffic = DemoTraffic(clients, ledger, Random())  # noqa: S311 - a rehearsal, nothing secret
        stage = Stage(folder, config, provider, replicas, traffic, ledger, token, [None] * REPLICAS)
        await stage.set_up_models()
        yield stage


async def _start_all(stack: AsyncExitStack, starts: Sequence[tuple[ChildCommand, str]], folder: Path) -> list[Child]:
    """Start all at once: most of a start is importing. Those that came up are ended even if another did not."""
    contexts = [running(command, address, folder) for command, address in starts]
    began = await asyncio.gather(*(context.__aenter__() for context in contexts), return_exceptions=True)
    for context, outcome in zip(contexts, began, strict=True):
        if not isinstance(outcome, BaseException):
            stack.push_async_exit(context)
    for outcome in began:
        if isinstance(outcome, BaseException):
            raise outcome
    return [child for child in began if isinstance(child, Child)]


def _provider(port: int) -> tuple[ChildCommand, str]:
    address = listen(port)
    return ChildCommand("provider", ("gateway", "standin", "--listen", address), "/healthz", {}), address


def _replica(number: int, port: int, store: str, token: str) -> tuple[ChildCommand, str]:
    address = listen(port)
    environ = {"SERINUS_LISTEN": address, "SERINUS_STORE": store, "SERINUS_ADMIN_TOKEN": token}
    return ChildCommand(f"replica-{number}", ("gateway", "serve", "--config", "config"), "/readyz", environ), address
