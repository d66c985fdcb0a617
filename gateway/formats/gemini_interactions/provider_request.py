"""Write a prompt as a request for a provider. The provider stores nothing unless the client asks for it."""

from typing import Any

from gateway.formats.gemini.provider_request import LIMITS as GENERATE
from gateway.formats.gemini_interactions._adopting import adopt
from gateway.formats.gemini_interactions._config import unsayable, write_config, write_output, write_tool
from gateway.formats.gemini_interactions._steps import write_steps
from gateway.formats.prompt import Prompt

LIMITS = GENERATE  # the models are the same


def write(prompt: Prompt, model: str) -> dict[str, Any]:
    """Return the body of the request. Raises Untranslatable and names the field that this format cannot say."""
    for name in prompt.extras:
        raise unsayable(name)
    system, steps = write_steps(prompt.messages)
    body: dict[str, Any] = {"model": model, "input": steps, "store": prompt.hints.get("store") is True}
    if system:
        body["system_instruction"] = system
    if prompt.tools:
        body["tools"] = [write_tool(tool) for tool in prompt.tools]
    if config := write_config(prompt):
        body["generation_config"] = config
    if prompt.output is not None:
        body["response_format"] = write_output(prompt.output)
    if (unfiltered := prompt.hints.get("safetySettings")) is not None:
        body |= adopt({"safetySettings": unfiltered})
    if prompt.stream:
        body["stream"] = True
    return body
