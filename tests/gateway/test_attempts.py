"""What an answer's headers say about another try."""

import pytest

from gateway.attempts import retry_after

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


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
