"""`GET /calls`, `/calls/{id}`, `/conversations`, `/conversations/{id}`: what happened, for readers of the status.

A key sees the calls of the agents that it may call; what a client calls its conversations is for the admin token and
for the key that made the calls alone.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from time import time

from gateway.api.endpoint import CALLER, caller_of, send_json
from gateway.api.query import read_query, read_time
from gateway.api.status import Status
from gateway.api.status_page import send_page, wants_html
from gateway.calls import Caller
from gateway.contents.content import CallContent
from gateway.errors import CallerError, NotFound
from gateway.judging.rubric import short_digest
from gateway.judging.view import VerdictView
from gateway.net.asgi import Receive, Scope, Send
from gateway.rollout.call_id import name_digest, nonce_in
from gateway.traces.handovers import with_handover, with_handovers
from gateway.traces.reader import Conversation, TraceReader
from gateway.traces.record import CallRecord
from gateway.traces.search import MOST_ON_A_PAGE, CallFilter, FoundPage, find_calls, find_conversations, place_of
from gateway.traces.threads import key_by_name, may_be_key
from gateway.traces.tree import NO_CONTENTS, call_view, summary_of, tree_of
from gateway.traces.view import CallList, ConversationList
from gateway.views import timestamp
from routing.models import MODELS

_KNOWN = ("agent", "version", "unanswered", "min_cost", "since", "before", "limit")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_CONTENT = "content"
_USUAL_PAGE = 50
_MOST_CALLERS = 200  # whose names for conversations are tried for an operator
_MOST_USD = 1e6
_MOST_ASKED = 1e6  # calls; a page has MOST_ON_A_PAGE, and its `next` says that there are more
_NANO = 1e9
_Find = Callable[[TraceReader, Sequence[str], CallFilter, int, str], Awaitable[FoundPage]]


class TraceEndpoint(Status):
    """An endpoint that shows calls, as far as its reader may see them."""

    def agents(self, scope: Scope) -> list[str]:
        """Return the agents whose calls the reader may see, plain models among them."""
        return [*self.reading.known(caller_of(scope)), MODELS]

    def may_see(self, scope: Scope, record: CallRecord) -> bool:
        """Return whether the reader may see the call. One of a plain model belongs to its caller alone."""
        return record.agent != MODELS or self.may_name(scope, record.caller)

    def may_name(self, scope: Scope, caller: str) -> bool:
        """Return whether the reader may see what that caller's client calls things."""
        return scope[CALLER] is None or caller_of(scope).name == caller

    def callers(self, scope: Scope) -> Sequence[str]:
        """Return the callers whose names for conversations the reader may see."""
        doorkeeper = self.services.runtime.doorkeeper
        reader: Caller | None = scope[CALLER]
        if reader is not None or doorkeeper.open:
            return [caller_of(scope).name]
        return [caller.name for caller in doorkeeper.callers[:_MOST_CALLERS]]

    async def find_call(self, scope: Scope, call_id: str) -> CallRecord | None:
        """Return the call of that id. Raises StoreAway."""
        if (found := nonce_in(call_id)) is None:
            return None
        digest, nonce = found
        agents = [agent for agent in self.agents(scope) if name_digest(agent) == digest]
        record = await self.services.traces.call(agents, nonce)
        return record if record is not None and self.may_see(scope, record) else None

    async def contents_of(self, scope: Scope, records: Sequence[CallRecord]) -> Mapping[str, CallContent]:
        """Return the recorded texts of those calls that are the reader's own, or of all for the admin. That they were
        read is logged. Raises StoreAway.
        """
        own = [each for each in records if self.may_name(scope, each.caller)]
        found = await self.services.traces.contents.of_calls(own)
        if found:
            reader = "admin" if scope[CALLER] is None else caller_of(scope).name
            self.services.log.info("contents_read", by=reader, calls=len(found), conversation=own[0].conversation)
        return found

    async def find_latest(self, scope: Scope, find: _Find) -> tuple[FoundPage, Mapping[str, str]]:
        """Return what `find` finds for the query, as far as the reader may see it, and the query. Raises CallerError,
        NotFound, StoreAway.
        """
        given = {name: value for name, value in read_query(scope, _KNOWN).items() if value}  # a form sends all fields
        agents, wanted, count, before = _asked(self.agents(scope), given)
        page = await find(self.services.traces, agents, wanted, count, before)
        found = (tuple(each for each in calls if self.may_see(scope, each)) for calls in page.found)
        return FoundPage(tuple(filter(None, found)), page.next), given


class CallsSeen(TraceEndpoint):
    """The call of an id, or the latest calls that are wanted."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        call_id = scope["path_params"].get("call_id")
        if call_id is None:
            await self._list(scope, send)
            return
        record = await self.find_call(scope, call_id)
        if record is None:
            raise NotFound(f"no call {call_id!r} is kept, or not for you", code="unknown_call")
        contents = await self.contents_of(scope, [record])
        may_name = partial(self.may_name, scope)
        handed = await self.services.traces.handovers([record])
        view = with_handover(call_view(record, may_name, contents), handed, may_name, time())
        view = replace(view, verdict=await self._verdict(record, shows_reason=view.content is not None))
        if not wants_html(scope):
            await send_json(send, view)
            return
        from gateway.pages.call_page import call_page

        await send_page(send, call_page(view))

    async def _verdict(self, record: CallRecord, *, shows_reason: bool) -> VerdictView | None:
        """Return what a judge found of the call; its reason quotes the call's texts, and is shown with them alone."""
        found = (await self.services.store.find_verdicts(record.agent, [record.key])).get(record.key)
        if found is None:
            return None
        reason = found.reason if shows_reason else None
        judge, cost = short_digest(found.judge), found.cost_nano_usd / _NANO
        return VerdictView(found.score, found.passed, reason, judge, timestamp(found.at), cost)

    async def _list(self, scope: Scope, send: Send) -> None:
        page, given = await self.find_latest(scope, find_calls)
        views = (call_view(calls[0], lambda caller: self.may_name(scope, caller)) for calls in page.found)
        found = CallList(tuple(views), page.next)
        if not wants_html(scope):
            await send_json(send, found)
            return
        from gateway.pages.search_page import calls_page

        await send_page(send, calls_page(found, given))


class ConversationsSeen(TraceEndpoint):
    """The conversation of an id, or those of the latest calls that are wanted.

    The id is the conversation's own, the client's name for it, or that of one of its calls.
    """

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path_params"].get("conversation")
        if name is None:
            await self._list(scope, send)
            return
        found = await self._find(scope, name)
        own = () if found is None else tuple(each for each in found.calls if self.may_see(scope, each))
        if found is None or not own:
            raise NotFound(f"no conversation {name!r} is kept, or not for you", code="unknown_conversation")
        others = [[each for each in calls if self.may_see(scope, each)] for calls in found.others]
        is_page, may_name = wants_html(scope), partial(self.may_name, scope)
        wants_content = is_page or _flag(read_query(scope, (_CONTENT,)), _CONTENT) is True
        shown = [*own, *(call for calls in others for call in calls)]
        contents = await self.contents_of(scope, shown) if wants_content else NO_CONTENTS
        tree = tree_of(own, others, may_name, contents)
        tree = with_handovers(tree, await self.services.traces.handovers(shown), may_name, time())
        if not is_page:
            await send_json(send, tree)
            return
        from gateway.pages.conversation_page import conversation_page

        await send_page(send, conversation_page(tree))

    async def _list(self, scope: Scope, send: Send) -> None:
        page, given = await self.find_latest(scope, find_conversations)
        views = (summary_of(calls, lambda caller: self.may_name(scope, caller)) for calls in page.found)
        found = ConversationList(tuple(views), page.next)
        if not wants_html(scope):
            await send_json(send, found)
            return
        from gateway.pages.search_page import conversations_page

        await send_page(send, conversations_page(found, given))

    async def _find(self, scope: Scope, name: str) -> Conversation | None:
        agents, reader = self.agents(scope), self.services.traces
        if (call := await self.find_call(scope, name)) is not None:
            return await reader.conversation(agents, [call.conversation])
        if may_be_key(name) and (found := await reader.conversation(agents, [name])) is not None:
            return found
        return await reader.conversation(agents, [key_by_name(caller, name) for caller in self.callers(scope)])


def _asked(known: Sequence[str], given: Mapping[str, str]) -> tuple[Sequence[str], CallFilter, int, str]:
    """Return the agents, the filters, the number and the place that a query names. Raises CallerError, NotFound."""
    agent, before = given.get("agent"), given.get("before", "")
    if agent is not None and agent not in known:
        raise NotFound(f"there is no agent {agent!r}")
    if before and place_of(before) is None:
        raise CallerError("'before' must be the 'next' of the page before", param="before")
    wanted = CallFilter(
        given.get("version", ""), _flag(given, "unanswered"),
        round(_number(given, "min_cost", 0.0, _MOST_USD) * _NANO), read_time(given, "since", time(), 0.0),
    )  # fmt: skip
    count = round(_number(given, "limit", _USUAL_PAGE, _MOST_ASKED))
    return known if agent is None else [agent], wanted, min(max(count, 1), MOST_ON_A_PAGE), before


def _flag(given: Mapping[str, str], name: str) -> bool | None:
    written = given.get(name)
    if written is not None and written not in _FLAGS:
        raise CallerError(f"{name!r} must be true or false, not {written!r}", param=name)
    return None if written is None else _FLAGS[written]


def _number(given: Mapping[str, str], name: str, usual: float, most: float) -> float:
    try:
        number = float(given.get(name, usual))
        if 0 <= number <= most:
            return number
    except ValueError:
        pass
    raise CallerError(f"{name!r} must be a number from 0 to {most:g}, not {given[name]!r}", param=name)
