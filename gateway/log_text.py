"""Log lines for people at a terminal: a short time, the event in words, and for a call what it was and what it cost.

Made from the JSON line that would be written elsewhere, so it holds nothing which that one does not. What a provider
or a client said is escaped; the colours are ours alone.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from time import localtime, strftime
from typing import Any, Protocol

from gateway.number_words import duration, usd
from gateway.number_words import weight as share
from gateway.terminal import Palette, one_line, printable

Line = Mapping[str, Any]

_INDENT = " " * 9  # as wide as the time and a space
_NEVER_SHOWN = frozenset(("event", "level", "at", "replica", "exception"))
_BASIS_POINTS = 10_000
_MANY = 5  # rows of problems that are shown of one event


class Output(Protocol):
    """A destination of bytes."""

    def write(self, data: bytes) -> int: ...
    def flush(self) -> None: ...


class TextOutput:
    """Output of JSON lines as text; a line that cannot be read stays as it is, without control characters."""

    def __init__(self, output: Output, colours: Palette, encoding: str = "utf-8") -> None:
        self._output = output
        self._colours = colours
        self._encoding = encoding

    def write(self, data: bytes) -> int:
        text = "".join(f"{self._text(line)}\n" for line in data.splitlines())
        self._output.write(text.encode(self._encoding, "backslashreplace"))
        return len(data)

    def flush(self) -> None:
        self._output.flush()

    def _text(self, line: bytes) -> str:
        try:
            return as_text(json.loads(line), self._colours)
        except (ValueError, TypeError, AttributeError, LookupError, OverflowError):
            return printable(line.decode("utf-8", "backslashreplace"))


def as_text(line: Line, colours: Palette) -> str:
    """Return the line of an event for people; what belongs to it follows on indented lines."""
    at = strftime("%H:%M:%S", localtime(line["at"]))
    first, *more = _WORDS.get(str(line["event"]), _other)(line, colours)
    more += printable(str(line["exception"])).splitlines() if line.get("exception") else []
    return "\n".join([f"{colours.dim(at)} {first}", *(f"{_INDENT}{each}" for each in more)])


def _call(line: Line, colours: Palette) -> Iterator[str]:
    """`support v2 canary  200  412 ms  $0.00131`; after a failure also what each target said, and the call's id."""
    status, is_bad = line["status"], line["end"] in ("failed", "broken")
    paint = colours.red if is_bad else colours.yellow if line["end"] != "answered" else colours.green
    end = f"{status or '–'}" if line["end"] == "answered" else f"{status or '–'} {_words(line['end'])}"
    cost = "cost unknown" if line["cost_usd"] is None else usd(line["cost_usd"])
    slow = duration(line["latency"])
    first = f", first token {duration(line['ttft'])}" if line["ttft"] is not None else ""
    marks = [word for word, is_set in _marks(line) if is_set]
    yield "  ".join(
        [colours.bold(one_line(_who(line))), paint(end), f"{slow}{first}", cost, *map(colours.yellow, marks)]
    )
    failures = _counted([_failure(each) for each in line.get("failures") or []])
    yield from (colours.red(each) if is_bad else colours.yellow(each) for each in failures)
    if is_bad or failures:
        yield colours.dim(f"call {one_line(str(line['id']))}")


def _who(line: Line) -> str:
    if line["agent"] is None:
        return str(line.get("model"))
    arm = line["arm"] or (line["reason"] if line["reason"] not in ("stable", "split") else "")
    return " ".join(filter(None, (line["agent"], line["version"], arm)))


def _marks(line: Line) -> Iterator[tuple[str, bool]]:
    yield "fallback", line["end"] == "answered" and len({target for target, _, _ in line["attempts"]}) > 1
    yield f"hedge {line['hedge']}", line["hedge"] is not None


def _failure(failure: Line) -> str:
    words = [str(failure["target"]), *(str(each) for each in (failure["status"], _words(failure["failure"])) if each)]
    said = failure.get("message") or ""
    return one_line(" ".join(words) + (f": {said}" if said else ""))


def _counted(texts: Sequence[str]) -> list[str]:
    """Return texts in their order, those that follow one another alike as one with their number."""
    runs = [(text, sum(1 for _ in alike)) for text, alike in groupby(texts)]
    return [text if count == 1 else f"{count} × {text}" for text, count in runs]


def _refused(line: Line, colours: Palette) -> Iterator[str]:
    """A request that was refused before it was a call: `refused 404 POST /v1/chat/completions from 127.0.0.1: …`."""
    who = line.get("caller") or line.get("client") or "?"
    head = f"refused {line.get('status', '')} {line['method']} {line['path']} from {who}: {line['message']}"
    left = f"  (and {line['unlogged']} more)" if line.get("unlogged") else ""
    yield colours.yellow(one_line(f"{head}{left}"))


def _passed(line: Line, colours: Palette) -> Iterator[str]:
    """A request that was passed on without an agent: `openai POST  200  85 ms`."""
    is_bad = line["end"] != "answered"
    end = f"{line['status'] or '–'} {_words(line['end'])}" if is_bad else str(line["status"])
    head = colours.bold(one_line(f"{line['provider']} {line['method']}"))
    yield "  ".join([head, colours.red(end) if is_bad else colours.green(end), duration(line["latency"])])
    yield from map(colours.red, _counted([_failure(each) for each in line.get("failures") or []]))


def _decision(line: Line, colours: Palette) -> Iterator[str]:
    action = str(line["action"])
    paint = colours.red if action in ("roll_back", "abort") else colours.bold
    words = f"{line['agent']}: {_words(action)} by {line['actor']}{_canary(line)}, epoch {line['epoch']}"
    yield paint(one_line(words))
    yield one_line(str(line["reason"]))
    if often := line.get("most_often"):
        yield one_line(f"most often: {often}")
    if page := line.get("page"):
        yield colours.cyan(one_line(str(page)))


def _record_applied(line: Line, colours: Palette) -> Iterator[str]:
    yield colours.dim(one_line(f"{line['agent']}: record {line['epoch']} is in use here{_canary(line)}"))


def _canary(line: Line) -> str:
    return f", canary at {share(line['weight'] / _BASIS_POINTS)}" if line["phase"] else ""


def _serving(line: Line, colours: Palette) -> Iterator[str]:
    yield colours.bold(one_line(f"serving at {line['listen']}"))


def _stopped(line: Line, colours: Palette) -> Iterator[str]:
    yield colours.bold("stopped")


def _configuration(line: Line, colours: Palette) -> Iterator[str]:
    yield colours.green(f"configuration in use, agents: {int(line['agents'])}")


def _configuration_refused(line: Line, colours: Palette) -> Iterator[str]:
    problems = list(line["problems"])
    yield colours.red("configuration refused; the previous one stays in use")
    yield from (colours.red(one_line(str(problem))) for problem in problems[:_MANY])
    if len(problems) > _MANY:
        yield f"and {len(problems) - _MANY} more; see 'serinus check'"


def _target_misconfigured(line: Line, colours: Palette) -> Iterator[str]:
    yield colours.red(one_line(f"{line['target']} cannot serve {line['agent']}: {line['why']}"))
    yield one_line(str(line["do"]))


def _other(line: Line, colours: Palette) -> Iterator[str]:
    """Any other event: its name in words, its message, and the other members as they are."""
    paint = {"error": colours.red, "critical": colours.red, "warning": colours.yellow}.get(line.get("level", ""), str)
    said = line.get("message") or line.get("error")
    others = {name: value for name, value in line.items() if name not in _NEVER_SHOWN and value not in (None, said)}
    words = [_words(line["event"]) + (f": {said}" if said else ""), *(f"{n}={_plain(v)}" for n, v in others.items())]
    yield paint(one_line("  ".join(words)))


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _words(name: object) -> str:
    return str(name or "").replace("_", " ")


_WORDS: Mapping[str, Callable[[Line, Palette], Iterator[str]]] = {
    "call": _call,
    "shadow": _call,
    "decision": _decision,
    "passed": _passed,
    "refused": _refused,
    "record_applied": _record_applied,
    "serving": _serving,
    "stopped": _stopped,
    "configuration": _configuration,
    "configuration_refused": _configuration_refused,
    "target_misconfigured": _target_misconfigured,
}
