"""Forms of the gateway's own pages: from nowhere else, and read within bounds."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from gateway.api.endpoint import header, read_small
from gateway.errors import CallerError, Forbidden
from gateway.net.asgi import Receive, Scope
from gateway.net.browser_guard import is_own_page

_MOST_BYTES = 16 * 1024  # of a form: some texts of at most 500 characters, percent-encoded
_MOST_FIELDS = 20


def require_own_page(headers: Mapping[bytes, bytes]) -> None:
    """Check where a form came from. Raises Forbidden.

    A browser sends a password by itself, to whatever page asks: then it must say that the form is one of our own.
    """
    is_said = b"origin" in headers or b"sec-fetch-site" in headers
    is_deliberate = headers.get(b"authorization", b"").lower().startswith(b"bearer ")
    if not is_own_page(headers) or not (is_said or is_deliberate):
        raise Forbidden("only forms of the gateway's own pages are taken", code="origin_not_allowed")


async def read_form(scope: Scope, receive: Receive, most: int = _MOST_BYTES) -> Mapping[str, str]:
    """Return the fields of a form of at most so many bytes. Raises CallerError."""
    kind = (header(scope, b"content-type") or b"").partition(b";")[0].strip().lower()
    if kind != b"application/x-www-form-urlencoded":
        raise CallerError("send the fields as application/x-www-form-urlencoded")
    body = await read_small(scope, receive, most)
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:  # no UTF-8, or too many fields
        raise CallerError("the form cannot be read") from None
