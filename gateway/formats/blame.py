"""Author of what a provider refuses: the client, the agent's version, or the gateway. Decides what follows a 400.

A provider names the member in `param`, if it names any. Where a request goes through, all but the version's members and
those that the gateway adds is the client's. Where it is translated, only what the client sent under that very name is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.errors import Blame, ProviderError
from gateway.formats.applied import AppliedVersion, path_of
from gateway.formats.denials import ABOUT_CONTENT
from gateway.formats.prompt import Prompt
from gateway.formats.provider_json import parse

# Codes by which providers say that the content is at fault, whoever spelled it.
_ABOUT_CONTENT = ABOUT_CONTENT | {
    "context_length_exceeded", "invalid_prompt",
    "invalid_image_url", "image_parse_error", "invalid_base64_image", "image_too_large", "invalid_image",
}  # fmt: skip
# The field of a prompt that a member is written from; of members that stand for no field the gateway is the author.
_FIELDS: Mapping[str, str] = {
    "messages": "messages", "input": "messages", "contents": "messages", "instructions": "messages",
    "system": "messages", "system_instruction": "messages",
    "tools": "tools", "toolConfig": "tools", "tool_choice": "tool_choice",
    "parallel_tool_calls": "parallel_tools", "max_tokens": "max_tokens", "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens", "temperature": "temperature", "top_p": "top_p", "top_k": "top_k",
    "stop": "stop", "stop_sequences": "stop", "seed": "seed", "random_seed": "seed",
    "presence_penalty": "presence_penalty", "frequency_penalty": "frequency_penalty", "logprobs": "logprobs",
    "top_logprobs": "top_logprobs", "response_format": "output", "text": "output", "output_config": "output",
    "stream": "stream", "reasoning_effort": "effort", "reasoning": "effort", "thinking": "effort",
}  # fmt: skip
_CONVERSATIONS = ("messages", "input", "contents")  # what each format calls it
_USAGE = "stream_options"
_UNSET: tuple[Any, ...] = (None, (), False)
_REFUSALS = frozenset({400, 413, 422})


@dataclass(frozen=True, slots=True)
class Authors:
    """Known authors of a request's members. `sent` is the client's body, `added` the gateway's part.

    `prompt` is what a translated request was written from, before the version was applied; None where it went through.
    """

    applied: AppliedVersion
    sent: Mapping[str, Any]
    added: frozenset[str] = frozenset()
    prompt: Prompt | None = None

    def blamed(self, error: ProviderError, body: bytes) -> ProviderError:
        """Return the error that was read from that body, with its author set."""
        if error.kind == "status":
            error.blame = self._blame(error)
            is_refusal = error.upstream_status in _REFUSALS
            error.refuses_usage = is_refusal and _USAGE in self.added and _USAGE.encode() in body
        return error

    def _blame(self, error: ProviderError) -> Blame:
        path = path_of(error.param)
        if path and self.applied.blamed_by(error.param, self.sent):
            return "version"
        if error.upstream_status not in _REFUSALS or _is_about_content(error):
            return "client"
        if self.prompt is not None:
            return self._translated(path, self.prompt)
        return "gateway" if path and path[0] in self.added else "client"

    def _translated(self, path: tuple[str, ...], prompt: Prompt) -> Blame:
        if not path or path == ("tools",):  # how many functions a target takes: the client named them for another one
            return "unknown"
        own = next((name for name in _CONVERSATIONS if name in self.sent), path[0])
        if _has(self.sent, (own, *path[1:]) if path[0] in _CONVERSATIONS else path):
            return "client"
        field = _FIELDS.get(path[0])
        if field is None:
            is_asked = path[0] in prompt.hints or path[0] in prompt.extras
        else:
            is_asked = getattr(prompt, field) not in _UNSET
        return "unknown" if is_asked else "gateway"  # the client's wish in our spelling, or none of its wishes


def _is_about_content(error: ProviderError) -> bool:
    if error.body is None:
        return False
    try:
        answer = parse(error.body)
    except ProviderError:
        return False
    content = answer.get("error") if isinstance(answer, dict) else None
    code = content.get("code") if isinstance(content, dict) else None
    return isinstance(code, str) and code.lower() in _ABOUT_CONTENT


def _has(sent: Any, path: tuple[str, ...]) -> bool:
    """Return whether the client's body holds something there."""
    for name in path:
        if isinstance(sent, Mapping):
            if name not in sent:
                return False
            sent = sent[name]
        elif isinstance(sent, list):
            if not (name.isascii() and name.isdigit() and len(name) < 7 and int(name) < len(sent)):
                return False
            sent = sent[int(name)]
        else:
            return False
    return True
