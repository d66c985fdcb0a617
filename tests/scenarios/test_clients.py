"""Applications that use other people's SDKs: they change a base URL, and nothing else.

The SDKs live in an environment of their own (`make test` makes it), because they do not agree on one version of openai.
"""

from collections.abc import Awaitable, Callable

import pytest

from tests.support.calling import PROVIDERS, Place
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


@pytest.mark.parametrize("api", PROVIDERS)
async def test_google_interactions(serve: Serve, api: str) -> None:
    """So is its Interactions API before providers of every format; where they keep answers, turns go on by the id."""
    here = await serve(api=api)
    is_kept = api.startswith("gemini")
    found = await run("with_interactions.py", here, *(["kept"] if is_kept else []))
    assert (found["text"], found["status"], found["usage"]) == (SAID, "completed", [True, 8])
    assert found["streamed"] == [SAID, "completed", 8, "interaction.created", "interaction.completed"]
    assert found["tool"] == ["look_up", {"id": ""}, "requires_action"] and found["after"] == SAID
    assert (found["arguments"], found["typed"], found["found"]) == ({"id": ""}, {"city": ""}, is_kept)
    assert "not stored" in found["unknown"][1] and "not stored" in found["previous"][1]
    assert is_kept or "background" in found["background"][1]
    assert found["error"][0] == "NotFoundError" and "model_not_found" in found["error"][1]


async def test_langchain(serve: Serve) -> None:
    """LangChain's loop of a tool call and its result, over chat completions and over responses."""
    found = await run("with_langchain.py", await serve())
    assert (found["text"], found["streamed"], found["usage"], found["responses"]) == (SAID, SAID, 8, SAID)
    assert found["tool"] == ["look_up"] and found["after"]


async def test_typed_answers(serve: Serve) -> None:
    """Instructor gets the type that it asked for; Pydantic AI's agent calls its tool and ends."""
    found = await run("with_typed.py", await serve())
    assert found["city"] == "str" and found["looked_up"] == 1 and found["said"]
