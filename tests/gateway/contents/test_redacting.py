"""What is taken out of recorded texts: secrets by their value, by their digest, by their shape, and by a pattern."""

import hashlib
from time import process_time

import pytest

from gateway.auth import Doorkeeper, Key
from gateway.calls import Caller
from gateway.contents.content import CallContent, ContentMessage, ContentPart
from gateway.contents.redacting import ContentRedactor, Secrets
from gateway.contents.selection import CUT, MARGIN
from gateway.redaction import Redactor

KEY = "key-of-some-team/42+z="


def of(*texts: str) -> CallContent:
    return CallContent((ContentMessage("user", tuple(ContentPart("text", text) for text in texts)),))


async def redacted(text: str, *patterns: str, secrets: Secrets | None = None) -> str:
    redactor = ContentRedactor()
    redactor.secrets = secrets or Secrets()
    (found,) = (await redactor.redact(of(text), "web", patterns)).texts
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sk-proj-abcdefghijklmnop1234", "[redacted: key]"),
        ("use sk_live_4eC39HqLyjWDarjtT1zdp7dc.", "use [redacted: key]."),
        ("AKIAIOSFODNN7EXAMPLE", "[redacted: key]"),
        ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", "[redacted: key]"),
        ("Authorization: Bearer abcdefghij0123456789", "Authorization: [redacted: key]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN", "[redacted: key]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nAB==\n-----END RSA PRIVATE KEY-----!", "[redacted: key]!"),
        ('{"key":"line\\nsk-proj-abcdefghijklmnop1234"}', '{"key":"line\\n[redacted: key]"}'),
        ("mail Ann.B+x@birds.example, now", "mail [redacted: e-mail], now"),
        ("ünï@bücher.example", "[redacted: e-mail]"),
        ("4111-1111-1111-1111", "[redacted: card number]"),
        ("amex 378282246310005", "amex [redacted: card number]"),
        ("order 4111111111111112", "order 4111111111111112"),
        ("1.4111111111111111 and 12345", "1.4111111111111111 and 12345"),
        ("ask @ann about skimming, or task-force-management", "ask @ann about skimming, or task-force-management"),
    ],
)
async def test_by_shape(text: str, expected: str) -> None:
    """Keys of known APIs, tokens, private keys, addresses and card numbers; other words stay."""
    assert await redacted(text) == expected


@pytest.mark.parametrize("around", ["{}", "key={}", "({}).", '"{}"', "x\\n{}", "{}, please"])
async def test_by_digest(around: str) -> None:
    """A caller's key of which the configuration holds a digest alone, and nobody has sent it here yet."""
    doorkeeper = Doorkeeper([Key(hashlib.sha256(KEY.encode()).digest(), Caller("web", ""))], None)
    text = await redacted(around.format(KEY), secrets=Secrets(doorkeeper=doorkeeper))
    assert KEY not in text and "[redacted: key]" in text


async def test_by_value() -> None:
    """A secret of the configuration, also in base64 and cut off."""
    text = await redacted("it is c2VjcmV0LW9mLW91cnMtMTIz", secrets=Secrets(Redactor(["secret-of-ours-123"])))
    assert "c2VjcmV0" not in text


@pytest.mark.parametrize("at", [16_370, 16_384, 32_760, 262_000])
async def test_by_value_in_a_long_text(at: int) -> None:
    """Also over the end of a window."""
    secret = "secret-of-ours-123"
    text = await redacted("-" * at + secret + "-" * 20_000, secrets=Secrets(Redactor([secret])))
    assert "secret" not in text and "ours" not in text and len(text) == at + len(secret) + 20_000


async def test_by_pattern() -> None:
    """An operator's own."""
    assert await redacted("order ACME-123456", r"ACME-\d{6}") == "order [redacted]"


async def test_a_secret_at_the_cut() -> None:
    """What the cut would have split is found whole, and goes; the margin goes with it."""
    text = "x" * 100 + " sk-proj-" + "a" * 40 + " " + "y" * (MARGIN - 60) + f"{CUT}77 "
    found = await redacted(text)
    assert (
        found.startswith("xxx") and found.endswith("… [77 characters cut]") and "aaa" not in found and "y" not in found
    )


@pytest.mark.parametrize(
    "piece",
    ["eyJ-", "-eyJaaaaaaaa.", "a@", "%", "4 ", "41", "sk-", "Bearer ", "-----BEGIN PRIVATE KEY-----", "\\nsk-",
     "a.b@c.", "=/~", "aaaaaaaaaaaa=", "[", f"{CUT}1"],
)  # fmt: skip
async def test_linear_time(piece: str) -> None:
    """Twice a text takes about twice the time, whatever it was made for."""

    async def seconds(length: int) -> float:
        text = piece * (length // len(piece))
        doorkeeper = Doorkeeper([Key(b"d" * 32, Caller("web", ""))], None)
        best = 9.0
        for _ in range(3):
            began = process_time()
            await redacted(text, secrets=Secrets(Redactor([KEY]), doorkeeper))
            best = min(best, process_time() - began)
        return best

    assert await seconds(120_000) < 8 * await seconds(30_000) + 0.05
