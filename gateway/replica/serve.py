"""`serinus serve`: one replica, from its files to its last flush; alone on its port, or as one worker of several."""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from gateway import logs
from gateway.api.metric_gauges import process_samples
from gateway.config import ConfigProblems, GatewaySettings, load
from gateway.errors import GatewayError
from gateway.logs import Log
from gateway.net.server import Server
from gateway.replica.admin_token import needs_token, with_admin_token
from gateway.replica.banner import banner, show
from gateway.replica.early_signals import Ending
from gateway.replica.listening import local_url, take_address
from gateway.replica.reload import Reloader
from gateway.replica.replica import Gateway, Seams, build, new_replica_id, refuse_open_door
from gateway.replica.workers.inheritance import Post, PostedWorker
from gateway.replica.workers.reports import ReportLine
from gateway.store import Memory, OpenStore, join_store, memory_folder, open_store
from gateway.store.data_folder import open_to_others
from gateway.telemetry.start import checked_settings

WRONG_CONFIGURATION = 2
# A drain leaves connections that rest open for so long: the next request on one that is in use is answered, with word
# that it was the last, where a close would have crossed it on its way.
IDLE_SECONDS = 1.0


def serve(folder: Path, environ: Mapping[str, str]) -> int:
    """Serve the folder's configuration until SIGTERM or SIGINT; the exit code."""
    return _run(folder, environ, None)


def serve_at(folder: Path, environ: Mapping[str, str], post: str) -> int:
    """Serve at this `Post`, as one worker of several, until a signal or the parent's word or end; the exit code."""
    return _run(folder, environ, PostedWorker(Post.read(post)))


def _run(folder: Path, environ: Mapping[str, str], posted: PostedWorker | None) -> int:
    try:
        if posted:
            _run_loop(_serve(folder, environ, posted, posted.sock, False))
            return 0
        settings = load(folder, environ).settings
        with take_address(settings.listen) as sock:  # before anything is committed or promised
            _run_loop(_serve(folder, with_admin_token(environ, settings), None, sock, needs_token(settings)))
    except (ConfigProblems, GatewayError, OSError) as error:
        print(error, file=sys.stderr)
        return WRONG_CONFIGURATION
    except asyncio.CancelledError:  # told to end before it served
        return 0
    return 0


def _run_loop(serving: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serving)


async def _serve(
    folder: Path,
    environ: Mapping[str, str],
    posted: PostedWorker | None,
    sock: socket.socket | None,
    is_new_token: bool,
) -> None:
    ending, replica, hangup = Ending(), new_replica_id(), asyncio.Event()
    log = logs.configure(form=logs.format_of(environ)).bind(replica=replica)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hangup.set)
    otel, deployment = checked_settings(environ), await asyncio.to_thread(load, folder, environ)
    host = posted.host if posted else deployment.settings.listen.host
    refuse_open_door(deployment.settings, host)
    if posted and posted.embedded:
        store = join_store(posted.embedded, replica)
    else:
        store = await _store(deployment.settings, replica, log)
    store = replace(store, memory=await asyncio.to_thread(_memory, deployment.settings, log))
    gateway = build(deployment, store, replica, log, host, Seams(otel=otel))
    if sock is not None:
        address = deployment.settings.public_url or local_url(host, sock.getsockname()[1])
        gateway.services.controller.records.page_root = address.rstrip("/")
    reports = _report_line(gateway, posted)
    try:
        await gateway.learn_prices(deployment)
        await gateway.start()
        if reports:
            gateway.keep(reports.attend)
        reloader = _reloader(folder, environ, gateway)
        _follow_files(gateway, reloader, hangup)
        gateway.keep(gateway.services.overload.run)  # it measures this process's loop
        gc.collect()
        gc.freeze()  # what is here now stays: the collector need not go through all of it time and again, some 70 ms
        server = _server(gateway, posted, sock)
        ending.by(server.stop)

        def announce() -> None:
            log.info("serving", **_where(gateway.deployment.settings, server.port, folder))
            if posted is None:
                table = gateway.services.table
                entries = {name: table.entry(name) for name in table}
                said = banner(gateway.deployment, folder, server.port, is_new_token=is_new_token, entries=entries)
                show(said, environ)

        await _run_server(gateway, server, posted, announce)
    finally:
        await gateway.stop()
        if reports:
            await reports.finish()
        log.info("stopped")


def _reloader(folder: Path, environ: Mapping[str, str], gateway: Gateway) -> Reloader:
    """Return what keeps the gateway up to date with its folder."""
    revoke = partial(_revoke, gateway)
    return Reloader(folder, environ, gateway.apply, gateway.refuse, gateway.deployment, gateway.prepare, revoke)


def _revoke(gateway: Gateway, kept: frozenset[bytes]) -> bool:
    """Refuse all other keys from now on, and log whose they are. Return whether there are any."""
    callers = gateway.services.runtime.doorkeeper.revoke_all_but(kept)
    if callers:
        gateway.services.log.warning("keys_revoked", callers=callers)
    return bool(callers)


def _report_line(gateway: Gateway, posted: PostedWorker | None) -> ReportLine | None:
    """Return the line by which this worker has the metrics of all; None where there is one process."""
    if posted is None or posted.reports is None:
        return None
    line = ReportLine(posted.reports, lambda: process_samples(gateway.services))
    gateway.services.collect_reports = line.collect
    return line


async def _store(settings: GatewaySettings, replica: str, log: Log) -> OpenStore:
    try:
        where, folder = settings.store.get_secret_value(), settings.embedded_folder
        return await open_store(where, folder, replica, _store_log(log), settings.store_binary)
    except ValueError as error:  # it names what it does not understand, and no password
        raise GatewayError(f"store: {error}") from error


def _memory(settings: GatewaySettings, log: Log) -> Memory:
    """Return this installation's memory of its store, in the data folder."""
    if place := open_to_others(settings.data):
        message = "every user of this host may replace the data folder; remove write permission for others"
        log.warning("data_folder", message=message, writable=str(place))
    memory = Memory(memory_folder(settings.data, settings.store.get_secret_value()), _store_log(log))
    memory.load()
    if memory.was_empty and memory.folder:
        message = f"no memory of this store in {memory.folder.resolve()}: rollouts continue from it or start again"
        log.warning("memory", message=message)
    return memory


def _follow_files(gateway: Gateway, reloader: Reloader, hangup: asyncio.Event) -> None:
    """Reload on every change of the files, and on SIGHUP."""

    async def reload_on_hangup() -> None:
        while True:
            await hangup.wait()
            hangup.clear()
            await reloader.reload_now()

    gateway.services.config_error = lambda: str(reloader.error) if reloader.error else None
    gateway.alerting.problem_place = lambda: reloader.error.place if reloader.error else None
    gateway.keep(reloader.run)
    gateway.keep(reload_on_hangup)


def _server(gateway: Gateway, posted: PostedWorker | None, sock: socket.socket | None) -> Server:
    settings = gateway.deployment.settings
    listen = settings.listen

    def drain() -> None:
        """The port is unready, unless it is only this worker that goes. From now on every further word means haste."""
        if posted:
            posted.leave()
        if not (posted and posted.is_retiring):
            gateway.drain()

    return Server(
        gateway.asgi, listen.host, listen.port, gateway.limits,
        drain_seconds=settings.drain, idle_seconds=IDLE_SECONDS, on_draining=drain,
        sock=sock, share=posted.share if posted else None,
    )  # fmt: skip


async def _run_server(
    gateway: Gateway, server: Server, posted: PostedWorker | None, announce: Callable[[], None]
) -> None:
    serving = asyncio.create_task(server.serve(handle_signals=False))
    started = asyncio.create_task(server.started.wait())
    await asyncio.wait([serving, started], return_when=asyncio.FIRST_COMPLETED)
    if server.started.is_set():
        announce()
        if posted:
            posted.be_ready(gateway.services.replica)
            posted.attend(server.stop)
    try:
        await serving
    finally:
        started.cancel()
        await asyncio.wait([started])


def _where(settings: GatewaySettings, port: int, folder: Path) -> dict[str, str]:
    """Return what tells one installation from another in the log."""
    store = memory_folder(settings.data, settings.store.get_secret_value()).name
    places = {"store": store, "data": str(settings.data.resolve()), "config": str(folder.resolve())}
    return {"listen": f"{settings.listen.host}:{port}", **places}


def _store_log(log: Log) -> Callable[[str, Mapping[str, object]], None]:
    """Return a writer that copies the embedded store's messages into the log."""
    return lambda message, fields: log.warning("store", message=message, **fields)
