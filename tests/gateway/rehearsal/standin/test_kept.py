"""What outlives its call is bounded: the oldest is forgotten."""

import json

import pytest

from gateway.rehearsal.standin.answers import say
from gateway.rehearsal.standin.asks import StandinRefusal, plain_ask
from gateway.rehearsal.standin.behaviour import ModelBehaviour
from gateway.rehearsal.standin.kept import Files, KeptResponses
from gateway.rehearsal.standin.wire import StandinRequest

FORM = ((b"content-type", b"multipart/form-data; boundary=b"),)
UPLOAD = b"".join(
    b'--b\r\ncontent-disposition: form-data; name="%s"%s\r\n\r\n12345\r\n' % part
    for part in ((b"purpose", b""), (b"file", b'; filename="f"'))
)


def request(method: str, path: str, body: bytes = b"") -> StandinRequest:
    """A request as the service gets it."""
    return StandinRequest(method, path, "", FORM, body, http11=True)


def test_only_the_last_responses_are_kept() -> None:
    """The others are not found any more."""
    kept = KeptResponses(most=2)
    ask = plain_ask("m", {}, b"{}")
    for number in ("1", "2", "3"):
        kept.keep(ask, say(ask, ModelBehaviour(), number, 0.0), ready=0.0)
    assert kept.answer(request("GET", "/v1/responses/resp_2"), now=0.0)
    with pytest.raises(StandinRefusal, match="not found"):
        kept.answer(request("GET", "/v1/responses/resp_1"), now=0.0)


@pytest.mark.parametrize("files", [Files(most=2), Files(most_bytes=14)])
def test_only_so_many_files_and_bytes_are_kept(files: Files) -> None:
    """Whichever bound is reached first."""
    for number in ("1", "2", "3"):
        files.answer(request("POST", "/v1/files", UPLOAD + b"--b--"), number, now=0.0)
    _, body = files.answer(request("GET", "/v1/files"), "4", now=0.0) or (b"", b"")
    assert [each["id"] for each in json.loads(body)["data"]] == ["file-2", "file-3"]
