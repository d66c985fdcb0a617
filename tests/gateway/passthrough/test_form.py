"""One field of a form is found and replaced; every other byte stays what it was."""

from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import CallerError
from gateway.passthrough.form import Form, boundary_of

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
        (b"multipart/form-data; charset=x; boundary=cut", b'FORM-DATA;  NAME="model";'),
    ],
)
def test_spellings(kind: bytes, disposition: bytes) -> None:
    """Boundaries and names with and without quotes, in any case."""
    assert passed(form(part(b"a", disposition)), "b", kind)[0] == "a"


def test_an_empty_value() -> None:
    """A value may be empty, and a form may begin with a line's end."""
    assert passed(b"\r\n" + form(part(b"")), "b") == ("", b"\r\n" + form(part(b"b")))
    assert passed(form(part(b"")[:-2]), "b") == ("", form(part(b"b")))


@pytest.mark.parametrize(
    "disposition",
    [
        b'form-data; name="modelled"',
        b'form-data; name="file"; filename="a;b name.wav"; filename*=utf-8\'\'a%20b',
        b"form-data; name=file; filename=a.wav",
        b'form-data; name="file"; filename="C:\\x\xc3\xa9"\r\nContent-Type: audio/wav\r\nContent-Length: 1',
        b'form-data; name="timestamp_granularities[]"',
        b'form-data; name="expires_after[anchor]"\r\nContent-Type: text/plain; charset=utf-8',
    ],
)
def test_what_is_not_the_field(disposition: bytes) -> None:
    """Other names, as the usual clients write them."""
    body = form(part(b"a", disposition))
    assert passed(body, "b") == (None, body)


@pytest.mark.parametrize(
    "disposition",
    [
        *(b'form-data; name="model"; filename="a"', b"form-data; name=\"model\"; filename*=utf-8''a"),
        *(b'form-data; name="Model"', b'form-data; name="model[]"', b'form-data; name="MODEL.x"'),
        *(b"form-data; name*=utf-8''model", b"form-data; name=\"x\"; name*=utf-8''model"),
        *(b'form-data; name="x"; name="model"', b'form-data; x="; name=y"; name="model"', b'form-data; name= "model"'),
        *(b'form-data; name="mo\\del"', b'form-data; name="mod%65l"', b'form-data; name="=?utf-8?q?model?="'),
        *(
            b'form-data; name = "model"',
            b'form-data; "name"="model"',
            b"form-data; name='model'",
            b"form-data, name=model",
        ),
        *(b'form-data;\r\n name="model"', b'form-data; name="mod\r\n el"', b'form-data; name="model\0"'),
        *(b'attachment; name="model"', b'name="model"', b"form-data", b"", b'form-data; name=""'),
        *(b'form-data; name="x"; filename="a\\"; name="model"', b'form-data; name="x"; filename="a; name=model"'),
        *(b'form-data; name="x"\r\nContent-Disposition: form-data; name="model"', b'form-data; name="x"\nX: y'),
        *(b'form-data; name="x"\r\nContent-Disposition : form-data; name="model"', b'form-data; name="x"\rX: y'),
        *(b'form-data; name="x"\r\nContent-Type: multipart/mixed; boundary=b', b'form-data; name="x"\r\nName: model'),
        *(b'form-data; name=" model"', b'form-data; name="model "'),
    ],
)
def test_heads_that_two_parsers_read_differently(disposition: bytes) -> None:
    """Whatever is not exactly one plain name is refused, before and behind the model."""
    for parts in ((part(b"a", disposition), part(b"a")), (part(b"a"), part(b"a", disposition))):
        with pytest.raises(CallerError):
            passed(form(*parts), "b")


HIDDEN = b'Content-Disposition: form-data; name="model"\r\n\r\nexpensive'


@pytest.mark.parametrize("size", [1, 3, 1 << 20])
@pytest.mark.parametrize(
    "body",
    [
        form(part(b"x\n--cut\n" + HIDDEN), part(b"a")),
        form(part(b"a"), part(b"x\n--cut\n" + HIDDEN, b"form-data; name=x")),
        form(part(b"a"), part(b"x\r--cut\r\n" + HIDDEN, b"form-data; name=x")),
        form(part(b"a"), part(b"x\r\n--cut \r\n" + HIDDEN, b"form-data; name=x")),
        form(part(b"a"), part(b"x\r\n--cutter\r\n" + HIDDEN, b"form-data; name=x")),
        form(part(b"a"), part(b"x\r\n--cut-\r\n" + HIDDEN, b"form-data; name=x")),
        b"x\n--cut\n" + HIDDEN + b"\r\n" + form(part(b"a")),
        b"hello\r\n" + form(part(b"a")),
        form(part(b"a")) + b"--cut\r\n" + HIDDEN,
        form(part(b"a")) + b"\r\n" + part(b"expensive"),
        form(part(b"a"))[:-2] + b"x",
    ],
)
def test_boundaries_that_two_parsers_see_elsewhere(body: bytes, size: int) -> None:
    """Nothing stands before, behind or between the parts, and no boundary where another line end makes one."""
    with pytest.raises(CallerError):
        passed(body, "b", size=size)


@pytest.mark.parametrize(
    "kind",
    [
        *(b"multipart/form-data; boundary=a; boundary=cut", b'multipart/form-data; x="; boundary=a"; boundary=cut"'),
        *(
            b"multipart/form-data; boundary*=utf-8''cut",
            b"multipart/form-data; boundary*0=cut",
            b"multipart/mixed; boundary=cut",
        ),
        *(
            b'multipart/form-data; boundary="c\\ut"',
            b"multipart/form-data, boundary=cut",
            b"multipart/form-data; boundary=",
        ),
        *(
            b"multipart/form-data; boundary=" + b"c" * 71,
            b'multipart/form-data; boundary="cut "',
            b"multipart/form-data",
        ),
        b"multipart/form-data; boundary=cut, multipart/form-data; boundary=a",
    ],
)
def test_content_types_with_two_boundaries(kind: bytes) -> None:
    """One boundary, plainly written, or none of it goes on."""
    with pytest.raises(CallerError):
        boundary_of(kind)


def test_a_quoted_string_with_a_boundary_in_it() -> None:
    """It is the value of something else; what goes up says nothing of it."""
    seen = Form(b'multipart/form-data; x="; boundary=a"; boundary="=cut="', "model")
    assert seen.content_type == b'multipart/form-data; boundary="=cut="'


@pytest.mark.parametrize("unit", [b"aaaaaaaaaaaa", b"            ", b"; ; ; ; ; ; ", b"; filename=a", b'\\\\";name="x'])
def test_hostile_heads_cost_in_proportion(unit: bytes) -> None:
    """Four times as long a head, or content type, takes about four times as much: never sixteen times."""

    def cost(size: int) -> float:
        began = process_time()
        for before in (b"form-data", b'form-data; name="x"; filename="', b'form-data; name="x"'):
            with pytest.raises(CallerError):
                passed(form(part(b"a", before + unit * size + b'"!"')), "b")
            with pytest.raises(CallerError):
                boundary_of(b"multipart/form-data; boundary=cut" + unit * size + b'"!"')
        return process_time() - began

    assert min(cost(1200) for _ in range(5)) < 9 * min(cost(300) for _ in range(5)) + 0.0005


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
        form(b"--cut\r\n\r\na\r\n"),
    ],
)
def test_broken_forms(body: bytes) -> None:
    """No form, an early end, two models or one that is no text: the caller's mistake, said so."""
    with pytest.raises(CallerError):
        passed(body, "b")


def test_many_parts_cost_in_proportion() -> None:
    """What is held back is not copied for each part: twice the parts allocate about twice the bytes."""

    def copied(parts: int) -> int:
        """The bytes that one piece of so many parts would copy, where each part copied what is left."""
        left = Counted(b"\r\n" + form(*[part(b"", b"form-data; name=x")] * parts))
        seen = Form(KIND, "model")
        seen._rest = left
        Counted.copied = 0
        seen.feed(b"")
        return Counted.copied

    assert copied(2000) < 3 * copied(1000)


class Counted(bytes):
    """Bytes that count what is copied out of them."""

    copied = 0

    def __add__(self, other: Any) -> "Counted":
        return Counted(bytes(self) + other)

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        Counted.copied += len(found) if isinstance(found, bytes) else 1
        return Counted(found) if isinstance(found, bytes) else found


def test_parts_are_bounded() -> None:
    """Ten thousand parts are a form, one more is not."""
    one = part(b"", b"form-data; name=x")
    assert passed(form(*[one] * 10_000), "b")[0] is None
    with pytest.raises(CallerError, match="more than 10000 parts"):
        passed(form(*[one] * 10_001), "b")


def test_no_boundary() -> None:
    """Without it the form cannot be read."""
    with pytest.raises(CallerError):
        Form(b"multipart/form-data", "model")
