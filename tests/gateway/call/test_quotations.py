"""Words that a provider quotes of a request: masked, where they are none that errors are usually written with."""

import json

import pytest

from gateway.call.quotations import LONGEST, MOST_CHARACTERS, sent_text, without_quotations

PROMPT = json.dumps("My number is 078-05-1120 and Ångström writes to anna@example.org about Zebrafish.")


def masked(text: str, *known: str) -> str:
    return without_quotations(text, lambda: sent_text({"messages": PROMPT}, [(b"x-tenant", b"acme-4711")]), known)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Unsupported parameter: 'max_tokens' is not", "Unsupported parameter: 'max_tokens' is not"),
        ("This model's maximum length is 8192 tokens.", "This model's maximum length is 8192 tokens."),
        ("cannot read 078-05-1120 here", "cannot read … here"),
        ("Invalid content: 'anna@example.org'", "Invalid content: '…'"),
        ("ZEBRAFISH", "…"),
        ("zebraf...", "…..."),
        ("bad value at Ångström", "bad value at …"),
        ("header x: acme-4711", "header x: …"),
        ('{"input":"about Zebrafish."}', '{"input":"about …."}'),
        ("content=Zebrafish,role", "content=…,role"),
    ],
)
def test_what_stays(said: str, kept: str) -> None:
    """Words of errors and numbers that the request does not hold; of the prompt and the headers nothing unusual."""
    assert masked(said) == kept


def test_the_operators_words_stay() -> None:
    """A model's name is configured, so it may stand in a message though the client writes it too."""
    assert masked("the model Zebrafish is overloaded", "Zebrafish") == "the model Zebrafish is overloaded"


def test_a_large_request_is_not_searched() -> None:
    """Of one that takes long to search nothing unusual is kept."""
    assert sent_text({"messages": "x" * (MOST_CHARACTERS + 1)}) is None
    assert without_quotations("the request failed: Zebrafish 512", lambda: None) == "the request failed: …"


def test_a_usual_message_reads_no_request() -> None:
    """An outage fails thousands of calls with the same few words."""

    def never() -> str:
        raise AssertionError("the request was read")

    assert without_quotations("The server is overloaded, please try again later.", never)


def test_it_is_one_short_line() -> None:
    """Nothing breaks a line of the log or steers a terminal, however long the provider talks."""
    text = without_quotations("\x1b[2J failed\n\u202eagain " + "server error " * 10_000, lambda: "")
    assert len(text) <= LONGEST and text.isprintable() and text.startswith("[2J failed again server")
