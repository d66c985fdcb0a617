"""Applications that use other people's SDKs: they change a base URL, and nothing else.

The SDKs live in an environment of their own (`make test` makes it), because they do not agree on one version of openai.
"""

from collections.abc import Awaitable, Callable

from tests.support.calling import Place
from tests.support.clients import SAID, run

Serve = Callable[..., Awaitable[Place]]


async def test_anthropic(serve: Serve) -> None:
    """Anthropic's SDK is served by a provider that speaks chat completions: text, stream, tools, usage, errors."""
    here = await serve()
    found = await run("with_anthropic.py", here)
    assert (found["text"], found["streamed"], found["stop"]) == (SAID, SAID, "end_turn")
    assert (found["usage"], found["streamed_usage"]) == ([True, 8], 8)
    assert found["tool"] == ["look_up", True, "tool_use"] and found["after"]
    assert found["models"] == [[here.agent, f"{here.agent}@v1"], here.agent, True]
    assert found["error"] == "NotFoundError not_found_error"


async def test_google(serve: Serve) -> None:
    """Google's SDK likewise."""
    here = await serve()
    found = await run("with_google.py", here)
    assert (found["text"], found["streamed"], found["usage"]) == (SAID, SAID, [True, 8])
    assert found["tool"] == ["look_up", True] and found["after"]
    names = [f"models/{here.agent}", f"models/{here.agent}@v1"]
    assert found["models"] == [names, names[0], ["generateContent", "streamGenerateContent"]]
    assert found["error"] == "404 NOT_FOUND"


async def test_langchain(serve: Serve) -> None:
    """LangChain's loop of a tool call and its result, over chat completions and over responses."""
    found = await run("with_langchain.py", await serve())
    assert (found["text"], found["streamed"], found["usage"], found["responses"]) == (SAID, SAID, 8, SAID)
    assert found["tool"] == ["look_up"] and found["after"]


async def test_typed_answers(serve: Serve) -> None:
    """Instructor gets the type that it asked for; Pydantic AI's agent calls its tool and ends."""
    found = await run("with_typed.py", await serve())
    assert found["city"] == "str" and found["looked_up"] == 1 and found["said"]
