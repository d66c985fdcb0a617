"""One field of a form is found and replaced; every other byte stays what it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import CallerError
from gateway.multipart import Form

KIND = b"multipart/form-data; boundary=cut"


def part(content: bytes, disposition: bytes = b'form-data; name="model"') -> bytes:
    return b"--cut\r\nContent-Disposition: " + disposition + b"\r\n\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--cut--\r\n"


def passed(body: bytes, value: str, kind: bytes = KIND, size: int = 1 << 20) -> tuple[str | None, bytes]:
    """The field's value, and the form with another one there, fed in pieces of that size."""
    seen, out = Form(kind, "model"), b""
    for at in range(0, len(body), size):
        out += seen.feed(body[at : at + size])
        if seen.value is not None and b"\0put" not in out:
            out += seen.put(value) + b"\0put"
    seen.end()
    return seen.value, out.replace(b"\0put", b"")


@given(
    st.binary(max_size=200).filter(lambda data: b"--cut" not in data and b"\0put" not in data),
    st.booleans(),
    st.integers(1, 50),
)
def test_a_files_bytes_are_not_touched(data: bytes, first: bool, size: int) -> None:
    """Wherever the field stands, and wherever the form is cut, only its value is another afterwards."""
    file = part(data, b'form-data; name="file"; filename="a"')
    parts = [part(b"agent"), file] if first else [file, part(b"agent")]
    value, out = passed(form(*parts), "gpt-\u00e9", size=size)
    assert value == "agent"
    assert out == form(*(part("gpt-\u00e9".encode()) if p is not file else p for p in parts))


@given(st.binary(max_size=200).filter(lambda data: b"--cut" not in data), st.integers(1, 50))
def test_a_value_that_is_expected(data: bytes, size: int) -> None:
    """It is put where the field comes, without a stop; no form says more than it did."""
    file = part(data, b'form-data; name="file"; filename="a"')
    seen, body, out = Form(KIND, "model"), form(file, part(b"agent")), b""
    seen.expect("good")
    for at in range(0, len(body), size):
        out += seen.feed(body[at : at + size])
    seen.end()
    assert (seen.value, seen.value_bytes, out) == ("agent", 5, form(file, part(b"good")))


def test_nobody_looks_any_further() -> None:
    """What was held back is let go of as it was."""
    seen, body = Form(KIND, "model"), form(part(b"x" * 50, b'form-data; name="file"; filename="a"'))
    assert seen.feed(body[:90]) + seen.let_go() == body[:90]
    assert seen.saw_file


def test_memory_is_bounded() -> None:
    """Of a file no more than a boundary's length is held back; heads and values have an end."""
    seen = Form(KIND, "model")
    seen.feed(part(b"", b'form-data; name="file"; filename="a"')[:-2] + b"\r\n")
    assert len(seen.feed(b"x" * 1_000_000)) > 999_900
    for endless in (b"--cut\r\nx: " + b"y" * 20_000, b"y" * 20_000, part(b"y" * 20_000)[:-2]):
        with pytest.raises(CallerError):
            Form(KIND, "model").feed(endless)


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
    assert passed(form(part(b"a", disposition)), "b", kind)[0] == "a"


def test_a_preamble_and_an_empty_value() -> None:
    """What stands before the first boundary is skipped; a value may be empty."""
    assert passed(b"hello\r\n" + form(part(b"")), "b") == ("", b"hello\r\n" + form(part(b"b")))
    assert passed(form(part(b"")[:-2]), "b") == ("", form(part(b"b")))


@pytest.mark.parametrize(
    "disposition",
    [b'form-data; name="models"', b'form-data; name="model"; filename="a"', b'form-data; filename="; name=model"', b""],
)
def test_what_is_not_the_field(disposition: bytes) -> None:
    """Other names, and files, even one of that name."""
    body = form(part(b"a", disposition))
    assert passed(body, "b") == (None, body)


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
        passed(body, "b")


def test_no_boundary() -> None:
    """Without it the form cannot be read."""
    with pytest.raises(CallerError):
        Form(b"multipart/form-data", "model")
