"""Results of tools, as a suite gives them: by name, one for each call in turn, or by a command that is asked."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

import orjson
from pydantic import JsonValue

from evals.child_process import end
from gateway.child_environment import environment
from gateway.formats.prompt import ToolCall

RUN: Final = "run"
_SECONDS: Final = 60.0
_LONGEST_LINE: Final = 1 << 20


class ToolFailed(Exception):
    """The command that plays the tools cannot be started, does not answer, or answers no JSON."""


class ToolResults:
    """Results of the tools of one conversation. A list is used up call by call."""

    def __init__(self, given: Mapping[str, JsonValue]) -> None:
        self._given = given
        self._calls: Counter[str] = Counter()

    async def result_of(self, call: ToolCall) -> str | None:
        """Return what a call gets back, None where the suite has nothing more for it. Raises ToolFailed."""
        if call.name not in self._given:
            return None
        given, number = self._given[call.name], self._calls[call.name]
        self._calls[call.name] += 1
        if isinstance(given, list):
            return _text(given[number]) if number < len(given) else None
        return _text(given)


class CommandResults(ToolResults):
    """Results by a child process: a line of JSON for each call, a line of JSON for each result."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        super().__init__({})
        self._child = child

    async def result_of(self, call: ToolCall) -> str | None:
        writer, reader = self._child.stdin, self._child.stdout
        if writer is None or reader is None:
            raise ToolFailed("the command of tool_results has no pipes")
        question = {"id": call.id, "name": call.name, "arguments": _arguments(call)}
        try:
            async with asyncio.timeout(_SECONDS):
                writer.write(orjson.dumps(question) + b"\n")
                await writer.drain()
                line = await reader.readline()
            answer = orjson.loads(line)
        except TimeoutError:
            raise ToolFailed(f"the command of tool_results did not answer within {_SECONDS:g} s") from None
        except (OSError, ValueError) as error:
            raise ToolFailed(f"the command of tool_results answered no line of JSON: {error}") from None
        if not isinstance(answer, dict) or not answer.keys() & {"result", "error"}:
            raise ToolFailed('the command of tool_results must answer {"result": …} or {"error": …}')
        return _text(answer["result"]) if "result" in answer else f"Error: {_text(answer['error'])}"


@contextlib.asynccontextmanager
async def tool_results(given: Mapping[str, JsonValue]) -> AsyncIterator[ToolResults]:
    """Open the results of a case: `{name: result}`, `{name: [first, second]}`, or `{run: [command, argument]}`.

    Raises ToolFailed for a command that cannot be started.
    """
    command = given.get(RUN)
    if len(given) != 1 or not isinstance(command, list) or not command:
        yield ToolResults(given)
        return
    child = await _start([str(each) for each in command])
    try:
        yield CommandResults(child)
    finally:
        await end(child)


async def _start(command: Sequence[str]) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=pipe,
            stdout=pipe,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment(),
            limit=_LONGEST_LINE,
            start_new_session=True,
        )
    except OSError as error:
        raise ToolFailed(f"the command of tool_results cannot be started: {error.strerror}: {command[0]}") from None


def _arguments(call: ToolCall) -> JsonValue:
    """Return the arguments as the model meant them; a text where they are no JSON."""
    try:
        arguments: JsonValue = orjson.loads(call.arguments)
    except orjson.JSONDecodeError:
        return call.arguments
    return arguments


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
