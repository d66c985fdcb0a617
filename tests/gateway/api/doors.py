"""The endpoint of each client format: its path, a request, its key, and where an answer and an error say something."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

KEY = "a-key"
HELLO = [{"role": "user", "content": "hello"}]


@dataclass(frozen=True, slots=True)
class Door:
    """How a format's clients ask for "hello": path, body, key, and where the words of an answer and an error stand."""

    path: str
    body: Mapping[str, Any]
    key: Mapping[str, str]
    words: Callable[[Any], str]
    error: Callable[[Any], str]

    def request(self, agent: str, stream: bool = False) -> tuple[str, dict[str, Any]]:
        """Path and body of a call."""
        path = self.path.format(agent=agent, verb="streamGenerateContent" if stream else "generateContent")
        if "contents" in self.body:
            return path, dict(self.body)
        return path, {**self.body, "model": agent, "stream": stream}


DOORS = {
    "openai": Door(
        "/v1/chat/completions", {"messages": HELLO}, {"authorization": f"Bearer {KEY}"},
        lambda said: said["choices"][0]["message"]["content"], lambda said: said["error"]["type"],
    ),
    "openai-responses": Door(
        "/v1/responses", {"input": "hello"}, {"authorization": f"Bearer {KEY}"},
        lambda said: said["output"][0]["content"][0]["text"], lambda said: said["error"]["type"],
    ),
    "anthropic": Door(
        "/v1/messages", {"messages": HELLO, "max_tokens": 9}, {"x-api-key": KEY},
        lambda said: said["content"][0]["text"], lambda said: said["error"]["type"],
    ),
    "gemini": Door(
        "/v1beta/models/{agent}:{verb}", {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]},
        {"x-goog-api-key": KEY},
        lambda said: said["candidates"][0]["content"]["parts"][0]["text"], lambda said: said["error"]["status"],
    ),
    "gemini-interactions": Door(
        "/v1beta/interactions", {"input": "hello"}, {"x-goog-api-key": KEY},
        lambda said: said["steps"][0]["content"][0]["text"], lambda said: said["error"]["code"],
    ),
}  # fmt: skip
