"""`serinus serve`: one replica, from its files to its last flush."""

import asyncio
import secrets
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import uvloop

from gateway import assemble, logs
from gateway.app import Gateway, build, new_replica_id
from gateway.config import ConfigProblems, Deployment, GatewaySettings, load
from gateway.errors import GatewayError
from gateway.logs import Log
from gateway.reload import Reloader
from gateway.server import Server
from gateway.store import OpenStore, open_store

WRONG_CONFIGURATION = 2


def serve(folder: Path, environ: Mapping[str, str]) -> int:
    """Serve the folder's configuration until SIGTERM or SIGINT; the exit code."""
    try:
        deployment = load(folder, environ)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(folder, environ, deployment))
    except (ConfigProblems, GatewayError, OSError) as error:
        print(error, file=sys.stderr)
        return WRONG_CONFIGURATION
    return 0


async def _serve(folder: Path, environ: Mapping[str, str], deployment: Deployment) -> None:
    log, hangup = logs.configure(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hangup.set)
    environ = _with_admin_token(environ, deployment.settings)
    deployment = await asyncio.to_thread(load, folder, environ)
    settings, replica = deployment.settings, new_replica_id()
    store = await _store(settings, replica, log)
    gateway = build(deployment, store, replica, log)
    await gateway.start()
    try:
        reloader = Reloader(folder, environ, gateway.apply, gateway.refuse, deployment)
        _follow_files(gateway, reloader, hangup)
        await _until_told(gateway)
    finally:
        await gateway.stop()
        log.info("stopped", replica=replica)


async def _store(settings: GatewaySettings, replica: str, log: Log) -> OpenStore:
    try:
        return await open_store(settings.store.get_secret_value(), settings.data, replica, _store_log(log))
    except ValueError as error:  # it names what it does not understand, and no password
        raise GatewayError(f"store: {error}") from error


def _follow_files(gateway: Gateway, reloader: Reloader, hangup: asyncio.Event) -> None:
    """Reload on every change of the files, and on SIGHUP."""

    async def reload_on_hangup() -> None:
        while True:
            await hangup.wait()
            hangup.clear()
            await reloader.reload_now()

    gateway.services.config_error = lambda: str(reloader.error) if reloader.error else None
    gateway.keep(reloader.run)
    gateway.keep(reload_on_hangup)


async def _until_told(gateway: Gateway) -> None:
    settings, log = gateway.deployment.settings, gateway.services.log
    listen = settings.listen
    server = Server(
        gateway.asgi, listen.host, listen.port, assemble.limits(settings),
        drain_seconds=settings.drain, on_draining=gateway.drain,
    )  # fmt: skip
    serving = asyncio.create_task(server.serve())
    started = asyncio.create_task(server.started.wait())
    await asyncio.wait([serving, started], return_when=asyncio.FIRST_COMPLETED)
    if server.started.is_set():
        log.info("serving", listen=f"{listen.host}:{server.port}", replica=gateway.services.replica)
    try:
        await serving
    finally:
        started.cancel()
        await asyncio.wait([started])


def _with_admin_token(environ: Mapping[str, str], settings: GatewaySettings) -> Mapping[str, str]:
    """On loopback, an operator without a token gets one for this run, on standard error and nowhere else."""
    if settings.admin_token_sha256 is not None or not settings.listen.is_loopback:
        return environ
    token = secrets.token_urlsafe(24)
    print(f"SERINUS_ADMIN_TOKEN={token}  # made for this run", file=sys.stderr, flush=True)
    return {**environ, "SERINUS_ADMIN_TOKEN": token}


def _store_log(log: Log) -> Callable[[str, Mapping[str, object]], None]:
    """What the embedded store says of itself goes into the log."""
    return lambda message, fields: log.warning("store", message=message, **fields)
