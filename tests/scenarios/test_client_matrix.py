"""Each of the newer clients before each provider format: one process a client, with all its scenarios."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.claude_code import LONG_TOOL
from tests.support.clients import SAID
from tests.support.every_provider import MODELS, EveryProvider, every_provider

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLAIN = {"text": SAID, "streamed": SAID, "called": True, "after": SAID, "typed": "Weather"}
TYPED_TWICE = {**PLAIN, "native": "Weather"}
TWO_TURNS = {**PLAIN, "second": SAID}
CLAUDE_CODE = {"called": LONG_TOOL, "stop": "tool_use", "after": True, "parallel": ["Read", "mcp__clock__now"]}
CODEX = {"http": ["custom_tool_call"], "after": SAID, "socket": ["custom_tool_call"], "socket_after": SAID}
# The stand-in has no custom tools of its own, and calls the next.
AT_OPENAI = {**CODEX, "http": ["function_call"], "socket": ["function_call"]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> AsyncIterator[EveryProvider]:
    """A gateway with an agent at each provider format."""
    async with every_provider(tmp_path_factory.mktemp("clients"), redis_url) as served:
        yield served


async def test_google_genai(here: EveryProvider) -> None:
    """Google's SDK runs the loop of a function by itself, and reads a typed answer."""
    assert await here.found_by("with_google_genai.py") == dict.fromkeys(MODELS, PLAIN)


async def test_google_files(here: EveryProvider) -> None:
    """It uploads in one piece and in two; the bytes come without a key, and go to the account with the gateway's."""
    found = (await here.found_by("with_google_files.py"))["gemini"]
    assert found["small"] == [5, "text/plain", "a name"] and (found["large"], found["later"]) == ((8 << 20) + 3, 11)
    assert found["found"] and found["listed"] and not found["left"]


async def test_google_interactions(here: EveryProvider) -> None:
    """Its Interactions API: a call's result goes back with the steps that the model wrote."""
    assert await here.found_by("with_interactions_everywhere.py") == dict.fromkeys(MODELS, PLAIN)


async def test_langchain_google(here: EveryProvider) -> None:
    """LangChain's adapter for Gemini, with safety settings that ask for nothing."""
    assert await here.found_by("with_langchain_google.py") == dict.fromkeys(MODELS, PLAIN)


async def test_langchain_anthropic(here: EveryProvider) -> None:
    """LangChain's adapter for Anthropic; a typed answer by a tool, and by a schema."""
    assert await here.found_by("with_langchain_anthropic.py") == dict.fromkeys(MODELS, TYPED_TWICE)


async def test_openai_agents(here: EveryProvider) -> None:
    """OpenAI's Agents SDK, over Responses and over chat completions; its second turn sends back whole items."""
    assert await here.found_by("with_openai_agents.py") == dict.fromkeys(MODELS, TWO_TURNS)


async def test_codex(here: EveryProvider) -> None:
    """Traffic of Codex's shape: a freeform patch and its result, over HTTP and on a WebSocket."""
    found = await here.found_by("with_codex.py")
    assert found == {**dict.fromkeys(MODELS, CODEX), "openai-responses": AT_OPENAI}


async def test_claude_code(here: EveryProvider) -> None:
    """Traffic of Claude Code's shape: 43 tools, long names, cache marks, thinking, a conversation from elsewhere."""
    assert await here.found_by("with_claude_code.py") == dict.fromkeys(MODELS, CLAUDE_CODE)
