"""Cuts `application/vnd.amazon.eventstream` into events, whatever pieces the network makes of it.

A message is a prelude (its length, the length of its headers, their CRC32), headers, a payload and a CRC32 of it all;
numbers are big-endian. Source: the event stream encoding of AWS (Amazon Transcribe and S3 Select developer guides).
"""

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from zlib import crc32

from gateway.errors import ProviderError
from gateway.formats.framing import Frame

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_LENGTH = struct.Struct(">H")
_OVERHEAD = _PRELUDE.size + _CRC.size
_LONGEST = 16 << 20  # AWS allows a payload of 24 MB; nothing that a model says comes near

# Bytes that the value of a header takes, by its type; a string or bytes come with their own length.
_FIXED = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_SIZED = (6, 7)

ERROR = "error"


class EventStreamFramer:
    """Each frame's name is the type of the event or of the exception, its data the payload."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Yield the messages that are complete by now. Raises ProviderError for what is none, behind those before."""
        self._buffer += chunk
        while len(self._buffer) >= _PRELUDE.size:
            length = self._length()
            if len(self._buffer) < length:
                break
            message = bytes(self._buffer[:length])
            del self._buffer[:length]
            yield _frame(message)

    def end(self) -> Sequence[Frame]:
        """Raise ProviderError where the stream ended inside a message."""
        if self._buffer:
            raise _malformed("ends inside a message")
        return ()

    def _length(self) -> int:
        """The length of the first message. Its prelude is checked, as a wrong length would swallow what follows."""
        length, headers, checksum = _PRELUDE.unpack_from(self._buffer)
        if crc32(self._buffer[:8]) != checksum:
            raise _malformed("has a prelude whose checksum is wrong")
        if not _OVERHEAD + headers <= length <= _LONGEST:
            raise _malformed("has a message of an impossible length")
        return int(length)


def _frame(message: bytes) -> Frame:
    if crc32(message[: -_CRC.size]) != _CRC.unpack_from(message, len(message) - _CRC.size)[0]:
        raise _malformed("has a message whose checksum is wrong")
    start = _PRELUDE.size + _PRELUDE.unpack_from(message)[1]
    headers = _headers(message[_PRELUDE.size : start])
    data = message[start : -_CRC.size]
    match headers.get(":message-type"):
        case "exception":
            return Frame(headers.get(":exception-type", ERROR), data, message)
        case "error":
            content = {"message": headers.get(":error-message", ""), "code": headers.get(":error-code", "")}
            return Frame(ERROR, json.dumps(content).encode(), message)
    return Frame(headers.get(":event-type", ""), data, message)


def _headers(block: bytes) -> Mapping[str, str]:
    """The headers that are text, by name. Raises ProviderError for a block that does not add up."""
    found: dict[str, str] = {}
    index = 0
    try:
        while index < len(block):
            start = index + 1
            index = start + block[index]
            name, kind = block[start:index].decode("utf-8", "replace"), block[index]
            index += 1
            if kind in _SIZED:
                size = _LENGTH.unpack_from(block, index)[0]
                index += _LENGTH.size
                found[name] = block[index : index + size].decode("utf-8", "replace")
            else:
                size = _FIXED[kind]
            index += size
    except (IndexError, KeyError, struct.error):
        raise _malformed("has a message with unreadable headers") from None
    if index != len(block):
        raise _malformed("has a message with unreadable headers")
    return found


def _malformed(how: str) -> ProviderError:
    return ProviderError("malformed", f"the provider's event stream {how}")
