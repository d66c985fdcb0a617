"""A stream of chat completions whose text is kept, because JSON was asked for, until it is examined."""

from gateway.formats import sse
from gateway.formats.openai_chat.provider_answer import content_texts
from gateway.formats.openai_chat.provider_stream import StreamReader
from gateway.formats.provider_json import dicts, parse_quietly
from gateway.redaction import Redactor
from gateway.tool_use import AnswerEnd, AnswerOutput

MOST_KEPT = 1 << 20  # bytes of a stream: some five thousand events of a token each


class KeepingReader(StreamReader):
    """Reader that keeps what it relays, within bounds, and finds the text in it once the answer has gone."""

    __slots__ = ("_kept",)

    def __init__(self, wants_usage: bool, redactor: Redactor | None = None) -> None:
        super().__init__(wants_usage, redactor)
        self._kept: bytearray | None = bytearray()

    def feed(self, chunk: bytes) -> bytes:
        """Take what came in; return the whole events to relay, which are kept."""
        return self._keep(super().feed(chunk))

    def end(self) -> bytes:
        """Return what is still to be relayed; it is kept, too."""
        return self._keep(super().end())

    @property
    def answer_end(self) -> AnswerEnd:
        """Return what the answer ended with, and its text unless that was too long."""
        end = super().answer_end
        if self._kept is None:
            return end
        output = (end.output or AnswerOutput())._replace(text=_text_of(bytes(self._kept)))
        return end._replace(output=output, is_notable=True)

    def _keep(self, relayed: bytes) -> bytes:
        if self._kept is not None:
            self._kept += relayed
            if len(self._kept) > MOST_KEPT:
                self._kept = None
        return relayed


def _text_of(stream: bytes) -> str:
    """Return the text of the first choice of a stream's events."""
    texts: list[str] = []
    for event in sse.split(stream + b"\n\n"):
        found = parse_quietly(sse.data(event))
        for choice in dicts(found.get("choices") if isinstance(found, dict) else None):
            delta = choice.get("delta")
            if isinstance(delta, dict) and not choice.get("index"):
                texts += content_texts(delta.get("content"))
    return "".join(texts)
