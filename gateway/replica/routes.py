"""The ASGI application: which endpoint serves which path."""

from collections.abc import Awaitable, Iterator, Mapping

from starlette.routing import BaseRoute, Route, Router

from gateway.api.admin import Audit, CommandEndpoint
from gateway.api.assets import assets
from gateway.api.cors import Cors
from gateway.api.costs import Costs
from gateway.api.counting import CountTokens
from gateway.api.endpoint import Handler, OpenEndpoint, Services
from gateway.api.escalations import Escalation, EscalationList, EscalationReply
from gateway.api.feedback import Feedback
from gateway.api.forgetting import ContentForgotten
from gateway.api.generation import Completions, Embeddings, Generation
from gateway.api.health import Live, Ready
from gateway.api.history import StatusHistory
from gateway.api.judge_batch import JudgeBatch
from gateway.api.kept_answers import CancelledAnswers, KeptAnswers
from gateway.api.key_list import KeyList
from gateway.api.metrics import Metrics
from gateway.api.models import Models, listings
from gateway.api.native_passthrough import ModelVerb, NativePassthrough
from gateway.api.near_misses import NearMisses
from gateway.api.own_key import OwnKey
from gateway.api.page_action import PageAction
from gateway.api.passthrough import Passthrough
from gateway.api.reference import Docs, OpenApi
from gateway.api.report import Report
from gateway.api.responses_socket import ResponsesSocket
from gateway.api.resumable_uploads import ResumableUploads
from gateway.api.review import review_endpoints
from gateway.api.status import Status
from gateway.api.status_events import StatusEvents
from gateway.api.traces import CallsSeen, ConversationsSeen
from gateway.calls import FormatName
from gateway.errors import NotFound
from gateway.formats.door import OtherEndpoints
from gateway.formats.registry import CLIENTS
from gateway.net.asgi import PlainReceive, PlainSend, Receive, Scope, Send


def asgi(services: Services) -> Handler:
    """The ASGI application. The hot paths are found by one look-up, all else by Starlette's router."""
    hot: dict[str, Handler] = {
        path: Cors(services, Generation(services, side))
        for side in CLIENTS.values()
        for path in side.door.paths
        if not _is_pattern(path)
    }
    sockets = {
        path: ResponsesSocket(services, side)
        for side in CLIENTS.values()
        if side.door.tries_websocket and services.sockets.most
        for path in side.door.paths
    }
    unknown = Cors(services, NearMisses(services, _Unknown(services)))
    router = Router(routes(services), redirect_slashes=False, default=unknown)

    def serve(scope: Scope, receive: PlainReceive, send: PlainSend) -> Awaitable[None]:
        if scope["type"] == "http":
            return hot.get(scope["path"], router)(scope, receive, send)
        if scope["type"] == "websocket":
            if (socket := sockets.get(scope["path"])) is not None:
                return socket(scope, receive, send)
            scope["type"] = "http"  # where no WebSocket is, it is the GET that it looks like
            return serve(scope, receive, send)
        return router(scope, receive, send)

    return serve


def routes(services: Services) -> list[BaseRoute]:
    """Return the routes of every endpoint but the hot ones, first match first."""
    in_path = [
        (path, Generation(services, side)) for side in CLIENTS.values() for path in side.door.paths if _is_pattern(path)
    ]
    listed = [(path, endpoint) for endpoint in listings(services).values() for path in endpoint.listing.paths]
    others = {name: NativePassthrough(services, CLIENTS[name], api) for name, api in _others()}
    endpoints: list[tuple[str, Handler]] = [
        *((f"{path}:{verb}", each) for path, each in in_path for verb in each.client.door.verbs),
        *_kept_answers(services),
        *((path, endpoint) for path, endpoint in _counted(services) if not _is_pattern(path)),
        ("/v1/completions", Completions(services)),
        ("/v1/embeddings", Embeddings(services)),
        *((path, Models(services)) for path in ("/v1/models", "/v1/models/{model:path}")),
        ("/v1/feedback", Feedback(services)),
        ("/v1/escalations", EscalationList(services)),
        ("/v1/escalations/{call_id}", Escalation(services)),
        ("/v1/escalations/{call_id}/reply", EscalationReply(services)),
        *listed,
        ("/v1/{path:path}", NearMisses(services, Passthrough(services), others)),
        *_of_operators(services),
    ]
    # One path may make an answer and list a model, by its method; of any other method the answer names the right ones.
    by_method = [
        *(Route(path, Cors(services, endpoint), methods=["POST"]) for path, endpoint in in_path),
        *(Route(path, Cors(services, endpoint), methods=["GET"]) for path, endpoint in listed),
    ]
    of_models, beside = _routes_of_others(services, others)
    listed_last = (Route(path, Cors(services, endpoint)) for path, endpoint in endpoints)
    return [*of_models, *by_method, *listed_last, *beside]


def _of_operators(services: Services) -> list[tuple[str, Handler]]:
    """Return the endpoints outside of the providers' APIs."""
    return [
        ("/status", Status(services)),
        ("/status/events", StatusEvents(services)),
        *assets(services),
        ("/metrics", Metrics(services)),
        ("/status/{agent}", Status(services)),
        ("/status/{agent}/history", StatusHistory(services)),
        ("/status/{agent}/act", PageAction(services)),
        ("/calls", CallsSeen(services)),
        ("/calls/{call_id}", CallsSeen(services)),
        ("/conversations", ConversationsSeen(services)),
        ("/conversations/{conversation:path}", ConversationsSeen(services)),
        *review_endpoints(services),
        *_accounting(services),
        *_operating(services),
        ("/openapi.json", OpenApi(services)),
        ("/docs", Docs(services)),
        ("/healthz", Live(services)),
        ("/readyz", Ready(services)),
    ]


def _accounting(services: Services) -> Iterator[tuple[str, Handler]]:
    """Yield the routes of what calls cost, and of keys and their limits."""
    yield "/costs", Costs(services)
    yield "/keys", KeyList(services)
    yield "/keys/self", OwnKey(services)


def _operating(services: Services) -> Iterator[tuple[str, Handler]]:
    """Yield the routes of what operators do, and look up."""
    yield "/report/{agent}", Report(services)
    yield "/audit/{agent}", Audit(services)
    yield "/admin/agents/{agent}/{verb}", CommandEndpoint(services)
    yield "/admin/conversations/{conversation}/forget", ContentForgotten(services)
    yield "/admin/judge/{agent}", JudgeBatch(services)


def _counted(services: Services) -> list[tuple[str, Handler]]:
    """Return the endpoints that count tokens."""
    sides = [(side, side.counting) for side in CLIENTS.values() if side.counting is not None]
    return [(path, CountTokens(services, side, counting)) for side, counting in sides for path in counting.paths]


def _routes_of_others(
    services: Services, others: Mapping[FormatName, NativePassthrough]
) -> tuple[list[BaseRoute], list[BaseRoute]]:
    """Return the routes of paths that name a model and a verb, and of all that is left below a format's own prefix."""
    by_verb: list[tuple[str, Handler]] = [(path, each) for path, each in _counted(services) if _is_pattern(path)]
    beside: list[BaseRoute] = []
    for name, api in _others():
        models = [f"{prefix}/{api.collection}{{model:path}}" for prefix in api.prefixes]
        of_model = ModelVerb(services, CLIENTS[name], api)
        by_verb += [(f"{path}:{verb}", of_model) for path in models for verb in api.verbs]
        if api.prefix != "/v1":
            left = NearMisses(services, others[name], others)
            beside.append(Route(f"{api.prefix}/{{path:path}}", Cors(services, left)))
        if api.uploads is not None:
            begun = ResumableUploads(services, CLIENTS[name], api.uploads)
            beside += [Route(f"{each}/{{path:path}}", Cors(services, begun)) for each in api.uploads.prefixes]
    return [Route(path, Cors(services, each)) for path, each in by_verb], beside


def _others() -> list[tuple[FormatName, OtherEndpoints]]:
    """Return the endpoints of each format's API that are forwarded."""
    return [(name, side.others) for name, side in CLIENTS.items() if side.others is not None]


def _kept_answers(services: Services) -> Iterator[tuple[str, Handler]]:
    """Yield the routes of answers by their ids."""
    for side in CLIENTS.values():
        for path in side.door.paths if side.door.kept_at else ():
            for kind in (KeptAnswers, CancelledAnswers):
                yield f"{path}/{{id}}{kind.action}", kind(services, side, path)


def _is_pattern(path: str) -> bool:
    return "{" in path


class _Unknown(OpenEndpoint):
    """Every other path: 404 with OpenAI's error body."""

    methods = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise NotFound(f"there is nothing at {scope['path']!r}", code="unknown_url")
