"""Schema of `agents/<agent>/<version>.yaml`: model, prompt, parameters and tools as one unit."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import Discriminator, Field, JsonValue, StringConstraints, Tag

from gateway.config.fields import Name, StrictModel
from gateway.prompts.filling import MOST_CHARACTERS
from gateway.prompts.language import INPUT_NAME
from routing.agents import InputType

_TOOL_NAME: Final = r"^[A-Za-z0-9_-]{1,64}$"  # what OpenAI accepts
_EMPTY: Final = {"type": "object", "properties": {}}

Json = dict[str, JsonValue]


def _shape(value: object) -> str:
    """Return the tag of a value's form. Tags begin with `<`, so that problems leave them out of their paths."""
    if isinstance(value, Mapping | StrictModel):
        return "<mapping>"
    return "<list>" if isinstance(value, list | tuple) else "<text>"


def _tool_shape(value: object) -> str:
    is_long = isinstance(value, LongTool) or (isinstance(value, Mapping) and ("function" in value or "type" in value))
    return "<long>" if is_long else "<short>"


class PromptFile(StrictModel):
    """A prompt in a file of its own."""

    file: str = Field(
        min_length=1,
        description="Path of the prompt's text, relative to this file or else to the configuration folder; it must "
        "stay inside the configuration folder.",
    )


class ShortTool(StrictModel):
    """A function the model may call, in short."""

    name: str = Field(pattern=_TOOL_NAME, description="The function's name, unique in the version.")
    description: str | None = Field(default=None, description="What it does, for the model. Default: none.")
    parameters: Json | None = Field(
        default=None, description="JSON schema of its arguments. Default: an object without properties."
    )

    def definition(self) -> dict[str, object]:
        """The tool as OpenAI's API takes it."""
        described = {} if self.description is None else {"description": self.description}
        parameters = _EMPTY if self.parameters is None else self.parameters
        return {"type": "function", "function": {"name": self.name, **described, "parameters": parameters}}


class Function(StrictModel):
    """The function of a tool in OpenAI's own form."""

    name: str = Field(pattern=_TOOL_NAME, description="The function's name, unique in the version.")
    description: str | None = Field(default=None, description="What it does, for the model. Default: none.")
    parameters: Json | None = Field(default=None, description="JSON schema of its arguments. Default: none.")
    strict: bool | None = Field(default=None, description="Whether to keep to the schema. Default: the API's.")


class LongTool(StrictModel):
    """A function the model may call, in OpenAI's own form, which is sent as it is."""

    type: Literal["function"] = Field(description="Always `function`.")
    function: Function = Field(description="The function.")

    @property
    def name(self) -> str:
        """The function's name."""
        return self.function.name

    def definition(self) -> dict[str, object]:
        """The tool as OpenAI's API takes it."""
        return self.model_dump(exclude_unset=True)


ToolEntry = Annotated[
    Annotated[ShortTool, Tag("<short>")] | Annotated[LongTool, Tag("<long>")], Discriminator(_tool_shape)
]
Prompt = Annotated[Annotated[str, Tag("<text>")] | Annotated[PromptFile, Tag("<mapping>")], Discriminator(_shape)]


class MessageEntry(StrictModel):
    """A message that goes before the client's."""

    role: Literal["system", "user", "assistant"] = Field(
        description="Who speaks. System messages come first; the first of the others is a user's."
    )
    content: Prompt = Field(description="Its text, which may hold placeholders, or {file: prompts/x.md}.")


class InputEntry(StrictModel):
    """A variable of the prompt. A call that gives no value, or a wrong one, gets a 400 that names it."""

    type: InputType | None = Field(default=None, description="Default: that of `enum` or `default`, otherwise string.")
    description: str | None = Field(default=None, max_length=10_000, description="A note for people. Default: none.")
    max_length: int | None = Field(
        default=None,
        ge=1,
        le=MOST_CHARACTERS,
        description="The most characters of a string (default: 10000), or items of an array (default: 1000).",
    )
    enum: tuple[str | bool | int | float, ...] | None = Field(
        default=None, min_length=1, max_length=1000, description="The values that it may have. Default: any."
    )
    default: JsonValue = Field(
        default=None, description="The value where a call gives none. Default: none, so that each call must give one."
    )
    required: bool = Field(
        default=True,
        description="Whether a call must give a value where there is no `default`. With false it is empty.",
    )


InputName = Annotated[str, StringConstraints(pattern=INPUT_NAME)]
Stop = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[tuple[str, ...], Field(min_length=1, max_length=4), Tag("<list>")],
    Discriminator(_shape),
]
ToolChoice = Annotated[Annotated[str, Tag("<text>")] | Annotated[Json, Tag("<mapping>")], Discriminator(_shape)]


class ParameterSettings(StrictModel):
    """Parameters of every call of the version. Others stay as the client sent them."""

    temperature: float | None = Field(default=None, ge=0, le=2, description="0 to 2: how varied the answers are.")
    top_p: float | None = Field(default=None, ge=0, le=1, description="0 to 1: the share of likely tokens to use.")
    max_tokens: int | None = Field(default=None, ge=1, description="The longest answer in tokens (older models).")
    max_completion_tokens: int | None = Field(
        default=None, ge=1, description="The longest answer in tokens, reasoning included."
    )
    stop: Stop | None = Field(default=None, description="Text, or up to four of them, at which the answer ends.")
    seed: int | None = Field(default=None, description="A number that makes answers more repeatable.")
    presence_penalty: float | None = Field(default=None, ge=-2, le=2, description="-2 to 2: push towards new topics.")
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2, description="-2 to 2: push against repetition.")
    reasoning_effort: str | None = Field(default=None, description="How long to think, such as low, medium or high.")
    verbosity: str | None = Field(default=None, description="How much to say, such as low, medium or high.")
    response_format: Json | None = Field(default=None, description="The answer's form, such as {type: json_object}.")
    tool_choice: ToolChoice | None = Field(default=None, description="none, auto, required, or a function to call.")
    parallel_tool_calls: bool | None = Field(default=None, description="Whether several tools may be called at once.")
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = Field(
        default=None, description="-100 to 100 for each token id."
    )
    logprobs: bool | None = Field(default=None, description="Whether to return the probability of each token.")
    top_logprobs: int | None = Field(default=None, ge=0, le=20, description="How many alternatives to return, 0 to 20.")
    service_tier: str | None = Field(default=None, description="The provider's tier, such as auto, flex or priority.")
    store: bool | None = Field(default=None, description="Whether the provider keeps the answer.")
    n: int | None = Field(default=None, ge=1, le=128, description="How many answers to give. Leave it at 1.")


class AgentFile(ParameterSettings):
    """A version of an agent. With `extends`, the file holds only the differences, and `null` removes a key."""

    name: str | None = Field(default=None, max_length=200, description="A label for people. Default: none.")
    description: str | None = Field(default=None, max_length=10_000, description="A note for people. Default: none.")
    extends: Name | None = Field(
        default=None,
        description="The version of the same agent on which this one builds: its keys are inherited, `tools` and "
        "`inputs` merge by name, `extra` and `logit_bias` key by key. Default: none.",
    )
    model: str | None = Field(
        default=None,
        min_length=1,
        max_length=265,
        description="provider/model, such as openai/gpt-4o; the model alone where only one provider is configured. "
        "Required, here or in a version that this one extends.",
    )
    system_prompt: Prompt | None = Field(
        default=None,
        description="The prompt that goes before every conversation: text, or {file: prompts/x.md}. Default: none.",
    )
    messages: tuple[MessageEntry, ...] | None = Field(
        default=None,
        max_length=100,
        description="Messages that go behind `system_prompt` and before the client's, such as examples: a list of "
        "{role, content}. Default: none.",
    )
    inputs: Mapping[InputName, InputEntry] | None = Field(
        default=None,
        max_length=100,
        description="The variables that `system_prompt` and `messages` may name as {{name}}, each with its type and "
        "limits, such as {plan: {enum: [free, pro]}}. Default: none; the prompt is then fixed text.",
    )
    tools: tuple[ToolEntry, ...] | None = Field(
        default=None,
        max_length=128,
        description="The functions the model may call: {name, description, parameters} or OpenAI's own form. "
        "Default: the client's.",
    )
    extra: Json | None = Field(default=None, description="A provider's own fields, sent as they are. Default: none.")
    client_may_set: tuple[str, ...] | None = Field(
        default=None,
        description="Parameters that a client may set; the version's value is then only a default. Default: none.",
    )


PARAMETERS: Final = frozenset(ParameterSettings.model_fields)
RESERVED: Final = frozenset(AgentFile.model_fields) | {"stream", "stream_options"}
