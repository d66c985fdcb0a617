"""A child process that scores: a line of JSON for each item, a line of JSON for each score."""

import asyncio
import json
import os
import shutil
import tempfile
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import isfinite
from typing import Any, Final

import orjson

from evals.child_process import end
from evals.money import to_nano_usd
from evals.scorers.evaluator import Evaluator, EvaluatorReply
from gateway.child_environment import environment
from gateway.terminal import one_line

LONGEST_LINE: Final = 1 << 20
_LAST_WORDS: Final = 4_096  # bytes of the standard error that are kept
_SHOWN_WORDS: Final = 300
_LONGEST_REASON: Final = 2_000
_MOST_COST_USD: Final = 1e6
_SHORTEST_SECRET: Final = 4


class EvaluatorFault(Exception):
    """The child broke the protocol: it has ended, hangs, or answers something else. It is of no more use."""


class EvaluatorDeclined(Exception):
    """The child says itself that it has no score. It may have cost something all the same."""

    def __init__(self, message: str, cost_nano_usd: int = 0) -> None:
        super().__init__(message)
        self.cost_nano_usd = cost_nano_usd


class EvaluatorProcess:
    """A child of an evaluator. `secrets` never appear in what it is quoted with.

    `folder` is its own for temporary files, and goes with it.
    """

    def __init__(
        self, evaluator: Evaluator, child: asyncio.subprocess.Process, secrets: Sequence[str], folder: str
    ) -> None:
        self._evaluator = evaluator
        self._child = child
        self._folder = folder
        self._secrets = [secret for secret in secrets if len(secret) >= _SHORTEST_SECRET]
        self._last_words = deque[int](maxlen=_LAST_WORDS)
        self._listener = asyncio.create_task(self._listen())

    @classmethod
    async def start(cls, evaluator: Evaluator, door: Mapping[str, str], key: str) -> "EvaluatorProcess":
        """Start a child with the variables that it may have, and those of the door. Raises EvaluatorFault."""
        named = {name: os.environ[name] for name in evaluator.env if name in os.environ}
        pipe = asyncio.subprocess.PIPE
        folder = await asyncio.to_thread(tempfile.mkdtemp, prefix="serinus-evaluator-")
        try:
            child = await asyncio.create_subprocess_exec(
                *evaluator.command,
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                env={**environment(), "TMPDIR": folder, **named, **door},
                cwd=evaluator.cwd,
                limit=LONGEST_LINE,
                start_new_session=True,
            )
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise EvaluatorFault(f"cannot be started: {error.strerror}: {one_line(evaluator.run[0])}") from None
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return cls(evaluator, child, [*named.values(), key], folder)

    async def ask(self, item: Mapping[str, Any]) -> EvaluatorReply:
        """Return the score of an item. Raises EvaluatorFault and EvaluatorDeclined."""
        try:
            async with asyncio.timeout(self._evaluator.timeout):
                line = await self._exchange(json.dumps(item, default=dict).encode() + b"\n")
        except TimeoutError:
            raise EvaluatorFault(f"did not answer within {self._evaluator.timeout:g} s") from None
        except ValueError:  # as asyncio calls a line beyond its limit
            raise EvaluatorFault(f"answered a line of more than {LONGEST_LINE >> 20} MiB") from None
        if not line.endswith(b"\n"):
            raise EvaluatorFault(await self._describe_end())
        return self._read(line, str(item["id"]))

    async def end(self) -> None:
        """Kill the child with all that it has started."""
        self._listener.cancel()
        await asyncio.gather(self._listener, return_exceptions=True)
        try:
            await end(self._child, f"TMPDIR={self._folder}")
        finally:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    async def _exchange(self, item: bytes) -> bytes:
        writer, reader = self._child.stdin, self._child.stdout
        if writer is None or reader is None:
            raise AssertionError("both are pipes")
        with suppress(ConnectionError):  # it has ended; what it wrote may still say something
            writer.write(item)
            await writer.drain()
        return await reader.readline()

    async def _listen(self) -> None:
        """Read all that it writes to its standard error, and keep the last of it."""
        reader = self._child.stderr
        while reader is not None and (part := await reader.read(1 << 16)):
            self._last_words.extend(part[-_LAST_WORDS:])

    async def _describe_end(self) -> str:
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await asyncio.shield(self._listener)
                await self._child.wait()
        code = self._child.returncode
        how = "closed its output" if code is None else f"ended by signal {-code}" if code < 0 else f"ended with {code}"
        words = self.quoted(bytes(self._last_words).decode(errors="replace").strip())[-_SHOWN_WORDS:]
        return f"{how}; its last words: {words}" if words else how

    def quoted(self, text: str) -> str:
        """Return a text of the child as one line, without secrets and control characters."""
        for secret in self._secrets:
            text = text.replace(secret, "[redacted]")
        return one_line(text)

    def _read(self, line: bytes, item_id: str) -> EvaluatorReply:
        try:
            reply = orjson.loads(line)
        except orjson.JSONDecodeError:
            raise EvaluatorFault("answered no line of JSON") from None
        if not isinstance(reply, dict):
            raise EvaluatorFault("answered no object")
        if reply.get("id") != item_id:
            raise EvaluatorFault("answered with the id of no item, or of another")
        score, passed, cost, reason = (reply.get(name) for name in ("score", "pass", "cost", "reason"))
        if cost is not None and not (_is_number(cost) and 0 <= cost <= _MOST_COST_USD):
            raise EvaluatorFault("answered a `cost` that is no sum in USD")
        if error := reply.get("error"):
            raise EvaluatorDeclined(self.quoted(str(error))[:_LONGEST_REASON], to_nano_usd(cost or 0))
        if not (score is None or _is_number(score)) or not (passed is None or isinstance(passed, bool)):
            raise EvaluatorFault("answered a `score` that is no number, or a `pass` that is neither true nor false")
        if score is None and passed is None:
            raise EvaluatorFault("answered neither `score` nor `pass`")
        if not isinstance(reason, str | None):
            raise EvaluatorFault("answered a `reason` that is no text")
        shown = self.quoted(reason or "")[:_LONGEST_REASON]
        return EvaluatorReply(None if score is None else float(score), passed, shown, to_nano_usd(cost or 0))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
