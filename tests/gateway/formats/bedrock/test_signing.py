"""Signature Version 4, over botocore."""

import builtins
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from gateway.aws import Chain, Credentials, from_environment
from gateway.errors import GatewayError
from gateway.formats.bedrock._signing import sign
from gateway.formats.bedrock.provider_request import path
from gateway.net.client import Origin, Request

# AWS's published examples of Signature Version 4: the suite `aws-sig-v4-test-suite`.
EXAMPLE = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
NOW = datetime(2015, 8, 30, 12, 36, tzinfo=UTC).timestamp()
HOST = Origin("https", "example.amazonaws.com", 443)
VANILLA = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"


def signed(request: Request, credentials: Credentials = EXAMPLE, service: str = "bedrock") -> dict[bytes, bytes]:
    return dict(sign(request, credentials, "us-east-1", NOW, service))


def test_the_published_example() -> None:
    """`get-vanilla` of AWS's test suite, to the letter."""
    assert signed(Request("GET", HOST, "/", []), service="service") == {
        b"x-amz-date": b"20150830T123600Z",
        b"authorization": b"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        b"SignedHeaders=host;x-amz-date, Signature=" + VANILLA.encode(),
    }


def test_as_the_official_sdk_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole request with a token, and a model whose id must be quoted twice."""
    origin = Origin("https", "bedrock-runtime.us-east-1.amazonaws.com", 443)
    request = Request("POST", origin, path("anthropic.claude-sonnet-4-5-20250929-v1:0", stream=True),
                      [(b"content-type", b"application/json"), (b"user-agent", b"x")], b'{"messages":[]}')  # fmt: skip
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: datetime.fromtimestamp(NOW, UTC))
    theirs: Any = AWSRequest("POST", f"https://{origin.host}{request.path}", {"content-type": "application/json"},
                             request.body)  # fmt: skip
    key = BotoCredentials(EXAMPLE.access_key, EXAMPLE.secret_key, "token")
    SigV4Auth(key, "bedrock", "us-east-1").add_auth(theirs)
    ours = signed(request, Credentials(EXAMPLE.access_key, EXAMPLE.secret_key, "token"))
    assert ours[b"authorization"].decode() == theirs.headers["Authorization"]
    assert ours[b"x-amz-security-token"] == b"token"
    assert b"SignedHeaders=content-type;host;x-amz-date;x-amz-security-token" in ours[b"authorization"]


@pytest.mark.parametrize(
    "other",
    [
        Request("POST", HOST, "/b", [], b"a"),
        Request("POST", HOST, "/a", [], b"b"),
        Request("POST", Origin("http", "::1", 8080), "/a", [], b"a"),
    ],
)
def test_every_part_is_signed(other: Request) -> None:
    """Another path, body or host is another signature."""
    assert signed(Request("POST", HOST, "/a", [], b"a")) != signed(other)


def test_credentials_from_the_environment() -> None:
    """AWS's own variables; half of a key is none."""
    values = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S", "AWS_SESSION_TOKEN": "T"}
    assert from_environment(values) == Credentials("A", "S", "T")
    assert from_environment({"AWS_ACCESS_KEY_ID": "A"}) is None
    assert "S" not in repr(Credentials("A", "S", "T")).removeprefix("Credentials")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """An environment of AWS's own in which nothing but a credentials file is found; gives it that content."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))

    def write(text: str) -> None:
        (tmp_path / "credentials").write_text(text)

    return write


def test_the_chain_of_aws(aws: Callable[[str], None]) -> None:
    """A profile of AWS's own files."""
    aws("[mine]\naws_access_key_id = A\naws_secret_access_key = S\naws_session_token = T\n")
    assert Chain("mine").current() == Credentials("A", "S", "T")


@pytest.mark.parametrize("profile", [None, "absent"])
def test_no_credentials(aws: Callable[[str], None], profile: str | None) -> None:
    """It says what is missing."""
    with pytest.raises(GatewayError) as caught:
        Chain(profile)
    assert "no AWS credentials" in caught.value.message


def test_without_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install."""
    real = builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        if name.startswith("botocore"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    for attempt in (lambda: signed(Request("GET", HOST, "/", [])), Chain):
        with pytest.raises(GatewayError) as caught:
            attempt()
        assert "serinus[bedrock]" in caught.value.message
