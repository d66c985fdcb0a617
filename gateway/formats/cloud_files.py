"""Objects in the provider's cloud storage that a client names: the provider reads them under the account's own role.

So a client could have any bucket read that the account may read. It is refused unless the configuration allows it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.formats.prompt import Media, Part, Prompt, ToolResult, Untranslatable

_SCHEMES = ("s3://", "gs://")
_CONTENTS = ("contents", "systemInstruction", "system_instruction")


def check_prompt(prompt: Prompt) -> None:
    """Raise Untranslatable where a message names such an object."""
    _check(media.url or media.file_id for message in prompt.messages for media in _media(message.parts))


def check_contents(values: Mapping[str, Any]) -> None:
    """The same for a request in Gemini's format that goes on as it came, whatever else is wrong with it."""
    _check(_uris([values.get(name) for name in _CONTENTS], ("fileUri", "file_uri")))


def check_input(values: Mapping[str, Any]) -> None:
    """The same for a request of Gemini's Interactions API."""
    _check(_uris([values.get("input")], ("uri",)))


def _check(uris: Iterable[str]) -> None:
    for uri in uris:
        if uri.strip().lower().startswith(_SCHEMES):
            raise Untranslatable(
                f"{uri.strip()[:5]} objects are not read for clients: it would be under the account's own role; send "
                "the data, or set the provider's cloud_files: true",
                param="messages",
            )


def _media(parts: Iterable[Part]) -> Iterator[Media]:
    for part in parts:
        if isinstance(part, Media):
            yield part
        elif isinstance(part, ToolResult):
            yield from _media(part.parts)


def _uris(values: list[Any], members: Iterable[str]) -> Iterator[str]:
    """Every text in these members at any depth; no deeper than a body may be nested, and without recursion."""
    while values:
        value = values.pop()
        if isinstance(value, list):
            values += value
        elif isinstance(value, dict):
            values += value.values()
            yield from (each for name in members if isinstance(each := value.get(name), str))
