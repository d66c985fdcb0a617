"""A recorded call as a judge reads it."""

from gateway.contents.content import CallContent, ContentMessage, ContentPart
from gateway.live_judge.case_text import case_texts


def _message(role: str, *parts: ContentPart) -> ContentMessage:
    return ContentMessage(role, parts)  # type: ignore[arg-type]


def test_tools_are_told_and_thoughts_are_not() -> None:
    """Calls of tools and their results stand in the conversation; what the client does not see is left out."""
    call = ContentPart("tool_call", '{"id": 1}', "c1", "look_up")
    result = ContentPart("tool_result", "shipped", "c1", "look_up")
    asked = (
        _message("user", ContentPart("text", "Where is it?"), ContentPart("media", "image image/png")),
        _message("assistant", call),
        _message("tool", result, ContentPart("tool_result", "no", error=True)),
    )
    answer = _message("assistant", ContentPart("reasoning", "hm"), ContentPart("text", "On its way."))
    conversation, said = case_texts(CallContent(asked, answer))
    assert conversation == (
        "user: Where is it?\n[media: image image/png]\n"
        'assistant: [calls look_up with {"id": 1}]\n'
        "tool: [look_up returned shipped]\n[a tool failed with no]"
    )
    assert said == "On its way."


def test_of_a_long_conversation_the_latest_part_is_shown() -> None:
    """What is cut is said to be."""
    asked = tuple(_message("user", ContentPart("text", f"{number} " + "x" * 1_000)) for number in range(100))
    conversation, said = case_texts(CallContent(asked, _message("assistant", ContentPart("text", "y" * 50_000))))
    assert conversation.startswith("[earlier messages are left out]\n")
    assert conversation.endswith("x" * 1_000)
    assert (len(conversation) < 41_000, len(said)) == (True, 40_000)


def test_no_answer_is_no_text() -> None:
    """A call without an answer has none to grade."""
    assert case_texts(CallContent((), None)) == ("", "")
