"""Makers of what is stored at providers' accounts, by id: no other key that is for some agents reaches it
(decisions 29 and 74)."""

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from itertools import repeat
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson

from gateway.calls import Caller
from gateway.errors import NotFound

_MOST_MADE = 65_536
_FORGOTTEN_AT_ONCE = 64  # the part of all ids that goes where they are too many, so that it is seldom looked for
_LONGEST_ID = 256  # of what is remembered; OpenAI's are 53 characters long
# What stands in a call's body that names what is stored; the last, an escape, may spell any of the others.
_MAY_NAME_IDS = (
    *(b"file_id", b"vector_store", b"container", b"conversation", b"skill_id", b"previous", b"\\u00"),
    *(b"fileId", b"vectorStore", b"skillId"),  # Google's APIs take both spellings
    *(b"fileUri", b"file_uri", b'"uri"', b"cachedContent", b"cached_content"),
    *(b"fileSearchStore", b"file_search_store"),
)
_LONGEST_SPELLING = 4 * _LONGEST_ID
_NOT_PLAIN = re.compile(r"[;?#].*|[^\w-]+", re.DOTALL)  # what lenient servers pass over in an id


class Makers:
    """Callers that created objects through this replica, by id. Bounded, in memory; an unknown id is refused to nobody.

    Answers of models (responses, threads, interactions) are apart from what is stored otherwise (files, batches,
    stores): calls are many, and would make the others forgotten.
    """

    def __init__(self, most: int = _MOST_MADE) -> None:
        self._made = _Ledger(most)
        self._answers = _Ledger(most)

    def learn(self, answer: bytes, caller: Caller, asked: Iterable[str] = ()) -> None:
        """Read the id of what was made off the answer to a POST, if it tells one. The first maker of an id stays.

        `asked` is what the request says. An id in it was there before, and its maker is not known by this answer.
        """
        try:
            made = orjson.loads(answer)
        except orjson.JSONDecodeError:
            return
        named = list(asked)
        for id_ in _ids_of(made):
            if not _is_in(id_, named):
                self.learn_id(id_, caller)

    def learn_id(self, id_: str, caller: Caller) -> None:
        """Note who made what is stored, unless that is known already."""
        _note(self._made, id_, caller)

    def learn_answer(self, id_: str, caller: Caller) -> None:
        """Note whose call got an answer that its provider keeps."""
        _note(self._answers, id_, caller)

    def check(self, asked: Iterable[str], caller: Caller) -> None:
        """Raise NotFound where a text is the id of what another caller made, and the key is limited to some agents."""
        if not caller.is_limited or not self._knows_any:
            return
        for id_ in asked:
            if len(id_) <= _LONGEST_SPELLING and any(map(self._is_anothers, _parts(id_), repeat(caller.name))):
                raise NotFound(f"there is no {id_!r} of this key's", param="id")

    def check_call(self, body: bytes, values: Mapping[str, Any], caller: Caller) -> None:
        """Check the ids in a call's body, which is looked into only where it may name one."""
        if caller.is_limited and self._knows_any and any(map(body.__contains__, _MAY_NAME_IDS)):
            self.check(texts_of(values), caller)

    @property
    def _knows_any(self) -> bool:
        return bool(self._made.makers or self._answers.makers)

    def _is_anothers(self, part: str, name: str) -> bool:
        plain = _plain(part)
        maker = self._made.makers.get(plain) or self._answers.makers.get(plain)
        return maker is not None and maker != name


class _Ledger:
    """Makers by id. Where it is full, whoever has most in it loses the oldest: nobody can make another's forgotten."""

    def __init__(self, most: int) -> None:
        self.makers: dict[str, str] = {}
        self._of: dict[str, OrderedDict[str, None]] = {}
        self._most = most

    def note(self, id_: str, maker: str) -> None:
        if id_ in self.makers:
            return
        self.makers[id_] = maker
        self._of.setdefault(maker, OrderedDict())[id_] = None
        if len(self.makers) > self._most:
            self._forget()

    def _forget(self) -> None:
        fullest = max(self._of.values(), key=len)
        for _ in range(max(1, min(len(fullest), self._most // _FORGOTTEN_AT_ONCE))):
            del self.makers[fullest.popitem(last=False)[0]]


def _note(ledger: _Ledger, id_: str, caller: Caller) -> None:
    if 0 < len(id_) <= _LONGEST_ID:
        ledger.note(_plain(id_), caller.name)


def _parts(text: str) -> list[str]:
    """A text, and each part of a URL or of a name (`…/files/abc/`), without a verb behind it."""
    return [text, *(part.partition(":")[0] for part in text.split("/"))]


def _ids_of(made: Any) -> list[str]:
    """Return the names of the object in an answer: its `id`, or Gemini's `name`, whole and its last part."""
    if not isinstance(made, dict):
        return []
    inner = made.get("file")  # around which Gemini's answer to an upload is
    name = (inner if isinstance(inner, dict) else made).get("name")
    names = [name, name.rpartition("/")[2]] if isinstance(name, str) and "/" in name else []
    return [each for each in (made.get("id"), *names) if isinstance(each, str)]


def _plain(text: str) -> str:
    """An id as the most lenient server would read it."""
    return _NOT_PLAIN.sub("", text).casefold()


def _is_in(id_: str, texts: Iterable[str]) -> bool:
    """Return whether a text holds the id, in any case."""
    plain = id_.casefold()
    return any(plain in text.casefold() for text in texts)


def texts_of(value: Any) -> Iterator[str]:
    """Yield every string in a JSON value, names of members included."""
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            left += each
            left += each.values()
        elif isinstance(each, list):
            left += each


def texts_of_target(path: str, query: str) -> Iterator[str]:
    """Yield the decoded segments of a path, and the decoded names and values of a query."""
    yield from unquote(path).split("/")
    for pair in parse_qsl(query, keep_blank_values=True):
        yield from pair
