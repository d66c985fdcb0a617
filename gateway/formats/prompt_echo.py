"""The prompt that a request named, in its answer: for formats in which answers repeat it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.calls import Call
from gateway.formats.framing import Frame, Framer


@dataclass(frozen=True, slots=True)
class PromptEcho:
    """A way to put a prompt into the answer of a provider that does not know it: a whole one, or an event."""

    in_answer: Callable[[bytes, Mapping[str, Any]], bytes]
    in_frame: Callable[[Frame, Mapping[str, Any]], Frame]


class EchoFramer:
    """A framer whose frames have the prompt in them."""

    def __init__(self, framer: Framer, echo: PromptEcho, prompt: Mapping[str, Any]) -> None:
        self._framer = framer
        self._echo = echo
        self._prompt = prompt

    def feed(self, chunk: bytes) -> Iterable[Frame]:
        """Return the frames that are whole now. Raises ProviderError behind the last of them."""
        return (self._echo.in_frame(frame, self._prompt) for frame in self._framer.feed(chunk))

    def end(self) -> Sequence[Frame]:
        """Return what is left. Raises ProviderError."""
        return [self._echo.in_frame(frame, self._prompt) for frame in self._framer.end()]


def prompt_of(call: Call, version: str) -> Mapping[str, Any] | None:
    """Return the prompt as an answer repeats it, with the version that served; None where the call named none."""
    return None if call.prompt is None else {**call.prompt, "version": version}
