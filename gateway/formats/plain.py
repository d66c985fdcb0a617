"""OpenAI's plainer endpoints, embeddings and completions: no conversation, so nothing is translated.

The version gives the model, and its own parameters where the endpoint has them; all else goes through as it came.
"""

from collections.abc import Mapping
from typing import Any, Final

from gateway.calls import Call, Operation
from gateway.errors import Headers, ProviderError
from gateway.formats.applied import AppliedVersion
from gateway.formats.blame import Authors
from gateway.formats.endpoint import ProviderEndpoint
from gateway.formats.openai_chat.amend import with_usage
from gateway.formats.openai_chat.errors import check_choice, error_inside, read_error
from gateway.formats.openai_chat.provider_stream import StreamReader
from gateway.formats.openai_usage import usage_in
from gateway.formats.provider_json import parse_object, text_of
from gateway.formats.whole import Whole
from gateway.json_body import encode
from gateway.net.client import Request
from gateway.tool_use import NO_END
from routing.chain import Target

# What of a chat completion's parameters these endpoints know too. A version's `extra` always goes along.
_KNOWN: Final[Mapping[Operation, frozenset[str]]] = {
    "embeddings": frozenset(),
    "completions": frozenset(
        {
            "temperature", "top_p", "max_tokens", "stop", "seed", "presence_penalty", "frequency_penalty",
            "logit_bias", "n", "top_logprobs",
        }
    ),
}  # fmt: skip
_LIST: Final[Mapping[Operation, str]] = {"embeddings": "data", "completions": "choices"}


class Plain:
    """An attempt at such an endpoint."""

    __slots__ = ("_applied", "_asks_usage", "_call", "_endpoint", "_target")

    def __init__(
        self, call: Call, applied: AppliedVersion, endpoint: ProviderEndpoint, target: Target, asks_usage: bool = True
    ) -> None:
        self._asks_usage = asks_usage
        self._call = call
        self._applied = applied
        self._endpoint = endpoint
        self._target = target

    def request(self) -> Request:
        """Write the request. Raises ProviderError of kind `untranslatable` where the provider's API has no such
        endpoint."""
        call, endpoint = self._call, self._endpoint
        if not endpoint.api.facts.has_openai_endpoints:
            message = f"{self._target}: a provider of `api: {endpoint.format}` has no {call.operation} of this shape"
            raise ProviderError("untranslatable", message, param="model")
        path = f"{endpoint.base_path}/{call.operation}{'?' + call.query if call.query else ''}"
        return endpoint.request(path, call.headers, call.document.render(self._changes()))

    def whole(self, body: bytes) -> Whole:
        """The answer as it came, and its usage. Raises ProviderError."""
        answer = parse_object(body)
        if answer.get("error"):
            raise error_inside(answer, body)
        items = answer.get(_LIST[self._call.operation])
        if not isinstance(items, list):
            raise ProviderError("malformed", f"the provider's answer has no {_LIST[self._call.operation]}")
        if self._call.operation == "completions":
            for choice in items:
                if isinstance(choice, dict):
                    check_choice(choice)
        names = text_of(answer, "id"), text_of(answer, "model")
        return Whole(body, usage_in(answer), True, False, NO_END, *names)

    def reader(self) -> StreamReader:
        return StreamReader(self._call.wants_usage, self._endpoint.redactor())

    def error(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        added = frozenset({"stream_options"}) if self._asks_usage and not self._call.wants_usage else frozenset[str]()
        authors = Authors(self._applied, self._call.document.values, added)
        return authors.blamed(read_error(status, headers, body), body)

    def _changes(self) -> dict[str, str | None]:
        applied, document = self._applied, self._call.document
        native: Mapping[str, Any] = applied.settings.native or {}
        known = _KNOWN[self._call.operation] | native.keys()
        changed: dict[str, str | None] = {"model": encode(self._target.model)}
        changed |= {name: text for name, text in applied.fixed.items() if name in known and text is not None}
        for name, text in applied.defaults.items():
            if name in known and name not in document.texts:
                changed[name] = text
        if self._call.stream and self._asks_usage:
            changed["stream_options"] = with_usage(document)
        return changed
