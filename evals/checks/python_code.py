"""Python of a suite, as checks and as transforms, in a process of its own with a deadline and without keys."""

import asyncio
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from evals.checks.checkable import Checkable
from evals.checks.javascript import compact, number_of, text_of
from evals.checks.scores import CaseScore, MetricScore, not_decided
from evals.child_process import end
from evals.money import to_usd
from gateway.child_environment import environment

SECONDS = 30.0
MEMORY_BYTES = 1 << 30  # of addresses, of which libraries in C take many
MAX_RESULT_BYTES = 1 << 20
_CHILD = Path(__file__).with_name("python_child.py")
_FILE = "file://"


class PythonFailed(Exception):
    """The suite's code raised an exception, or returned nothing that can be used."""


class PythonStopped(Exception):
    """The suite's code took too long or too much memory, or ended its process."""


@dataclass(frozen=True, slots=True)
class PythonLimits:
    """The deadline of one call in seconds, and its memory in bytes."""

    seconds: float = SECONDS
    memory_bytes: int = MEMORY_BYTES


async def check_python(given: Checkable, limits: PythonLimits = PythonLimits()) -> CaseScore:
    """The code returns true, a number of `threshold` or more, or an object `{pass, score, reason}`.

    Without a threshold a number must be more than 0. An exception fails the check; a deadline leaves it undecided.
    """
    try:
        value = await call(given, text_of(given.spec.value), "get_assert", limits)
        return _score(given, value)
    except PythonFailed as error:
        return CaseScore(False, 0.0, f"Python: {error}")
    except PythonStopped as error:
        return not_decided(f"Python: {error}")


async def transform_answer(given: Checkable, limits: PythonLimits = PythonLimits()) -> Checkable:
    """Return the check with the answer's text as the suite's `transform` changes it.

    Raises PythonFailed and PythonStopped.
    """
    value = await call(given, given.spec.transform or "", "get_transform", limits)
    text = value if isinstance(value, str) else compact(value)
    return Checkable(given.spec, given.case, replace(given.answer, text=text, tool_calls=()), given.graders)


async def call(given: Checkable, code: str, function: str, limits: PythonLimits) -> JsonValue:
    """Return what the code returns: of a file `file://checks.py:name`, an expression, or lines with a `return`."""
    request: dict[str, Any] = {"source": None, "path": None, "function": "main"}
    folder = _folder(given.spec.place.file)
    if code.startswith(_FILE):
        path, _, name = code.removeprefix(_FILE).partition(":")
        request |= {"path": str(folder / path), "function": name or function}
    else:
        request |= {"source": _function_of(code)}
    request |= {"output": _output(given), "context": _context(given)}
    request |= {"seconds": limits.seconds, "memory_bytes": limits.memory_bytes}
    answer = await _run(json.dumps(request).encode(), folder, limits.seconds)
    if answer.get("memory"):
        raise PythonStopped(f"out of memory, of {limits.memory_bytes >> 20} MiB")
    if "error" in answer:
        raise PythonFailed(str(answer["error"]))
    value: JsonValue = answer.get("value")
    return value


def _folder(file: str) -> Path:
    folder = Path(file).resolve().parent
    return folder if folder.is_dir() else Path.cwd()


async def _run(request: bytes, folder: Path, seconds: float) -> Mapping[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        str(_CHILD),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment(),
        cwd=folder,
        start_new_session=True,
    )
    try:
        result = await asyncio.wait_for(_exchange(process, request), seconds)
        answer = json.loads(result)
    except TimeoutError as error:
        raise PythonStopped(f"no result within {seconds:g} s") from error
    except ValueError as error:
        raise PythonStopped("the process ended without a result") from error
    finally:
        await end(process)
    return answer if isinstance(answer, dict) else {}


async def _exchange(process: asyncio.subprocess.Process, request: bytes) -> bytes:
    """Send the request, and return the result: all of it, up to the most that is read."""
    writer, reader = process.stdin, process.stdout
    if writer is None or reader is None:
        raise AssertionError("both are pipes")
    with suppress(ConnectionError):  # the code may end before it has read
        writer.write(request)
        await writer.drain()
        writer.close()
    result = b""
    while len(result) <= MAX_RESULT_BYTES and (part := await reader.read(MAX_RESULT_BYTES)):
        result += part
    if len(result) > MAX_RESULT_BYTES:
        raise PythonFailed(f"a result of more than {MAX_RESULT_BYTES >> 20} MiB")
    return result


def _function_of(code: str) -> str:
    if "\n" not in code:
        return f"def main(output, context):\n    return {code}\n"
    indented = next((line for line in code.splitlines() if line.strip() and line[:1] in (" ", "\t")), "    x")
    margin = indented[: len(indented) - len(indented.lstrip())]
    return "\n".join(["def main(output, context):", *(f"{margin}{line}" for line in code.split("\n"))])


def _output(given: Checkable) -> JsonValue:
    """Return the answer as the code gets it: a text, or what its JSON holds where there are tool calls alone."""
    if given.answer.text or not given.answer.tool_calls:
        return given.answer.text
    value: JsonValue = json.loads(given.text)
    return value


def _context(given: Checkable) -> Mapping[str, Any]:
    case, answer = given.case, given.answer
    cost = None if answer.cost_nano_usd is None else to_usd(answer.cost_nano_usd)
    usage = {"prompt": answer.input_tokens, "completion": answer.output_tokens}
    return {
        "vars": dict(case.inputs),
        "prompt": compact([dict(message) for message in case.messages]),
        "test": {"vars": dict(case.inputs), "metadata": dict(case.metadata), "expected": case.expected},
        "providerResponse": {
            "output": given.text,
            "cost": cost,
            "latencyMs": answer.latency_seconds * 1000,
            "finishReason": answer.finish_reason,
            "tokenUsage": usage,
        },
        "steps": [
            {"name": step.call.name, "arguments": step.call.arguments, "turn": step.turn} for step in answer.steps
        ],
    }


def _score(given: Checkable, value: JsonValue) -> CaseScore:
    """Return the score of what the code returned, as promptfoo reads it. Raises PythonFailed."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise PythonFailed("the returned text is no JSON") from error
    if isinstance(value, Mapping):
        return _result_score(given, value)
    lowered = value.lower() if isinstance(value, str) else ""
    if isinstance(value, bool) or lowered in ("true", "false"):
        holds = value is True or lowered == "true"
        passed = holds != given.spec.negated
        return CaseScore(passed, float(passed), f"the code returned {'true' if holds else 'false'}")
    number = None if isinstance(value, list) else number_of(text_of(value))
    if number is None:
        raise PythonFailed("the code must return a boolean, a number or an object {pass, score, reason}")
    threshold = given.spec.threshold
    holds = number > 0 if threshold is None else number >= threshold
    return CaseScore(holds != given.spec.negated, number, f"the code returned {number:g}")


def _result_score(given: Checkable, result: Mapping[str, Any]) -> CaseScore:
    passed, score, reason = result.get("pass", result.get("pass_")), result.get("score"), result.get("reason")
    is_number = isinstance(score, int | float) and not isinstance(score, bool)
    if not isinstance(passed, bool) or not is_number or not isinstance(reason, str):
        raise PythonFailed("a returned object must hold `pass` (boolean), `score` (number) and `reason` (text)")
    value = float(score or 0)
    if given.spec.threshold is not None and value < given.spec.threshold:
        passed, reason = False, f"score {value:g} is less than {given.spec.threshold:g}: {reason}"
    return CaseScore(passed != given.spec.negated, value, reason[:2000], metrics=tuple(_metrics(result)))


def _metrics(result: Mapping[str, Any]) -> list[MetricScore]:
    named = result.get("named_scores", result.get("namedScores"))
    weights = result.get("named_score_weights", result.get("namedScoreWeights"))
    weights = weights if isinstance(weights, Mapping) else {}
    return [
        MetricScore(str(name), float(value), float(weights.get(name, 1)))
        for name, value in (named.items() if isinstance(named, Mapping) else ())
        if isinstance(value, int | float)
    ]
