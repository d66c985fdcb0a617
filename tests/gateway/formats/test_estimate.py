"""How many tokens a request would take, where no provider can be asked."""

from gateway.formats.estimate import estimate
from gateway.formats.prompt import Media, Message, OutputShape, Prompt, Reasoning, Text, ToolCall, ToolResult, ToolSpec


def test_an_estimate_counts_all_that_is_said() -> None:
    """Four bytes a token, four tokens a turn, and 1,600 for what is no text."""
    image = Media("image", mime="image/png", data="aGk=")
    parts = (Text("1234"), image, ToolResult("1", (Text("5678"), image)), Media("file", mime="text/csv", data="aGk="))
    said = (Reasoning("12"), ToolCall("1", "ab", "{}"))
    schema = {"a": 1}
    prompt = Prompt(
        (Message("user", parts), Message("assistant", said)), (ToolSpec("f", "g", schema),), output=OutputShape(schema)
    )
    assert estimate(prompt) == -(-(4 + 4 + 3 + 2 + 4 + 2 + 7 + 7) // 4) + 2 * 1600 + 2 * 4
    assert estimate(Prompt(())) == 0
