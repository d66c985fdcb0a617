"""Which hosts and which pages a gateway without keys serves."""

import pytest

from gateway.errors import Forbidden
from gateway.net.browser_guard import BrowserGuard

GUARD = BrowserGuard(["127.0.0.1", "host.docker.internal", "fd00::7"], ["https://app.example", "app://notes"])
OURS = b"localhost:8080"


def refusal(headers: dict[bytes, bytes], **more: bool) -> str | None:
    try:
        GUARD.check(headers, **more)
    except Forbidden as error:
        return error.code
    return None


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:8080", "LocalHost:80", "localhost.", "localhost.:8080", "app.localhost:3000"),
        *("127.0.0.1", "127.0.0.1:1", "127.9.8.7", "[::1]", "[::1]:8080", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]"),
        *("host.docker.internal:8080", "HOST.Docker.Internal.", "[fd00::7]:8080", " localhost "),
    ],
)
def test_names_of_this_machine(host: str) -> None:
    """Loopback names and addresses and those of the configuration, with any port, in any case, twice alike."""
    assert refusal({b"host": host.encode()}) is refusal({b"host": host.encode()}) is None


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "evillocalhost"),
        *("0.0.0.1", "[::]", "192.168.1.5", "[fe80::1]", "[::ffff:10.0.0.1]", "10.0.0.1:8080", "2130706433", "127.1"),
        *(
            "",
            ":8080",
            "user@localhost",
            "localhost:8080:1",
            "localhost/x",
            "localhost,evil",
            "localhost..",
            "[::1",
            "::1",
        ),
        *("localhost:808080", "local host", "l\xf6calhost", "[127.0.0.1]x", "[]", "x" * 300),
    ],
)
def test_foreign_hosts(host: str) -> None:
    """Every other name, and what is no name: a page may have pointed its own at this machine."""
    assert refusal({b"host": host.encode("latin-1")}) == "host_not_allowed"


def test_no_host() -> None:
    """HTTP/1.0 has none, and no browser speaks that."""
    assert refusal({}) is None


@pytest.mark.parametrize(
    ("headers", "served"),
    [
        ({}, True),
        ({b"sec-fetch-site": b"same-origin"}, True),
        ({b"sec-fetch-site": b"same-origin", b"origin": b"http://localhost:8080"}, True),
        ({b"sec-fetch-site": b"none"}, True),
        ({b"sec-fetch-site": b"cross-site"}, False),
        ({b"sec-fetch-site": b"same-site"}, False),
        ({b"sec-fetch-site": b"Cross-Site"}, False),
        ({b"sec-fetch-site": b""}, False),
        ({b"origin": b"http://localhost:8080"}, True),
        ({b"origin": b"http://LOCALHOST:8080"}, True),
        ({b"origin": b"http://localhost:3000"}, False),
        ({b"origin": b"http://evil.example"}, False),
        ({b"origin": b"null"}, False),
        ({b"origin": b"ftp://localhost:8080"}, False),
        ({b"origin": b"https://app.example", b"sec-fetch-site": b"cross-site"}, True),
        ({b"origin": b"https://APP.example"}, True),
        ({b"origin": b"app://notes"}, True),
        ({b"origin": b"https://app.example.evil"}, False),
        ({b"sec-fetch-site": b"cross-site", b"sec-fetch-mode": b"navigate", b"sec-fetch-dest": b"document"}, False),
    ],
)
def test_pages(headers: dict[bytes, bytes], served: bool) -> None:
    """Our own and the configuration's; another site's, another port's and a page's without an origin are refused."""
    assert refusal({b"host": OURS, **headers}) == (None if served else "origin_not_allowed")


def test_what_a_link_may_open() -> None:
    """A page, in a tab of its own and not within another page."""
    opened = {b"host": OURS, b"sec-fetch-site": b"cross-site", b"sec-fetch-mode": b"navigate"}
    assert refusal({**opened, b"sec-fetch-dest": b"document"}, may_be_opened=True) is None
    assert refusal({**opened, b"sec-fetch-dest": b"iframe"}, may_be_opened=True) == "origin_not_allowed"


def test_known_hosts_are_bounded() -> None:
    """Names that were found good are remembered, but not without end."""
    guard = BrowserGuard([], [])
    for number in range(1000):
        guard.check({b"host": f"a{number}.localhost".encode()})
    assert len(guard._known) <= 64


def test_an_endless_host_is_not_repeated() -> None:
    """The refusal shows its beginning."""
    with pytest.raises(Forbidden) as caught:
        GUARD.check({b"host": b"e" * 60_000})
    assert len(str(caught.value)) < 400
