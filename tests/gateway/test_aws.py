"""Signatures of AWS in the query of a URL."""

from datetime import UTC, datetime

import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from gateway.aws import Credentials, Scope, presign

NOW = datetime(2026, 8, 30, 12, 36, tzinfo=UTC)
QUERY = {"Action": "connect", "User": "serinus/eu+1", "ResourceType": "ServerlessCache"}


@pytest.mark.parametrize("token", ["", "FwoG+Zx/=="])
def test_as_the_official_sdk_presigns(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    """To the letter but for the order of the fields, with and without a session's token."""
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: NOW)
    key = BotoCredentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token or None)
    theirs = AWSRequest("GET", "https://orders/", params=QUERY)
    SigV4QueryAuth(key, "elasticache", "eu-central-1", expires=900).add_auth(theirs)
    ours = presign(
        "orders", QUERY, Credentials(key.access_key, key.secret_key, token), Scope("eu-central-1", "elasticache"),
        NOW.timestamp(), 900,
    )  # fmt: skip
    assert sorted(ours.partition("?")[2].split("&")) == sorted(str(theirs.url).partition("?")[2].split("&"))
