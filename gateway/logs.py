"""One JSON line per call and per event, on standard output; never a prompt, never a key.

Only fields named by the caller are written, and callers name fields, not objects: this is the allow-list. Control
characters cannot break a line, because JSON escapes them.
"""

import logging
import sys
from typing import Any

import orjson
import structlog

Log = structlog.typing.FilteringBoundLogger


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
        logger_factory=structlog.BytesLoggerFactory(file=sys.stdout.buffer),
    )
    log: Log = structlog.get_logger()
    _adopt_standard_library(log)
    return log


def _encode(event: dict[str, Any], **_: Any) -> bytes:
    return orjson.dumps(event, default=str)


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
