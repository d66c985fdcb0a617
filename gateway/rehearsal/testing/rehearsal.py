"""A gateway that runs beside a test, with the stand-in as its provider: faults, canaries, and what became of them."""

import asyncio
import secrets
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from gateway.config import load
from gateway.rehearsal.demo.ask import NoAnswer, answer_of
from gateway.rehearsal.demo.children import Child, ChildCommand, DemoFailed, free_ports, listen, running
from gateway.rehearsal.testing.configuration import copy_configuration, key_of, read_plain, write_json
from routing.chain import Target

_POLL_SECONDS = 0.05
_PATIENCE_SECONDS = 30.0


class RehearsalFailed(AssertionError):
    """The gateway does not run, or what was waited for did not come; the message says why."""


class Rehearsal:
    """A running gateway. Its files are a copy: a test may change them, and everything ends with the test.

    `keys` has a key for each caller of the configuration, by name; `api_key` is the first of them. `token` is the
    operator's. `config` is the folder of the copy.
    """

    def __init__(self, config: Path, gateway: Child, provider: Child, token: str, environ: dict[str, str]) -> None:
        self.config = config
        self.token = token
        self.keys = {name: key_of(name) for name in read_plain(config / "gateway.yaml").get("keys", {})}
        self.api_key = next(iter(self.keys.values()), "no key is needed")
        self._gateway = gateway
        self._provider = provider
        self._environ = environ

    @property
    def url(self) -> str:
        """The address that Anthropic's and Google's clients take."""
        return self._gateway.root_url

    @property
    def base_url(self) -> str:
        """The address that an OpenAI client takes."""
        return f"{self.url}/v1"

    @contextmanager
    def failing(
        self, version: str | None = None, *, rate: float = 1.0, fault: str = "status", **behaviour: Any
    ) -> Iterator[None]:
        """Let the models of a version, such as `support@v2`, or all models fail meanwhile.

        `rate` is the share of the calls, `fault` one of the stand-in's (`status`, `rate_limit`, `hang`, `reset`,
        `truncate`, `bad_json` …), and `behaviour` has more of its settings, such as `status=503`.
        """
        with self.behaving(version, error_rate=rate, fault=fault, **behaviour):
            yield

    @contextmanager
    def slow(self, seconds: float, version: str | None = None) -> Iterator[None]:
        """Let answers take so long meanwhile."""
        with self.behaving(version, latency_seconds=seconds):
            yield

    @contextmanager
    def behaving(self, version: str | None = None, **behaviour: Any) -> Iterator[None]:
        """Let the models of a version, or all models, behave so meanwhile. Raises RehearsalFailed.

        `behaviour` has settings of the stand-in: `chunk_text="Shipped. "`, `chunks=1`, `tool_calls=True`.
        """
        models = self._models(version)
        before = {model: self._behaviour(model) for model in models}
        for model in models:
            self._ask("PATCH", f"{self._provider.root_url}/standin/models/{model}", behaviour)
        try:
            yield
        finally:
            for model, behaved in before.items():
                address = f"{self._provider.root_url}/standin/models/{model}"
                self._ask("DELETE" if behaved is None else "PUT", address, behaved)

    def start_canary(self, agent: str, version: str, weight: str = "50%") -> None:
        """Give a version part of the calls, as an edit of routing.yaml does, and wait until the gateway has it."""
        routing = read_plain(self.config / "routing.yaml")
        entry = {name: value for name, value in routing["agents"][agent].items() if name not in ("steps", "evaluation")}
        routing["agents"][agent] = {**entry, "canary": version, "weight": weight}
        write_json(self.config / "routing.yaml", routing)
        self.wait_for(agent, "running")

    def status(self, agent: str) -> dict[str, Any]:
        """Return what `/status` says of an agent."""
        found: dict[str, Any] = self._ask("GET", f"{self.url}/status/{agent}")["agents"][agent]
        return found

    def wait_for(self, agent: str, phase: str, seconds: float = _PATIENCE_SECONDS) -> dict[str, Any]:
        """Wait until the agent's rollout is in that phase (`running`, `rolled_back`, `completed` …), and return its
        status. Raises RehearsalFailed with what it is instead."""
        until = time.monotonic() + seconds
        while True:
            status = self.status(agent)
            if status["phase"] == phase:
                return status
            if time.monotonic() > until:
                raise RehearsalFailed(f"{agent} is {status['phase']} and not {phase} after {seconds:g} s")
            time.sleep(_POLL_SECONDS)

    def requests(self) -> list[dict[str, Any]]:
        """Return the last requests that the provider has received, oldest first."""
        found: list[dict[str, Any]] = self._ask("GET", f"{self._provider.root_url}/standin/requests")["requests"]
        return found

    def log(self) -> str:
        """Return the last lines of the gateway's log, for a failing test to show."""
        return self._gateway.tail()

    def _models(self, version: str | None) -> list[str]:
        """Return the names of the models of a version, or of all."""
        agents = load(self.config, self._environ).agents
        if version is None:
            fallbacks = [each for agent in agents.values() for each in agent.fallback if isinstance(each, Target)]
            versions = [each.target for agent in agents.values() for each in agent.versions.values()]
            return sorted({target.model for target in (*versions, *fallbacks)})
        name, _, which = version.partition("@")
        if name not in agents or which not in agents[name].versions:
            known = ", ".join(f"{agent.name}@{each}" for agent in agents.values() for each in agent.versions)
            raise RehearsalFailed(f"there is no version {version!r}; known: {known}")
        model = agents[name].versions[which].target.model
        others = [each for each, own in agents[name].versions.items() if own.target.model == model and each != which]
        if others:
            raise RehearsalFailed(
                f"{version} has the same model as {', '.join(others)} ({model}), so a fault of the model would meet "
                "both; name another model in the version's file within `config`"
            )
        return [model]

    def _behaviour(self, model: str) -> Any:
        try:
            return answer_of("GET", f"{self._provider.root_url}/standin/models/{model}")
        except NoAnswer:
            return None  # that of every model

    def _ask(self, method: str, url: str, body: object = None) -> Any:
        try:
            return answer_of(method, url, body, self.token)
        except NoAnswer as error:
            raise RehearsalFailed(f"{error}\n{self.log()}") from error


@contextmanager
def rehearsing(config: Path | None = None) -> Iterator[Rehearsal]:
    """A gateway with a copy of that configuration, or with an agent `assistant`, and a store of its own.

    Raises RehearsalFailed when it does not start, such as for a configuration that `serinus check` refuses.
    """
    with tempfile.TemporaryDirectory(prefix="serinus-", ignore_cleanup_errors=True) as folder, _loop() as loop:
        context = _running(Path(folder), config)
        try:
            rehearsal = _done(asyncio.run_coroutine_threadsafe(context.__aenter__(), loop))
        except DemoFailed as error:
            raise RehearsalFailed(str(error)) from None
        try:
            yield rehearsal
        finally:
            _done(asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), loop))


@asynccontextmanager
async def _running(folder: Path, source: Path | None) -> AsyncIterator[Rehearsal]:
    provider_port, gateway_port = free_ports(2)
    token, config = secrets.token_urlsafe(16), folder / "config"
    provider = ChildCommand("provider", ("gateway", "standin", "--listen", listen(provider_port)), "/healthz", {})
    environ = copy_configuration(source, config, f"http://{listen(provider_port)}")
    more = {"SERINUS_LISTEN": listen(gateway_port), "SERINUS_DATA": str(folder / "data"), "SERINUS_ADMIN_TOKEN": token}
    gateway = ChildCommand("gateway", ("gateway", "serve", "--config", "config"), "/readyz", {**environ, **more})
    async with (
        running(provider, listen(provider_port), folder) as standin,
        running(gateway, listen(gateway_port), folder) as served,
    ):
        yield Rehearsal(config, served, standin, token, {**environ, **more})


@contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread: a test may have one of its own, or none."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="serinus", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _done(future: "Future[Any]") -> Any:
    return future.result()
