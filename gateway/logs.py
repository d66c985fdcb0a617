"""One JSON line per call and per event, on standard output; never a prompt, never a key.

Only fields named by the caller are written, and callers name fields, not objects: this is the allow-list. Control
characters cannot break a line, because they are escaped. No call fails because its line could not be written.
"""

import json
import logging
import os
import re
import sys
from typing import Any, BinaryIO, cast

import orjson
import structlog

Log = structlog.typing.FilteringBoundLogger

# What JSON may hold as it is, and a terminal or a reader would obey: DEL, the C1 controls, line and paragraph
# separators, and the marks that turn the direction of writing.
_OBEYED = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def configure(level: str = "info") -> Log:
    """Set up logging for the process and return its logger. Standard-library loggers go through the same door."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        cache_logger_on_first_use=True,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.TimeStamper(fmt=None, key="at"),
            structlog.processors.JSONRenderer(serializer=_encode),
        ],
        logger_factory=structlog.BytesLoggerFactory(file=cast(BinaryIO, _Output(sys.stdout.buffer))),
    )
    log: Log = structlog.get_logger()
    _adopt_standard_library(log)
    return log


def _encode(event: dict[str, Any], **_: Any) -> bytes:
    try:
        line = orjson.dumps(event, default=str)
    except TypeError:  # a lone surrogate, or an integer beyond 64 bits
        line = json.dumps(event, default=str).encode()
    if line.isascii() and b"\x7f" not in line:
        return line
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", line.decode()).encode()


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
