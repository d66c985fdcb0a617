"""What one model of this format takes and another does not, by its name."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.formats.anthropic.provider import PROVIDER
from gateway.formats.claude.models import model
from gateway.formats.prompt import Media, Message, Prompt, Text, ToolChoice, ToolSpec, Untranslatable

HI = Message("user", (Text("Hi"),))
TOOL = ToolSpec("f")


def body(name: str, **fields: Any) -> dict[str, Any]:
    return dict(PROVIDER.write(replace(Prompt((HI,)), **fields), name).body)


@pytest.mark.parametrize(
    ("name", "thinks", "samples", "structured"),
    [
        ("claude-2.1", "never", True, False),
        ("claude-3-5-haiku-20241022", "never", True, False),
        ("claude-3-7-sonnet-20250219", "budget", True, False),
        ("claude-opus-4-20250514", "budget", True, False),
        ("anthropic/claude-sonnet-4.5", "budget", True, True),
        ("claude-haiku-4-5@20251001", "budget", True, True),
        ("claude-sonnet-4-6", "effort", True, True),
        ("us.anthropic.claude-opus-4-7-v1:0", "effort", False, True),
        ("claude-sonnet-5", "effort", False, True),
        ("claude-mythos-preview", "effort", False, True),
        ("claude-of-tomorrow", "effort", False, True),
        ("glm-5", "budget", True, False),
    ],
)
def test_a_name_says_what_a_model_takes(name: str, thinks: str, samples: bool, structured: bool) -> None:
    """Names of Anthropic, of clouds and of routers; what is not known yet counts as new, others' models as plain."""
    takes = model(name)
    assert (takes.thinks, takes.samples, takes.structured) == (thinks, samples, structured)


def test_a_forced_call_takes_the_effort_alone() -> None:
    """The API refuses to be told both to think and to call a function; the effort works without."""
    forced = body("claude-opus-4-8", effort="low", tools=(TOOL,), tool_choice=ToolChoice("required"))
    assert (forced["output_config"], "thinking" in forced) == ({"effort": "low"}, False)
    free = body("claude-opus-4-8", effort="low", tools=(TOOL,))
    assert free["thinking"] == {"type": "adaptive"}


def test_only_older_models_go_on_with_an_assistants_message() -> None:
    """From Claude 4.6 on the API refuses it, so it is refused here by name."""
    begun = (HI, Message("assistant", (Text("So: "),)))
    assert body("claude-sonnet-4-5", messages=begun)["messages"][-1]["content"] == [{"type": "text", "text": "So:"}]
    with pytest.raises(Untranslatable) as refused:
        body("claude-sonnet-4-6", messages=begun)
    assert refused.value.param == "messages"


@pytest.mark.parametrize("url", ["gs://bucket/cat.png", "ftp://example.com/cat.png", "cat.png"])
def test_an_address_that_the_provider_cannot_open_is_refused(url: str) -> None:
    """It fetches from the web alone."""
    with pytest.raises(Untranslatable) as refused:
        body("claude-sonnet-4-5", messages=(Message("user", (Media("image", url=url),)),))
    assert refused.value.param == "messages"
