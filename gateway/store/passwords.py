"""Passwords that change while the gateway runs: from a file, from a command, or made of AWS credentials.

redis-py asks for one whenever it connects, so that every new connection takes the newest.
"""

import asyncio
import os
import shlex
from abc import ABC, abstractmethod
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic, time

from redis.credentials import CredentialProvider
from redis.exceptions import ConnectionError as ConnectionFailed

from gateway.aws import Chain, Credentials, Scope, from_environment, presign
from gateway.child_environment import environment
from gateway.config.store_url import AWS_IAM, StoreUrl
from gateway.errors import GatewayError

MAX_PASSWORD_BYTES = 65_536
COMMAND_SECONDS = 15.0  # the command lines of clouds take seconds when they ask the network
FRESH_SECONDS = 60.0  # for which the answer of a command is used without running it again
RENEW_SECONDS = 1800.0  # AWS ends a connection 12 hours after its login, Azure when its token ends
TOKEN_SECONDS = 900  # AWS accepts no longer life for a token of ElastiCache and MemoryDB
# What the programs of clouds find their login by; the keys of providers stay here.
_FOR_COMMANDS = ("HOME", "AWS_", "AZURE_", "CLOUDSDK_", "GOOGLE_", "IDENTITY_", "MSI_", "VAULT_", "XDG_")


class RotatingPassword(CredentialProvider, ABC):
    """Source of the user and the newest password of each connection that is made."""

    def __init__(self, user: str | None) -> None:
        self._user = user
        self._renewed_at = monotonic()

    def is_due(self) -> bool:
        """Return whether connections have had their password for long; the next answer counts from now."""
        is_due = monotonic() - self._renewed_at > RENEW_SECONDS
        if is_due:
            self._renewed_at = monotonic()
        return is_due

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """Raise redis-py's ConnectionError where there is no password: it closes a connection for that alone."""
        try:
            password = await self.newest()
        except (OSError, GatewayError) as error:
            raise ConnectionFailed(f"no password for the store: {error}") from error
        except asyncio.CancelledError:
            # Whoever waits for the operation raises it again. As it is, it would leave a connection without a login.
            raise ConnectionFailed("no password for the store in time") from None
        return (self._user, password) if self._user else (password,)

    @abstractmethod
    async def newest(self) -> str:
        """Return the password of now. Raises OSError and GatewayError."""

    def forget(self) -> None:
        """Give up what is remembered of a password that was refused."""

    def stop(self) -> None:
        """End what is under way: nobody connects any more."""


class FilePassword(RotatingPassword):
    """A file whose content is the password, such as a mounted secret; a line break at its end is no part of it."""

    def __init__(self, user: str | None, path: Path) -> None:
        super().__init__(user)
        self._path = path

    async def newest(self) -> str:
        with self._path.open("rb") as file:  # local and small, and not to be waited for in the middle of a connection
            content = file.read(MAX_PASSWORD_BYTES)
        return _password(content, "password_file")


class CommandPassword(RotatingPassword):
    """A program that prints the password. What it printed is used for a while, and renewed behind the back of calls."""

    def __init__(self, user: str | None, command: str) -> None:
        super().__init__(user)
        self._words = shlex.split(command)
        self._password = ""
        self._printed_at = 0.0
        self._running: asyncio.Task[str] | None = None

    async def newest(self) -> str:
        if self._password and monotonic() - self._printed_at < FRESH_SECONDS:
            return self._password
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run(), name="store-password")
            self._running.add_done_callback(_heed)
        if self._password:
            return self._password
        return await asyncio.shield(self._running)  # whoever gives up leaves the answer to the next connection

    def forget(self) -> None:
        self._password = ""

    def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()

    async def _run(self) -> str:
        process = await asyncio.create_subprocess_exec(
            *self._words, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, env=_environment_of_command(os.environ)
        )
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                printed, _ = await process.communicate()
        except TimeoutError:
            raise GatewayError(f"password_command does not end within {COMMAND_SECONDS:g} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise GatewayError(f"password_command ended with exit code {process.returncode}")
        self._password, self._printed_at = _password(printed, "password_command"), monotonic()
        return self._password


class AwsToken(RotatingPassword):
    """A token of IAM for ElastiCache and MemoryDB, made anew for each connection; it is valid for 15 minutes."""

    def __init__(self, url: StoreUrl, unix: Callable[[], float] = time) -> None:
        super().__init__(url.user)
        self._cache = url.options["aws_cache"].lower()
        self._scope = Scope(url.options["aws_region"], url.options.get("aws_service", "elasticache"))
        self._query = {"Action": "connect", "User": url.user or ""}
        if url.is_on("aws_serverless"):
            self._query["ResourceType"] = "ServerlessCache"
        self._unix = unix
        self._chain: Chain | None = None

    async def newest(self) -> str:
        credentials = await asyncio.to_thread(self._find_credentials)
        return presign(self._cache, self._query, credentials, self._scope, self._unix(), TOKEN_SECONDS)

    def _find_credentials(self) -> Credentials:
        if (found := from_environment(os.environ)) is not None:
            return found
        if self._chain is None:
            self._chain = Chain()
        return self._chain.current()


def rotating_password(url: StoreUrl) -> RotatingPassword | None:
    """Return where the store's password comes from, None where it stands in the URL or there is none."""
    if "password_file" in url.options:
        return FilePassword(url.user, Path(url.options["password_file"]))
    if "password_command" in url.options:
        return CommandPassword(url.user, url.options["password_command"])
    return AwsToken(url) if url.options.get("auth") == AWS_IAM else None


def _password(content: bytes, source: str) -> str:
    """Return the text of a password. Raises GatewayError, which shows nothing of it."""
    text = content.decode("utf-8", "replace").rstrip("\r\n")
    if not text or "\ufffd" in text or len(content) >= MAX_PASSWORD_BYTES:
        raise GatewayError(f"{source} gives no password: it is empty, too long or not UTF-8")
    return text


def _environment_of_command(ours: Mapping[str, str]) -> dict[str, str]:
    return environment(ours) | {name: value for name, value in ours.items() if name.startswith(_FOR_COMMANDS)}


def _heed(task: asyncio.Task[str]) -> None:
    """Take note of a failure, which whoever waits hears of; a password that is known goes on being used."""
    if not task.cancelled():
        task.exception()
