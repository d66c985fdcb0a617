"""Protection of a gateway without keys from web pages: a browser on the same machine reaches it for any page.

The `Host` of a request must be a name of this machine. A page whose own name was pointed at 127.0.0.1 (DNS rebinding)
is of the gateway's origin to its browser, but its name gives it away. And no page of another site may send anything,
whether or not it may read the answer (Fetch Metadata; Fetch standard, 3.1). Programs that are no browsers send neither
`Origin` nor `Sec-Fetch-Site`.
"""

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv6Address, ip_address

from gateway.errors import Forbidden

_AUTHORITY = re.compile(r"(?:\[([0-9a-fA-F:.]{2,45})\]|([A-Za-z0-9._-]{1,253}))(?::[0-9]{1,5})?")
_MOST_KNOWN = 64
_LONGEST_SHOWN = 100


class BrowserGuard:
    """Distinguish requests of this machine's programs from those of foreign web pages.

    `hosts` are further names of the gateway, without a port; `origins` those whose pages may call.
    """

    def __init__(self, hosts: Iterable[str], origins: Iterable[str]) -> None:
        self._hosts = frozenset(map(_plain, hosts))
        self._origins = frozenset(origins)
        self._known: set[bytes] = set()

    def check(self, headers: Mapping[bytes, bytes], *, may_be_opened: bool = False) -> None:
        """Refuse a request under a foreign name or from a foreign page. Raises Forbidden.

        `may_be_opened`: it asks for a page, which a link of another site may open in a tab of its own.
        """
        host = headers.get(b"host")
        if host is not None and host not in self._known:
            self._check_host(host)
        if b"sec-fetch-site" in headers or b"origin" in headers:
            self._check_site(headers, may_be_opened)

    def _check_host(self, host: bytes) -> None:
        text = host.decode("latin-1").strip()
        if not self._is_ours(text):
            raise Forbidden(
                f"{text[:_LONGEST_SHOWN]!r} is no name of this machine, and without configured keys no other one is "
                "served; add it to 'hosts' in gateway.yaml, or configure 'keys'",
                code="host_not_allowed",
            )
        if len(self._known) < _MOST_KNOWN:
            self._known.add(host)

    def _is_ours(self, authority: str) -> bool:
        match = _AUTHORITY.fullmatch(authority)
        if match is None:
            return False
        name = _plain(match[1] or match[2])
        return name in self._hosts or name == "localhost" or name.endswith(".localhost") or _is_loopback(name)

    def _check_site(self, headers: Mapping[bytes, bytes], may_be_opened: bool) -> None:
        origin, site = headers.get(b"origin"), headers.get(b"sec-fetch-site")
        if origin is not None and origin.decode("latin-1").lower() in self._origins:
            return
        if site is None:
            allowed = origin is not None and _is_of(origin, headers.get(b"host", b""))
        else:
            allowed = site in (b"same-origin", b"none") or (may_be_opened and _is_opened(headers))
        if not allowed:
            shown = (origin or b"another site").decode("latin-1")[:_LONGEST_SHOWN]
            raise Forbidden(
                f"web pages of {shown!r} may not call this gateway; list their origin under 'cors' in gateway.yaml",
                code="origin_not_allowed",
            )


def is_own_page(headers: Mapping[bytes, bytes]) -> bool:
    """Return whether a request comes from a page of the host that it goes to, or from no browser."""
    origin, site = headers.get(b"origin"), headers.get(b"sec-fetch-site")
    if site is not None and site != b"same-origin":
        return False
    return origin is None or _is_of(origin, headers.get(b"host", b""))


def _plain(name: str) -> str:
    """The name as it is compared: in lower case, without the dot of a complete name."""
    return name.lower().removesuffix(".")


def _is_loopback(name: str) -> bool:
    try:
        address = ip_address(name)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def _is_of(origin: bytes, host: bytes) -> bool:
    """Return whether the origin is the gateway's own, for browsers that send no `Sec-Fetch-Site`."""
    scheme, _, authority = origin.lower().partition(b"://")
    return scheme in (b"http", b"https") and authority == host.strip().lower()


def _is_opened(headers: Mapping[bytes, bytes]) -> bool:
    """Return whether a tab is opened, which shows the page only to its user."""
    return headers.get(b"sec-fetch-mode") == b"navigate" and headers.get(b"sec-fetch-dest") == b"document"
