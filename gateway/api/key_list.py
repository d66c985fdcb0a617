"""`GET /keys`: for operators, all callers with their scopes, when their keys were last used, and every limit."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import groupby
from time import time

from gateway.api.admin import AdminEndpoint
from gateway.api.endpoint import send_json
from gateway.auth import Key, mark_of
from gateway.limits.limit_view import KeyDigestView, KeysView, KeyView
from gateway.limits.view import read_limits
from gateway.net.asgi import Receive, Scope, Send
from gateway.views import timestamp


class KeyList(AdminEndpoint):
    """The callers that the configuration has, and the limits of keys, groups and agents."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        services = self.services
        doorkeeper, now = services.runtime.doorkeeper, time()
        if uses := doorkeeper.take_uses():  # what this replica has seen, and not told yet
            await services.store.note_key_uses(uses)
        uses = await services.store.key_uses()
        by_caller = groupby(doorkeeper.keys, key=lambda key: key.caller.name)
        keys = tuple(_caller_view(list(group), uses, now) for _, group in by_caller)
        limits = await read_limits(services.proxy.limits, services.proxy.clock.unix())
        await send_json(send, KeysView(keys, tuple(limits)))


def _caller_view(keys: list[Key], uses: Mapping[str, float], now: float) -> KeyView:
    caller, expires = keys[0].caller, keys[0].expires
    return KeyView(
        caller.name,
        caller.group,
        None if caller.agents is None else tuple(sorted(caller.agents)),
        None if caller.models is None else tuple(map(str, caller.models)),
        None if expires is None else datetime.fromtimestamp(expires, UTC).date().isoformat(),
        expires is not None and expires <= now,
        tuple(_digest_views(keys, uses)),
    )


def _digest_views(keys: Iterable[Key], uses: Mapping[str, float]) -> Iterable[KeyDigestView]:
    for key in keys:
        mark = mark_of(key.sha256.hex())
        used = uses.get(mark)
        yield KeyDigestView(mark, None if used is None else timestamp(used))
