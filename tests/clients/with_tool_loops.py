"""Loops of tools by the makers' own SDKs, in each format and whole or streamed, whose calls reach two gateways in turn.

Each has rounds of two tools at once, one of which fails, and at its end a tool that never answers. Then calls that a
fallback or a hedge saves, a stream that is left, and a sub-agent that its trace or a header tells.
"""

import json
import sys
import time
from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import httpx
from anthropic import Anthropic
from google import genai
from google.genai import types
from http_watch import Watch, round_trip
from openai import OpenAI

ROOTS, AGENT = sys.argv[1:3], sys.argv[3]
ROUNDS = 3
NAMES = ("look_up", "find")
SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}
WATCH, BARE = Watch(), httpx.Client()


class Said(NamedTuple):
    """An answer: the tools that it asks for, by id and name, and its tokens."""

    tools: list[tuple[str, str]]
    tokens: tuple[int, int]


class Loop(ABC):
    """A conversation in one format. Each call reaches the next of the two gateways."""

    def __init__(self, streams: bool, model: str = AGENT, headers: dict[str, str] | None = None) -> None:
        self.streams, self.model, self.headers = streams, model, headers or {}
        self.history: list[Any] = []
        self.calls = self.given = self.made = 0

    def ask(self) -> list[tuple[str, str]]:
        """Send the history and add the answer to it; return the tools that it asks for."""
        said = self.answer(self.calls % 2)
        self.calls, self.given, self.made = self.calls + 1, self.given + said.tokens[0], self.made + said.tokens[1]
        return said.tools

    @abstractmethod
    def user(self, text: str) -> None: ...

    @abstractmethod
    def result(self, tools: list[tuple[str, str]]) -> None:
        """Add the results: that of `find` is an error."""

    @abstractmethod
    def answer(self, at: int) -> Said: ...

    @abstractmethod
    def leave(self) -> None:
        """Begin a stream, read something of it, and go."""


class Chat(Loop):
    """Chat completions."""

    clients: ClassVar[list[Any]] = [OpenAI(base_url=f"{root}/v1", api_key="a-key", max_retries=0) for root in ROOTS]
    tools: ClassVar[list[Any]] = [
        {"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in NAMES
    ]

    def user(self, text: str) -> None:
        self.history.append({"role": "user", "content": text})

    def result(self, tools: list[tuple[str, str]]) -> None:
        for id_, name in tools:
            said = "Error: nothing found" if name == "find" else "found"
            self.history.append({"role": "tool", "tool_call_id": id_, "content": said})

    def create(self, at: int, **more: Any) -> Any:
        create: Any = self.clients[at].chat.completions.create
        return create(
            model=self.model, messages=self.history, tools=self.tools, extra_headers=self.headers, **more
        )  # fmt: skip

    def answer(self, at: int) -> Said:
        calls: dict[int, dict[str, Any]] = {}
        usage: Any = None
        if self.streams:
            for chunk in self.create(at, stream=True, stream_options={"include_usage": True}):
                usage = chunk.usage or usage
                for part in (chunk.choices[0].delta.tool_calls or ()) if chunk.choices else ():
                    call = calls.setdefault(
                        part.index, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}}
                    )
                    call["id"] += part.id or ""
                    call["function"]["name"] += part.function.name or ""
                    call["function"]["arguments"] += part.function.arguments or ""
        else:
            whole = self.create(at)
            usage = whole.usage
            calls = {at: each.model_dump() for at, each in enumerate(whole.choices[0].message.tool_calls or ())}
        asked = list(calls.values())
        self.history.append(
            {"role": "assistant", "tool_calls": asked} if asked else {"role": "assistant", "content": "."}
        )
        found = [(each["id"], each["function"]["name"]) for each in asked]
        return Said(found, (usage.prompt_tokens, usage.completion_tokens))

    def leave(self) -> None:
        stream = self.create(0, stream=True)
        next(iter(stream))
        stream.close()


class Responses(Loop):
    """Responses."""

    clients: ClassVar[list[Any]] = Chat.clients
    tools: ClassVar[list[Any]] = [
        {"type": "function", "name": name, "parameters": SCHEMA, "strict": False} for name in NAMES
    ]

    def user(self, text: str) -> None:
        self.history.append({"role": "user", "content": text})

    def result(self, tools: list[tuple[str, str]]) -> None:
        for id_, name in tools:
            said = "Error: nothing found" if name == "find" else "found"
            self.history.append({"type": "function_call_output", "call_id": id_, "output": said})

    def create(self, at: int, **more: Any) -> Any:
        create: Any = self.clients[at].responses.create
        return create(model=self.model, input=self.history, tools=self.tools, extra_headers=self.headers, **more)

    def answer(self, at: int) -> Said:
        if self.streams:
            *_, last = self.create(at, stream=True)
            whole = last.response
        else:
            whole = self.create(at)
        self.history += [each.model_dump(exclude_none=True) for each in whole.output]
        found = [(each.call_id, each.name) for each in whole.output if each.type == "function_call"]
        return Said(found, (whole.usage.input_tokens, whole.usage.output_tokens))

    def leave(self) -> None:
        stream = self.create(0, stream=True)
        for event in stream:
            if event.type == "response.output_text.delta":
                break
        stream.close()


class Messages(Loop):
    """Messages."""

    clients: ClassVar[list[Any]] = [Anthropic(base_url=root, api_key="a-key", max_retries=0) for root in ROOTS]
    tools: ClassVar[list[Any]] = [{"name": name, "input_schema": SCHEMA} for name in NAMES]

    def user(self, text: str) -> None:
        self.history.append({"role": "user", "content": text})

    def result(self, tools: list[tuple[str, str]]) -> None:
        results = [
            {
                "type": "tool_result",
                "tool_use_id": id_,
                "content": "nothing" if name == "find" else "found",
                "is_error": name == "find",
            }
            for id_, name in tools
        ]
        self.history.append({"role": "user", "content": results})

    def given_by(self) -> dict[str, Any]:
        return {"model": self.model, "max_tokens": 100, "messages": self.history, "tools": self.tools,
                "extra_headers": self.headers}  # fmt: skip

    def answer(self, at: int) -> Said:
        messages: Any = self.clients[at].messages
        if self.streams:
            with messages.stream(**self.given_by()) as stream:
                whole = stream.get_final_message()
        else:
            whole = messages.create(**self.given_by())
        self.history.append(
            {"role": "assistant", "content": [each.model_dump(exclude_none=True) for each in whole.content]}
        )
        found = [(each.id, each.name) for each in whole.content if each.type == "tool_use"]
        return Said(found, (whole.usage.input_tokens, whole.usage.output_tokens))

    def leave(self) -> None:
        messages: Any = self.clients[0].messages
        with messages.stream(**self.given_by()) as stream:
            next(iter(stream.text_stream))


class Gemini(Loop):
    """Gemini's generateContent, whose tool calls may have no ids."""

    clients: ClassVar[list[Any]] = [
        genai.Client(api_key="a-key", http_options=types.HttpOptions(base_url=root)) for root in ROOTS
    ]
    tools: ClassVar[list[Any]] = [
        types.Tool(function_declarations=[types.FunctionDeclaration(name=name) for name in NAMES])
    ]

    def user(self, text: str) -> None:
        self.history.append(types.Content(role="user", parts=[types.Part(text=text)]))

    def result(self, tools: list[tuple[str, str]]) -> None:
        said = {"find": {"error": "nothing found"}, "look_up": {"output": "found"}}
        parts = [
            types.Part(function_response=types.FunctionResponse(id=id_ or None, name=name, response=said[name]))
            for id_, name in tools
        ]
        self.history.append(types.Content(role="user", parts=parts))

    def given_by(self) -> dict[str, Any]:
        config = types.GenerateContentConfig(
            tools=list(self.tools), http_options=types.HttpOptions(headers=self.headers),
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        )  # fmt: skip
        return {"model": self.model, "contents": self.history, "config": config}

    def answer(self, at: int) -> Said:
        models: Any = self.clients[at].models
        parts: list[Any] = []
        usage: Any = None
        answers = (
            models.generate_content_stream(**self.given_by())
            if self.streams
            else [models.generate_content(**self.given_by())]
        )
        for each in answers:
            usage = each.usage_metadata or usage
            if each.candidates and each.candidates[0].content:
                parts += each.candidates[0].content.parts or []
        self.history.append(types.Content(role="model", parts=parts))
        found = [(each.function_call.id or "", each.function_call.name) for each in parts if each.function_call]
        return Said(found, (usage.prompt_token_count, usage.candidates_token_count or 0))

    def leave(self) -> None:
        models: Any = self.clients[0].models
        stream = models.generate_content_stream(**self.given_by())
        next(stream)
        stream.close()


FORMATS: dict[str, type[Loop]] = {
    "openai": Chat, "openai-responses": Responses, "anthropic": Messages, "gemini": Gemini
}  # fmt: skip


def run(kind: type[Loop], name: str, streams: bool) -> dict[str, Any]:
    """Run a loop of tools, and return what the app measured of it."""
    loop, seconds, trips = kind(streams), list[float](), list[float]()
    for number in range(ROUNDS):
        WATCH.begin()
        loop.user(f"call look_up and call find ({name}, {streams}, {number})")
        asked = loop.ask()
        assert [tool for _, tool in asked] == [*NAMES], asked
        time.sleep(0.05)
        loop.result(asked)
        assert loop.ask() == []
        seconds += WATCH.tools[:1]
        trips.append(max(round_trip(BARE, root) for root in ROOTS))
    loop.user("call look_up")
    assert len(loop.ask()) == 1  # and no result is ever sent
    return {"seconds": seconds, "trips": trips, "calls": loop.calls, "tokens": [loop.given, loop.made]}


def ask_once(kind: type[Loop], model: str, text: str, streams: bool, **headers: str) -> dict[str, Any]:
    loop = kind(streams, model, {name.replace("_", "-"): value for name, value in headers.items()})
    loop.user(text)
    loop.ask()
    return {"tokens": [loop.given, loop.made]}


def sub_agents(kind: type[Loop], number: int) -> None:
    """Ask in one trace for an agent and for its sub-agent; then in one session, with the sub-agent's header."""
    for span, role in (("1", "main"), ("2", "sub")):
        trace = f"00-{number:032x}-{span * 16}-01"
        ask_once(kind, AGENT, f"hello, {role} of trace {number}", False, traceparent=trace)
    session = f"session-{number}"
    ask_once(kind, AGENT, "hello", False, x_claude_code_session_id=session)
    ask_once(kind, AGENT, "look", False, x_claude_code_session_id=session, x_claude_code_agent_id="explorer")


found: dict[str, Any] = {}
for number, (name, kind) in enumerate(FORMATS.items(), 1):
    for streams in (False, True):
        word = f"{name} {'streamed' if streams else 'whole'}"
        found[word] = run(kind, name, streams)
        for saved in ("bad", "slow"):
            found[f"{word} {saved}"] = ask_once(kind, f"{AGENT}-{saved}", f"hello {word} {saved}", streams)
    left = kind(True, f"{AGENT}-drip")
    left.user(f"hello {name}")
    left.leave()
    sub_agents(kind, number)
print(json.dumps(found))
