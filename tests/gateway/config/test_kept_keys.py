"""Keys of a `gateway.yaml` that stands beside a broken file."""

from pathlib import Path

import pytest

from gateway.config.kept_keys import kept_keys

ONE, TWO = "11" * 32, "22" * 32


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"keys:\n  a: {{sha256: '{ONE}'}}\n  b: {{sha256s: ['{TWO}', '{ONE}'], agents: [x]}}\n", {ONE, TWO}),
        (f"providers: {{}}\nunknown: 1\nkeys: {{a: {{sha256: '{ONE}'}}}}\n", {ONE}),
        ("providers: {}\n", None),
        ("keys: {}\n", None),
        (f"keys: {{a: {{sha256: '{ONE}'}}\n", None),
        (f"keys: {{a: {{sha256: '{ONE}'}}, b: {{sha256: [1]}}}}\n", None),
        (f"keys: {{a: {{sha256: '{ONE}'}}, b: {{sha256: no hex}}}}\n", None),
        (f"keys: {{a: {{sha256: '{ONE}'}}, a: {{sha256: '{TWO}'}}}}\n", None),
        ("[]", None),
    ],
)
def test_only_what_is_certain_is_told(tmp_path: Path, text: str, kept: set[str] | None) -> None:
    """Every digest, or nothing: what cannot be read with certainty revokes nobody."""
    (tmp_path / "gateway.yaml").write_text(text)
    assert kept_keys(tmp_path) == (None if kept is None else set(map(bytes.fromhex, kept)))


def test_without_the_file(tmp_path: Path) -> None:
    """A file that is being replaced revokes nobody either."""
    assert kept_keys(tmp_path) is None
