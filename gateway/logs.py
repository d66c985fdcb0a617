"""Log lines on standard output, one per call and per event, JSON or text for a terminal; never a prompt, never a key.

Only fields named by the caller are written, and callers name fields, not objects: this is the allow-list. Control
characters cannot break a line, because they are escaped. No call fails because its line could not be written.

Lines of calls are written together, a twentieth of a second late at most; whatever else there is to say is written at
once, and they with it. Who kills the process without a word (SIGKILL) loses the lines of that moment.
"""

import asyncio
import atexit
import json
import logging
import os
import re
import sys
from collections.abc import Mapping, MutableMapping
from threading import RLock
from time import time
from typing import Any, BinaryIO, Final, Protocol

import orjson
import structlog

from gateway.errors import shortened
from gateway.log_text import TextOutput
from gateway.redaction import Redactor
from gateway.terminal import is_terminal, palette

FORMAT_VARIABLE: Final = "SERINUS_LOG_FORMAT"


class Log(structlog.typing.FilteringBoundLogger, Protocol):
    """The process's logger, and the short way for events of which there may be thousands a second."""

    def bind(self, **new_values: object) -> "Log": ...

    def often(self, line: dict[str, object]) -> None:
        """Log an event at the level `info`; its line may wait for others, because a write is a system call.

        `line` begins with the name of the `event`, and is completed here.
        """

    def beginning(self, line: Mapping[str, object]) -> bytes:
        """Return what lines of one kind begin with, for `go_on`; `line` begins with the name of the `event`."""

    def go_on(self, beginning: bytes, rest: dict[str, object]) -> None:
        """Log an event like `often`, where many have most members in common: the rest of them, behind the beginning."""

    def hide(self, redactor: Redactor) -> None:
        """Write no secret that this redactor knows, from now on. What providers say of calls is redacted before."""


_LONGEST_TEXT = 16_000  # characters of one field; a trace has some thousand
HELD_SECONDS = 0.05
HELD_BYTES = 64 * 1024

# What JSON may hold as it is, and a terminal or a reader would obey: DEL, the C1 controls, line and paragraph
# separators, and the marks that turn the direction of writing.
_OBEYED = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def configure(level: str = "info", form: str = "json") -> Log:
    """Set up logging for the process and return its logger. Standard-library loggers go through the same door.

    `form` is `json`, `text` or `auto`, which writes text where a terminal reads it.
    """
    lines = _Lines(_standard_output(form))
    atexit.register(lines.flush)
    log = _logger(lines, level)
    _adopt_standard_library(log)
    return log


def format_of(environ: Mapping[str, str]) -> str:
    """Return the format that the environment asks for."""
    return environ.get(FORMAT_VARIABLE) or "auto"


def is_text(form: str) -> bool:
    """Return whether lines of that format are text, and not JSON."""
    return form == "text" or (form == "auto" and is_terminal(sys.stdout))


def _standard_output(form: str) -> "_Output | TextOutput":
    output = _Output(sys.stdout.buffer)
    return TextOutput(output, palette(sys.stdout, os.environ), sys.stdout.encoding) if is_text(form) else output


def to(output: BinaryIO, level: str = "info") -> Log:
    """A logger whose lines go there, and which is nobody else's business."""
    return _logger(_Lines(_Output(output)), level)


def _logger(lines: "_Lines", level: str) -> Log:
    number = logging.getLevelNamesMapping()[level.upper()]
    log: Log = structlog.wrap_logger(lines, processors=[_line], wrapper_class=_logger_class(number)).bind()
    return log


def _logger_class(level: int) -> type[Any]:
    """structlog's logger that passes over what is below that level, with `often` besides."""

    def often(self: Any, line: dict[str, object]) -> None:
        if level <= logging.INFO:
            if self._context:
                line.update(self._context)
            line["level"], line["at"] = "info", time()
            self._logger.keep(json_of(line))

    def beginning(self: Any, line: Mapping[str, object]) -> bytes:
        return json_of({**line, **self._context, "level": "info"})[:-1] + b","

    def go_on(self: Any, beginning: bytes, rest: dict[str, object]) -> None:
        if level <= logging.INFO:
            rest["at"] = time()
            self._logger.keep(beginning + json_of(rest)[1:])

    def hide(self: Any, redactor: Redactor) -> None:
        self._logger.redactor = redactor

    members = {"often": often, "beginning": beginning, "go_on": go_on, "hide": hide}
    return type("Logger", (structlog.make_filtering_bound_logger(level),), members)


def _line(logger: object, level: str, event: MutableMapping[str, Any]) -> bytes:
    """structlog's only processor."""
    if "exc_info" in event:
        structlog.processors.format_exc_info(logger, level, event)
    event["level"], event["at"] = level, time()
    return json_of({name: _bounded(value) for name, value in event.items()})


def _bounded(value: object) -> object:
    """The value without the middle of a long text: what an error quotes may be a client's."""
    return shortened(value, _LONGEST_TEXT) if isinstance(value, str) else value


def json_of(value: object) -> bytes:
    """Return the value as JSON that breaks no line and gives a terminal no order."""
    try:
        line = orjson.dumps(value, default=str)
    except TypeError:  # a lone surrogate, or an integer beyond 64 bits
        line = json.dumps(value, default=str).encode()
    if line.isascii() and line.find(b"\x7f") < 0:
        return line
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", line.decode()).encode()


class _Lines:
    """The logger that structlog hands lines to. They stay in order."""

    def __init__(self, output: "_Output | TextOutput") -> None:
        self._output = output
        self._lock = RLock()  # libraries log in other threads, and from within the collector of garbage
        self._held: list[bytes] = []
        self._size = 0
        self.redactor = Redactor(())

    def msg(self, line: bytes) -> None:
        """Write a line, and before it all that wait."""
        with self._lock:
            self._held.append(self.redactor.thorough(line))
            self._write()

    def keep(self, line: bytes) -> None:
        """Write a line with those that come soon after it."""
        with self._lock:
            held = self._held
            held.append(line)
            self._size += len(line)
            if self._size >= HELD_BYTES or (len(held) == 1 and not self._comes_back()):
                self._write()

    debug = info = warning = error = critical = msg

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            if self._held:
                self._write()

    def _comes_back(self) -> bool:
        """Have the running loop write what waits; False where none runs."""
        try:
            asyncio.get_running_loop().call_later(HELD_SECONDS, self.flush)
        except RuntimeError:
            return False
        return True

    def _write(self) -> None:
        lines, self._held, self._size = self._held, [], 0
        self._output.write(b"\n".join(lines) + b"\n")
        self._output.flush()


class _Output:
    """Standard output, which may go away or have no room: then lines are lost, and nothing else."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except (OSError, ValueError) as error:
            return self._lost(error)

    def flush(self) -> None:
        try:
            self._file.flush()
        except (OSError, ValueError) as error:
            self._lost(error)

    def _lost(self, error: OSError | ValueError) -> int:
        """No room, or closed by whoever started us (a ValueError). A reader that left has left for good."""
        if isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._file.fileno())
        return 0


class _Forward(logging.Handler):
    """Hands what libraries log to the process's one logger."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.log(record.levelno, "library", logger=record.name, message=record.getMessage())


def _adopt_standard_library(log: Log) -> None:
    root = logging.getLogger()
    root.handlers = [_Forward(log)]
    root.setLevel(logging.WARNING)
