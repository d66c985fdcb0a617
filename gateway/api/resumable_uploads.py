"""Resumable uploads of a format's API: a request with a key begins one, and the bytes follow without a key.

The URL that the client is told is ours. Its token says whose upload it is, and is the credential of what follows.
"""

import re
from functools import partial
from time import monotonic, time
from urllib.parse import parse_qsl

from gateway.api.endpoint import Services, caller_of, given_id, header, named
from gateway.api.generation import check_encoding
from gateway.api.passthrough import AnswerReader, ClosingSend, Passthrough, incoming_of, may_be_misread, spelled
from gateway.calls import Caller
from gateway.errors import LONGEST_SHOWN, CallerError, Headers, NotFound, SerinusError
from gateway.formats.door import UploadSessions
from gateway.formats.endpoint import ProviderEndpoint
from gateway.formats.protocol import ClientSide
from gateway.headers import of_type
from gateway.net.asgi import Receive, Scope, Send
from gateway.passthrough.providers import api_of
from gateway.passthrough.upload_session import (
    SECONDS,
    UploadSession,
    UploadSide,
    origin_text,
    seal,
    target_of,
    unseal,
)
from gateway.passthrough.uploads import Held, Stream
from gateway.passthrough.wanted import Wanted

_SESSION = "serinus.upload"  # where the authentication puts the session into the scope
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


class ResumableUploads(Passthrough):
    """Resumable uploads of one format: their beginnings, and the bytes that follow."""

    methods = ("POST", "PUT")

    def __init__(self, services: Services, client: ClientSide, uploads: UploadSessions) -> None:
        super().__init__(services, client, api_of(client, uploads.prefixes[0]))
        self._uploads = uploads

    def authenticate(self, scope: Scope) -> Caller | None:
        """Return who sent the request: by its key where it begins an upload, else by its token.

        Raises Unauthenticated, Forbidden, and NotFound for a token that opens nothing.
        """
        token = dict(parse_qsl(scope["query_string"].decode("latin-1"))).get(self._uploads.session)
        if token is None:
            return super().authenticate(scope)
        runtime, headers = self.services.runtime, named(scope)
        scope[_SESSION] = session = unseal(token, time(), runtime.fingerprint_key)
        if session is None:
            raise _ended()
        if runtime.doorkeeper.open or any(self._credentials(headers)):
            caller = super().authenticate(scope)
        else:
            caller = next((each for each in runtime.doorkeeper.callers if each.name == session.caller), None)
        if caller is None or caller.name != session.caller or runtime.doorkeeper.expires(caller.name) <= time():
            raise _ended()
        return caller

    def admit(self, caller: Caller, method: str, path: str) -> str:
        rest = self._uploads.behind(path)
        if rest is None or may_be_misread(path):
            raise NotFound(f"there is nothing at {path[:LONGEST_SHOWN]!r}", code="unknown_url")
        return spelled(rest)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (session := scope.get(_SESSION)) is not None:
            await self._continue(session, scope, receive, send)
            return
        self.admit(caller_of(scope), scope["method"], scope["path"])
        self._check_start(scope)
        await super().serve(scope, receive, send)

    def session(self, scope: Scope, path: str) -> UploadSide | None:
        caller, key = caller_of(scope), self.services.runtime.fingerprint_key

        def headers(endpoint: ProviderEndpoint, received: Headers) -> Headers:
            url = next((value for name, value in received if name == self._uploads.url), None)
            spoken = self._uploads.spoken(received)
            if url is None:
                return spoken
            target, ends_at = target_of(url, endpoint), int(time()) + SECONDS
            begun = UploadSession(caller.name, endpoint.name, origin_text(endpoint.origin), target, ends_at)
            own = f"{_own_root(scope)}{scope['path']}?{self._uploads.session}={seal(begun, key)}"
            return [*spoken, (self._uploads.url, own.encode())]

        return UploadSide(lambda base_path: self._uploads.at(base_path, path), headers)

    def further(self, scope: Scope) -> Headers:
        return self._uploads.spoken(scope["headers"])

    async def _continue(self, session: UploadSession, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on bytes of an upload, a question about it, or its end."""
        runtime, headers, caller = self.services.runtime, named(scope), caller_of(scope)
        path = self.admit(caller, scope["method"], scope["path"])
        channel = runtime.channels.get(session.provider)
        if channel is None or origin_text(channel.endpoint.origin) != session.origin:
            raise _ended()
        check_encoding(headers)
        incoming = incoming_of(receive, scope)
        side = UploadSide(
            lambda _base_path: session.target,
            lambda _endpoint, received: self._uploads.spoken(received),
            session.provider,
        )
        wanted = Wanted(
            id=self.services.new_nonce().hex(),
            request_id=given_id(headers),
            method=scope["method"],
            path=path,
            query="",
            headers=[*of_type(scope["headers"], runtime.forward, None), *self.further(scope)],
            body=Held() if incoming.whole else Stream(incoming),
            at=monotonic(),
            session=side,
        )
        reader = AnswerReader(ClosingSend(send, incoming), partial(self.services.makers.learn, caller=caller))
        await self._forwarder.at_the_only(wanted, caller, runtime, reader)

    def _check_start(self, scope: Scope) -> None:
        """Raise CallerError where the request begins no resumable upload."""
        for name, value in self._uploads.start:
            if (header(scope, name) or b"").strip().lower() != value:
                shown = name.decode()
                advice = f"begin one with '{shown}: {value.decode()}'"
                raise CallerError(f"uploads here are resumable: {advice}", param=shown)

    def _error_headers(self, error: SerinusError) -> list[tuple[bytes, bytes]]:
        """Return an error's headers; a client that is not told of an end would send the bytes again."""
        ended = [self._uploads.ended] if 400 <= error.status < 500 else []
        return [*super()._error_headers(error), *ended]


def _ended() -> NotFound:
    return NotFound("there is no such upload: it ended, or was not begun here; begin it again", code="unknown_upload")


def _own_root(scope: Scope) -> str:
    """Return this gateway's scheme and host as the client knows them; '' where its Host is none."""
    host = header(scope, b"host") or b""
    if _HOST.fullmatch(host) is None:
        return ""
    proxies = header(scope, b"x-forwarded-proto") or b""  # the one that the client asked stands first
    scheme = proxies.partition(b",")[0].strip().lower()
    return f"{'https' if scheme == b'https' else 'http'}://{host.decode()}"
