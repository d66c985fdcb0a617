"""`serinus serve --workers N`: what the workers share, the signals, and the order in which all of it ends."""

import asyncio
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import uvloop

from gateway import logs
from gateway.config import ConfigProblems, Deployment, GatewaySettings, load
from gateway.errors import GatewayError
from gateway.logs import Log
from gateway.replica.admin_token import needs_token, with_admin_token
from gateway.replica.banner import banner, show
from gateway.replica.early_signals import Ending
from gateway.replica.listening import take_address
from gateway.replica.workers.fleet import WRONG_CONFIGURATION, Fleet
from gateway.replica.workers.worker import WorkerPlan
from gateway.store import EMBEDDED, EmbeddedRedis, connect
from gateway.telemetry.start import checked_settings


def serve_many(folder: Path, environ: Mapping[str, str], count: int) -> int:
    """Serve the folder's configuration with so many workers until SIGTERM or SIGINT; the exit code.

    SIGHUP restarts the workers one after another. 1 when none ever becomes ready.
    """
    try:
        deployment = load(folder, environ)
        checked_settings(environ)
        environ = with_admin_token(environ, deployment.settings)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(folder, environ, deployment, count))
    except (ConfigProblems, GatewayError, OSError) as error:
        print(error, file=sys.stderr)
        return WRONG_CONFIGURATION
    except asyncio.CancelledError:  # told to end before there were workers
        return 0


async def _serve(folder: Path, environ: Mapping[str, str], deployment: Deployment, count: int) -> int:
    settings = deployment.settings
    ending, log = Ending(), logs.configure(form=logs.format_of(environ))
    with take_address(settings.listen) as listener, tempfile.TemporaryFile() as counts:
        environ = _pinned(environ, settings, listener.getsockname()[1])
        async with _private_redis(settings, log) as embedded:
            plan = WorkerPlan(folder, environ, listener, counts.fileno(), 2 * count, embedded)
            said = banner(deployment, folder, listener.getsockname()[1], is_new_token=needs_token(settings))
            fleet = Fleet(plan, count, log, settings.drain, partial(show, said, environ))
            ending.by(fleet.stop)
            _follow_hangup(fleet, plan, log)
            code = await fleet.run()
    log.info("stopped", workers=count)
    return code


@asynccontextmanager
async def _private_redis(settings: GatewaySettings, log: Log) -> AsyncIterator[str | None]:
    """The URL of the private Redis, which ends last; None where the store is somebody else's."""
    where = settings.store.get_secret_value()
    if where != EMBEDDED:
        _check_store(where)
        yield None
        return
    redis = EmbeddedRedis(
        settings.embedded_folder,
        lambda message, fields: log.warning("store", message=message, **fields),
        settings.store_binary,
    )
    url = await redis.start()
    try:
        yield url
    finally:
        await redis.stop()


def _check_store(url: str) -> None:
    """Report an invalid store once, in the parent, instead of once in every worker."""
    try:
        connect(url)
    except ValueError as error:
        raise GatewayError(f"store: {error}") from error


def _pinned(environ: Mapping[str, str], settings: GatewaySettings, port: int) -> Mapping[str, str]:
    """Workers that start after an edit of `listen` or `store` have the port and the store of those before."""
    host = f"[{settings.listen.host}]" if ":" in settings.listen.host else settings.listen.host
    pins = {"SERINUS_LISTEN": f"{host}:{port}", "SERINUS_STORE": settings.store.get_secret_value()}
    return {**environ, **pins}


def _follow_hangup(fleet: Fleet, plan: WorkerPlan, log: Log) -> None:
    def renew() -> None:
        try:
            settings = load(plan.folder, plan.environ).settings
        except ConfigProblems as problems:
            log.error("configuration_refused", problems=[str(problem) for problem in problems.problems])
            return
        fleet.drain_seconds = settings.drain
        fleet.renew()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, renew)
