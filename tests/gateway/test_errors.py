"""The tree of errors: what its messages hold."""

from gateway.errors import CallerError, ProviderError


def test_a_long_message_keeps_its_ends() -> None:
    """What a message quotes may have any length: its middle is left out, so that the way out stays readable."""
    error = CallerError(f"there is no {'x' * 6_000_000!r}; use one of a, b")
    assert len(error.message) < 4_100 and len(str(error)) < 4_100
    assert error.client_message.startswith("there is no 'xxx") and error.client_message.endswith(
        "xxx'; use one of a, b"
    )


def test_a_long_field_keeps_its_ends() -> None:
    """The same of the field that an error names."""
    error = ProviderError("untranslatable", "no", param="messages[0]." + "x" * 6_000_000)
    assert error.param is not None and len(error.param) < 420 and error.param.startswith("messages[0].x")


def test_usual_messages_stay_as_they_are() -> None:
    """A message of a few hundred words is told whole."""
    assert CallerError("word " * 700, param="model").client_message == "word " * 700
    assert CallerError("x").param is None
