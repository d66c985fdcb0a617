"""What is fuzzed: a reader of bytes, the words of its language, and the properties that hold for any bytes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

CORPUS = Path(__file__).with_name("corpus")
_WORDS = Path(__file__).with_name("words")
_MOST_WORDS = 40


@dataclass(frozen=True, slots=True)
class Target:
    """A reader. `check` feeds it with bytes, cut where `cuts` says, and raises AssertionError where a property breaks.

    Any other exception that leaves `check` is a fault, too: what a reader may raise is caught within. `is_slow`: a
    check takes a loop and sockets.
    """

    name: str
    check: Callable[[bytes, tuple[int, ...]], object]
    is_slow: bool = False

    @property
    def words(self) -> list[bytes]:
        """Return pieces of the reader's language, of which most inputs are made: a line each, escaped as in Python."""
        lines = (_WORDS / f"{self.name}.txt").read_text("ascii").split("\n")
        return [line.encode().decode("unicode_escape").encode("latin-1") for line in lines if line]

    def inputs(self) -> st.SearchStrategy[bytes]:
        """Return a strategy of inputs: words in any order, some of them cut or followed by any bytes."""
        word = st.sampled_from(self.words)
        cut = st.builds(lambda text, end: text[:end], word, st.integers(0, 12))
        piece = st.one_of(word, word, word, cut, st.binary(max_size=4))
        return st.lists(piece, max_size=_MOST_WORDS).map(b"".join)

    def kept(self) -> Iterator[Path]:
        """Yield the corpus: inputs that broke a property once, and some that come close."""
        yield from sorted((CORPUS / self.name).glob("*"))


CUTS = st.lists(st.integers(0, 400), max_size=8).map(tuple)


def pieces(data: bytes, cuts: tuple[int, ...]) -> list[bytes]:
    """Return the bytes in pieces, cut at those places; with the cut -1 byte by byte."""
    places = range(1, len(data)) if -1 in cuts else sorted({cut for cut in cuts if 0 < cut < len(data)})
    ends = [*places, len(data)]
    return [data[begin:end] for begin, end in zip([0, *ends[:-1]], ends, strict=True) if end > begin]
