"""The stand-in's wire formats as a test calls them: path, key, and the smallest request of each."""

import json
from dataclasses import dataclass, field
from typing import Any

from gateway.rehearsal.standin import Standin

from .raw import Heard, request, send

HELLO = [{"role": "user", "content": "Where is my order?"}]
ORDER = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}
GOOGLES_ORDER = {"type": "OBJECT", "properties": {"id": {"type": "INTEGER"}}, "required": ["id"]}


@dataclass(frozen=True)
class Dialect:
    """One wire format. `calling` are the fields of a request whose answer is a call of the tool `lookup`."""

    path: str
    body: dict[str, Any]
    calling: dict[str, Any] = field(default_factory=dict)
    headers: str = ""
    stream_path: str = ""  # where a stream has a path of its own
    ends: str = ""  # what the last event of a whole stream has in it

    async def post(self, standin: Standin, *, stream: bool = False, headers: str = "", **more: Any) -> Heard:
        """One call."""
        path = self.stream_path if stream and self.stream_path else self.path
        asked = {"stream": True} if stream and not self.stream_path else {}
        return await send(standin, request({**self.body, **asked, **more}, path=path, headers=headers or self.headers))


ANTHROPIC = Dialect(
    path="/v1/messages",
    body={"model": "m", "max_tokens": 100, "messages": HELLO},
    calling={"tools": [{"name": "lookup", "input_schema": ORDER}], "tool_choice": {"type": "any"}},
    headers="x-api-key: k\r\nanthropic-version: 2023-06-01\r\n",
    ends="message_stop",
)
RESPONSES = Dialect(
    path="/v1/responses",
    body={"model": "m", "input": "Where is my order?"},
    calling={"tools": [{"type": "function", "name": "lookup", "parameters": ORDER}], "tool_choice": "required"},
    headers="authorization: Bearer k\r\n",
    ends="response.completed",
)
GEMINI = Dialect(
    path="/v1beta/models/m:generateContent",
    stream_path="/v1beta/models/m:streamGenerateContent?alt=sse",
    body={"contents": [{"role": "user", "parts": [{"text": "Where is my order?"}]}]},
    calling={
        "tools": [{"functionDeclarations": [{"name": "lookup", "parameters": GOOGLES_ORDER}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
    },
    headers="x-goog-api-key: k\r\n",
    ends='"finishReason":"STOP"',
)
COMPLETIONS = Dialect(
    path="/v1/completions",
    body={"model": "m", "prompt": "Where is my order?"},
    headers="authorization: Bearer k\r\n",
    ends="[DONE]",
)
DIALECTS = {"anthropic": ANTHROPIC, "responses": RESPONSES, "gemini": GEMINI, "completions": COMPLETIONS}


def datas(heard: Heard) -> list[Any]:
    """The data of a chunked stream's events, parsed."""
    return [json.loads(line[6:]) for line in heard.chunked[0].decode().split("\n") if line.startswith("data: ")]


def whole(heard: Heard) -> Any:
    """A plain answer, parsed."""
    return json.loads(heard.body)
