"""The frame of every page, and the page as a value: fixed parts, and fragments that the stream of events renews."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gateway.pages.condition import LEVELS, Level
from gateway.pages.html import NOTHING, Markup, joined, tag

SIGNS: Mapping[Level, str] = {
    "hurt": "✖",
    "suspect": "▲",
    "attention": "!",
    "rolled_back": "↩",
    "watching": "◌",
    "fine": "✔",
    "quiet": "–",
}
_ELSEWHERE = ("Calls", "Conversations", "Review")
_REFRESH_SECONDS = 5  # of a page without a script


@dataclass(frozen=True, slots=True)
class LivePage:
    """A page: its `name` in the line that says where one is, its `title` in the tab.

    `top` leads from its address to that of `/status`, such as `../`; `events` is the address of its stream. `parts` are
    its elements in order; those in `live` are renewed by their ids. `lists` holds, by the id of a list, the ids of its
    items in order. `script` is the file of the page's script.
    """

    name: str
    title: str
    level: Level
    top: str
    events: str | None
    parts: tuple[Markup, ...]
    live: Mapping[str, Markup]
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    crumbs: tuple[tuple[str, str], ...] = ()
    script: str = "status.js"

    @property
    def head_title(self) -> str:
        """The title with the sign of its state, so that a tab in the background shows it."""
        return f"{SIGNS[self.level]} {self.title} · Serinus"

    def state(self) -> str:
        """Return the id of what the page shows now: the same for the same, at every replica."""
        shown = hashlib.blake2b(digest_size=12)
        for name, html in self.live.items():
            shown.update(f"{name}\0{html}\0".encode())
        shown.update(repr((self.head_title, self.level, sorted(self.lists.items()))).encode())
        return shown.hexdigest()


def document(page: LivePage) -> bytes:
    """Return the page as a document in UTF-8."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("noscript", tag("meta", http_equiv="refresh", content=_REFRESH_SECONDS)) if page.events else NOTHING,
        tag("title", page.head_title),
        tag("link", rel="icon", type="image/svg+xml", id="icon", href=icon_address(page)),
        tag("link", rel="stylesheet", href=f"{page.top}status.css"),
        tag("script", src=f"{page.top}{page.script}", defer=True),
    )
    body = tag(
        "body",
        tag("a", "Skip to the content", href="#main", class_="skip"),
        tag(
            "header",
            tag("nav", *_crumbs(page), aria_label="Where you are"),
            _elsewhere(page),
            _connection(page),
            class_="top",
        ),
        tag("main", *page.parts, id="main"),
        data_events=page.events,
        data_state=page.state() if page.events else None,
        data_icons=f"{page.top}status-",
    )
    return joined((Markup("<!doctype html>"), tag("html", head, body, lang="en"))).encode()


def icon_address(page: LivePage) -> str:
    """Return the address of the icon that shows the page's state."""
    return f"{page.top}status-{page.level}.svg"


def chip(level: Level, word: str = "") -> Markup:
    """Return a level as its sign and its word: never by colour alone."""
    sign = tag("span", SIGNS[level], aria_hidden="true", class_="sign")
    return tag("span", sign, " ", word or LEVELS[level], class_=f"chip {level}")


def _crumbs(page: LivePage) -> Iterator[Markup]:
    for name, address in page.crumbs:
        yield tag("a", name, href=address)
        yield tag("span", "›", aria_hidden="true")
    yield tag("span", page.name, aria_current="page")


def _elsewhere(page: LivePage) -> Markup:
    anchors = (tag("a", words, href=f"{page.top}{words.lower()}") for words in _ELSEWHERE)
    return tag("nav", *anchors, aria_label="Elsewhere", class_="elsewhere")


def _connection(page: LivePage) -> Markup:
    """Return the place where the script says whether the page is live."""
    if page.events is None:
        return NOTHING
    without = tag("noscript", f"Without JavaScript this page reloads every {_REFRESH_SECONDS} seconds.")
    return tag("p", without, id="connection", role="status", class_="connection")


_COLOURS: Mapping[Level, str] = {
    "hurt": "#b3261e",
    "suspect": "#b45309",
    "attention": "#b45309",
    "rolled_back": "#5b3fa8",
    "watching": "#1d5fa8",
    "fine": "#17693a",
    "quiet": "#5f6368",
}


def icon(level: Level) -> bytes:
    """Return the icon of a state as SVG: a sign on a colour, both different for each."""
    sign = tag(
        "text", SIGNS[level], x=16, y=23, fill="#fff", font_size=20, font_family="sans-serif", text_anchor="middle",
        font_weight="bold",
    )  # fmt: skip
    shape = tag("rect", width=32, height=32, rx=7, fill=_COLOURS[level])
    return tag("svg", shape, sign, xmlns="http://www.w3.org/2000/svg", viewBox="0 0 32 32").encode()
