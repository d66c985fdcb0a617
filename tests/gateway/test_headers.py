"""Which headers and which part of a query cross the gateway."""

import tracemalloc

import pytest

from gateway.headers import _untyped, query_to_provider, retry_after, to_client, to_client_untyped, to_provider

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT
OURS = [(b"content-type", b"application/json"), (b"accept-encoding", b"identity")]
NEVER = [
    b"authorization", b"api-key", b"x-api-key", b"x-goog-api-key", b"cookie", b"host", b"expect", b"connection", b"te",
    b"keep-alive", b"proxy-authorization", b"proxy-connection", b"trailer", b"transfer-encoding", b"upgrade",
    b"content-length", b"content-encoding", b"x-serinus-version", b"http2-settings",
]  # fmt: skip


@pytest.mark.parametrize("name", NEVER)
def test_never_forwarded(name: bytes) -> None:
    """Neither credentials nor hop-by-hop headers go on, even where the configuration forwards everything."""
    assert to_provider([(name, b"v")], ("*",)) == OURS


@pytest.mark.parametrize("name", [b"accept", b"user-agent", b"traceparent", b"openai-beta", b"x-stainless-os"])
def test_forwarded(name: bytes) -> None:
    """What tells a provider who calls and how goes on."""
    assert to_provider([(name, b"v")], ()) == [*OURS, (name, b"v")]


ACCOUNTS = [
    b"openai-organization", b"openai-project", b"openai-org-id", b"anthropic-workspace-id", b"x-goog-user-project",
    b"anthropic-organization-id", b"chatgpt-account-id",
]  # fmt: skip


@pytest.mark.parametrize("name", ACCOUNTS)
def test_whose_account_it_is(name: bytes) -> None:
    """A client never chooses the account that the gateway's key books on, nor learns which it is."""
    assert to_provider([(name, b"v")], ()) == OURS
    assert to_client([(name, b"v")]) == []
    if name != b"openai-org-id":  # nobody's so far
        assert to_provider([(name, b"v")], ("openai-*", "x-goog-*", "anthropic-*", "chatgpt-*")) == OURS


def test_patterns() -> None:
    """The configuration adds further headers by pattern."""
    sent = [(b"x-trace-id", b"1"), (b"x-other", b"2"), (b"x-trace", b"3")]
    assert to_provider(sent, ("x-trace-*",)) == [*OURS, (b"x-trace-id", b"1")]


def test_what_connection_names() -> None:
    """What the client's Connection header names stays behind; what is ours cannot be named away."""
    sent = [(b"connection", b"User-Agent, content-type"), (b"user-agent", b"x"), (b"accept", b"y")]
    assert to_provider(sent, ()) == [*OURS, (b"accept", b"y")]


def test_to_the_client() -> None:
    """Back go rate limits, advice on retries and the provider's own; its request id under another name."""
    kept = [(b"retry-after", b"1"), (b"x-should-retry", b"false"), (b"x-ratelimit-a", b"1"), (b"openai-version", b"v")]
    dropped = [(b"set-cookie", b"s"), (b"server", b"s"), (b"connection", b"close"), (b"x-serinus-target", b"t")]
    answered = to_client([*kept, *dropped, (b"x-request-id", b"r")])
    assert answered == [*kept, (b"x-upstream-request-id", b"r")]


def test_untyped() -> None:
    """An answer of ours says its own content type."""
    assert to_client_untyped([(b"content-type", b"a"), (b"retry-after", b"c")]) == [(b"retry-after", b"c")]


def test_names_without_end() -> None:
    """Ten thousand invented names are decided rightly, and are not all remembered."""
    before = len(_untyped)
    for number in range(10_000):
        name = b"x-ratelimit-%d" % number
        assert to_client_untyped([(name, b"1")]) == [(name, b"1")]
    assert len(_untyped) <= max(before, 1024)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        (b"", ""), (b"a=1&b=2", "a=1&b=2"), (b"key=k", ""), (b"a=1&KEY=k&Api-Key=x&api_key=y&access_token=z", "a=1"),
        (b"k%65y=x&%6bey=x&+key=x&a", "a"), (b"a=%zz&b=%C3%A9", "a=%zz&b=%C3%A9"), (b"a=\xc3\xa9 \"", "a=%C3%A9%20\""),
    ],
)  # fmt: skip
def test_query(query: bytes, wanted: str) -> None:
    """The query goes on as it was, but for credentials, and spelled so that it stays on one line."""
    assert query_to_provider(query) == wanted


def test_long_names_are_not_remembered() -> None:
    """Names that a client invents are forgotten with its request where they are long, and forwarded all the same."""
    tracemalloc.start()
    try:
        for number in range(200):
            sent = [(b"x-trace-%d-" % number + b"a" * 60_000, b"1")]
            assert to_provider(sent, ("x-trace-*",))[2:] == sent
        sent.clear()
        assert tracemalloc.get_traced_memory()[0] < 200_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([], None),
        ([(b"retry-after", b"7")], 7.0),
        ([(b"retry-after", b" 1.5 ")], 1.5),
        ([(b"retry-after", b"Tue, 14 Nov 2023 22:13:30 GMT")], 10.0),
        ([(b"retry-after", b"Tue, 14 Nov 2023 22:00:00 GMT")], 0.0),
        ([(b"retry-after", b"7"), (b"retry-after-ms", b"250")], 0.25),
        ([(b"retry-after", b"7"), (b"retry-after-ms", b"soon")], 7.0),
        ([(b"retry-after", b"-1")], None),
        ([(b"retry-after", b"soon")], None),
        ([(b"retry-after", b".")], None),
        ([(b"retry-after", b"\xb2")], None),
        ([(b"retry-after", b"Tue, 99 Nov 99999 22:13:30 GMT")], None),
        ([(b"retry-after", b"9" * 400)], float("inf")),
        ([(b"retry-after-ms", b"9" * 5000)], float("inf")),
    ],
)
def test_retry_after(headers: list[tuple[bytes, bytes]], seconds: float | None) -> None:
    """Seconds, milliseconds or a date; what cannot be read asks for nothing."""
    assert retry_after(headers, NOW) == seconds
