"""Targets that read a whole input or a stream in memory."""

import csv
import io
import json
import math
import re
import struct
from typing import Any
from zlib import crc32

import yaml

from gateway.config import quantities
from gateway.config.nodes import Node
from gateway.config.strict_yaml import UnreadableError, decode
from gateway.config.strict_yaml import parse as parse_yaml
from gateway.errors import BodyTooLarge, CallerError, ProviderError
from gateway.formats.bedrock._framing import EventStreamFramer
from gateway.formats.framing import Framer, SseFramer
from gateway.json_body import Document, NotJson, TooManyValues
from gateway.json_size import holds_more
from gateway.passthrough.form import Form
from gateway.prompts import language
from gateway.rollout import call_id
from policies.guardrails import grammar
from tests.fuzz.target import Target, pieces

_LINES = re.compile(rb"\r\n|\n|\r")
_KEY = b"k" * 32
_TEXT_FOR_US = "\x85\u2028\u2029"  # line breaks in YAML 1.1, and none in 1.2


def events_by_the_standard(data: bytes) -> list[tuple[str, bytes]]:
    """What WHATWG HTML 9.2.6 makes of a stream, with an event that nothing closed: names and data, line by line."""
    found: list[tuple[str, bytes]] = []
    name, lines = b"", list[bytes]()
    for line in [*_LINES.split(data), b""]:
        if not line and (lines or name):
            found.append((name.decode("utf-8", "replace"), b"\n".join(lines)))
            name, lines = b"", []
        field, colon, value = line.partition(b":")
        if colon and field == b"data":
            lines.append(value.removeprefix(b" "))
        elif colon and field == b"event":
            name = value.removeprefix(b" ")
    return found


def check_sse(data: bytes, cuts: tuple[int, ...]) -> None:
    """Cut anywhere, a stream has the same events, which are those of the standard; and no byte is lost."""
    framer = SseFramer()
    frames = [frame for piece in pieces(data, cuts) for frame in framer.feed(piece)]
    raw = b"".join(frame.raw for frame in frames) + bytes(framer._cutter.kept)
    assert raw == data, "bytes were lost"
    frames += framer.end()
    found = [(frame.name, frame.data) for frame in frames if frame.name or frame.data]
    wanted = [(name, data) for name, data in events_by_the_standard(data) if name or data]
    assert found == wanted, (found, wanted)


def _framed(framer: Framer, parts: list[bytes]) -> list[object]:
    """The frames, and the message of the error that ended them."""
    found: list[object] = []
    try:
        for part in parts:
            found += framer.feed(part)
        found += framer.end()
    except ProviderError as error:
        found.append(error.message)
    return found


def message(headers: bytes, payload: bytes) -> bytes:
    """A message of AWS's event stream, with right checksums."""
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    whole = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return whole + struct.pack(">I", crc32(whole))


def check_event_stream(data: bytes, cuts: tuple[int, ...]) -> None:
    """Cut anywhere, the same messages and the same error; bytes as headers of a right message raise nothing else."""
    for stream in (data, message(data, b"{}"), message(b"", data) + data):
        assert _framed(EventStreamFramer(), pieces(stream, cuts)) == _framed(EventStreamFramer(), [stream])


def _passed(data: bytes, parts: list[bytes]) -> tuple[object, ...]:
    """What a form lets through, its value, and why it was refused."""
    form, out = Form(b"multipart/form-data; boundary=cut", "model"), b""
    form.expect("good")
    try:
        for part in parts:
            out += form.feed(part)
        form.end()
    except CallerError as error:
        return ("refused", error.message)
    return out, form.value, form.saw_file, form.value_bytes


def check_form(data: bytes, cuts: tuple[int, ...]) -> None:
    """Cut anywhere, a form is refused or goes through alike; through goes what came, but for the value."""
    whole = _passed(data, [data])
    cut = _passed(data, pieces(data, cuts))
    assert (whole[0] == "refused") == (cut[0] == "refused"), (whole, cut)
    if whole[0] == "refused":
        return
    assert whole == cut
    out, value, _, value_bytes = whole
    assert isinstance(out, bytes) and isinstance(value_bytes, int)
    if value is None:
        assert out == data
    else:
        assert len(out) - len(b"good") == len(data) - value_bytes


def check_json(data: bytes, _cuts: tuple[int, ...]) -> None:
    """What is read is what Python reads, and is written back as the same; the count of values is never too low."""
    try:
        document = Document.parse(data)
    except (NotJson, TooManyValues):
        return
    assert document.values == json.loads(data)
    assert json.loads(document.render({})) == document.values
    changed = json.loads(document.render({"model": '"x"'}))
    assert changed["model"] == "x"
    count = _values(document.values)
    assert not holds_more(data, count * 20 + 20)
    try:
        Document.parse(data, 1)
    except BodyTooLarge:
        return
    assert count <= 2


def _values(value: Any) -> int:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(_values, parts))


def check_guardrail(data: bytes, _cuts: tuple[int, ...]) -> None:
    """A guardrail is read, or refused in words; what is read has numbers that a test can use."""
    try:
        guardrail = grammar.parse(data.decode("utf-8", "replace"))
    except ValueError as error:
        assert str(error)
        return
    assert math.isfinite(guardrail.threshold) and guardrail.threshold >= 0
    assert guardrail.names and all(guardrail.names)
    assert grammar.parse(f"  {guardrail.text}  ".strip()).threshold == guardrail.threshold


def check_template(data: bytes, _cuts: tuple[int, ...]) -> None:
    """A template is read, or refused with its line; a text without braces is itself."""
    text = data.decode("utf-8", "replace")
    try:
        body = language.parse(text, {})
    except language.TemplateError as error:
        assert 1 <= error.line <= text.count("\n") + 1
        return
    if "{{" not in text:
        assert "".join(part for part in body if isinstance(part, str)) == text


def check_yaml(data: bytes, _cuts: tuple[int, ...]) -> None:
    """What is accepted is what PyYAML reads, but for words that YAML 1.1 takes for numbers; all else has a line."""
    try:
        parsed = parse_yaml(decode(data), "file")
    except UnreadableError as error:
        assert str(error)
        return
    for problem in parsed.problems:
        assert problem.message and problem.line is not None
    if parsed.problems or parsed.root is None or any(each in decode(data) for each in _TEXT_FOR_US):
        return
    try:
        other = yaml.load(data.decode("utf-8-sig"), yaml.BaseLoader)  # noqa: S506  it makes texts alone
    except (yaml.YAMLError, ValueError):
        return
    assert _shape(_plain(parsed.root)) == _shape(other), (_plain(parsed.root), other)


def _plain(node: Node) -> Any:
    value = node.value
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def _shape(value: Any) -> Any:
    """The mappings and lists of a document, without what stands at their leaves."""
    if isinstance(value, dict):
        return {str(name): _shape(each) for name, each in value.items()}
    return [_shape(each) for each in value] if isinstance(value, list) else "leaf"


def check_quantities(data: bytes, _cuts: tuple[int, ...]) -> None:
    """Durations, shares and sizes are read as finite numbers of their range, or refused in words."""
    text = data.decode("utf-8", "replace")
    for read, most in (
        (quantities.basis_points, 10_000),
        (quantities.positive_basis_points, 10_000),
        (quantities.share, 1),
        (quantities.seconds, math.inf),
        (quantities.positive_seconds, math.inf),
        (quantities.size, math.inf),
    ):
        try:
            found = read(text)
        except ValueError as error:
            assert str(error)
            continue
        assert 0 <= found <= most and math.isfinite(found), (read, text, found)


def check_call_id(data: bytes, _cuts: tuple[int, ...]) -> None:
    """No text is a call of a caller's but those that were made so."""
    text = data.decode("latin-1")
    assert call_id.read(text, "caller", _KEY) is None
    found = call_id.nonce_in(text)
    assert found is None or all(isinstance(part, bytes) for part in found)


def check_csv(data: bytes, _cuts: tuple[int, ...]) -> None:
    """A table has the rows that Python's reader finds, or is refused with a line."""
    from evals.cases import SuiteError
    from evals.suites.documents import parse_csv

    text = data.decode("utf-8", "replace")
    try:
        table = _plain(parse_csv(text, "file"))
    except SuiteError as error:
        assert error.problems
        return
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    assert len(table) <= max(len(rows) - 1, 0)


READERS = (
    Target("sse", check_sse),
    Target("event_stream", check_event_stream),
    Target("form", check_form),
    Target("json", check_json),
    Target("guardrail", check_guardrail),
    Target("template", check_template),
    Target("yaml", check_yaml),
    Target("quantities", check_quantities),
    Target("call_id", check_call_id),
    Target("csv", check_csv),
)
