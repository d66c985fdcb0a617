"""One field of a form is found and replaced; every other byte stays what it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import CallerError
from gateway.multipart import find_field

KIND = b"multipart/form-data; boundary=cut"


def part(content: bytes, disposition: bytes = b'form-data; name="model"') -> bytes:
    return b"--cut\r\nContent-Disposition: " + disposition + b"\r\n\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--cut--\r\n"


@given(st.binary(max_size=200).filter(lambda data: b"--cut" not in data), st.booleans())
def test_a_files_bytes_are_not_touched(data: bytes, first: bool) -> None:
    """Wherever the field stands, only its value is another afterwards."""
    file = part(data, b'form-data; name="file"; filename="a"')
    parts = [part(b"agent"), file] if first else [file, part(b"agent")]
    body = form(*parts)
    field = find_field(body, KIND, "model")
    assert field is not None and field.value == "agent"
    assert field.replaced(body, "gpt-é") == form(*(part("gpt-é".encode()) if p is not file else p for p in parts))


@pytest.mark.parametrize(
    ("kind", "disposition"),
    [
        (b'multipart/form-data; boundary="cut"', b"form-data; name=model"),
        (b"Multipart/Form-Data;BOUNDARY=cut; charset=x", b'form-data;name="model"'),
        (b"multipart/form-data; charset=x; boundary=cut", b'FORM-DATA; x=y; NAME="model"'),
    ],
)
def test_spellings(kind: bytes, disposition: bytes) -> None:
    """Boundaries and names with and without quotes, in any case."""
    field = find_field(form(part(b"a", disposition)), kind, "model")
    assert field is not None and field.value == "a"


def test_a_preamble_and_an_empty_value() -> None:
    """What stands before the first boundary is skipped; a value may be empty."""
    field = find_field(b"hello\r\n" + form(part(b"")), KIND, "model")
    assert field is not None and field.value == ""


@pytest.mark.parametrize(
    "disposition",
    [b'form-data; name="models"', b'form-data; name="model"; filename="a"', b'form-data; filename="; name=model"', b""],
)
def test_what_is_not_the_field(disposition: bytes) -> None:
    """Other names, and files, even one of that name."""
    assert find_field(form(part(b"a", disposition)), KIND, "model") is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"--cut",
        b"--cut\r\n",
        part(b"a"),
        form(part(b"a"), part(b"b")),
        form(part(b"\xff")),
        b"--cut\r\n\r\n",
    ],
)
def test_broken_forms(body: bytes) -> None:
    """No form, an early end, two models or one that is no text: the caller's mistake, said so."""
    with pytest.raises(CallerError):
        find_field(body, KIND, "model")


def test_no_boundary() -> None:
    """Without it the form cannot be read."""
    with pytest.raises(CallerError):
        find_field(form(part(b"a")), b"multipart/form-data", "model")
