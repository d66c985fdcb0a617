"""The ASGI application: which endpoint serves which path."""

from collections.abc import Awaitable

from starlette.routing import BaseRoute, Route, Router
from starlette.types import Receive, Scope, Send

from gateway.api.admin import Audit, CommandEndpoint
from gateway.api.assets import Stylesheet
from gateway.api.cors import Cors
from gateway.api.counting import CountTokens
from gateway.api.endpoint import Handler, OpenEndpoint, Services
from gateway.api.escalations import Escalation, EscalationList, EscalationReply
from gateway.api.feedback import Feedback
from gateway.api.generation import ChatCompletions, Completions, Embeddings, GenerateContent, Messages, Responses
from gateway.api.health import Live, Ready
from gateway.api.models import GeminiModels, Models
from gateway.api.near_misses import NearMisses
from gateway.api.passthrough import Passthrough
from gateway.api.status import Status
from gateway.errors import NotFound


def asgi(services: Services) -> Handler:
    """The ASGI application. The hot paths are found by one look-up, all else by Starlette's router."""
    hot = {
        "/v1/chat/completions": Cors(services, ChatCompletions(services)),
        "/v1/messages": Cors(services, Messages(services)),
        "/v1/responses": Cors(services, Responses(services)),
    }
    unknown = Cors(services, NearMisses(services, _Unknown(services)))
    router = Router(routes(services), redirect_slashes=False, default=unknown)

    def serve(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http" and (endpoint := hot.get(scope["path"])) is not None:
            return endpoint(scope, receive, send)
        return router(scope, receive, send)

    return serve


def routes(services: Services) -> list[BaseRoute]:
    """Return the routes of every endpoint but the hot ones, first match first."""
    endpoints: list[tuple[str, Handler]] = [
        ("/v1beta/models", GeminiModels(services)),
        ("/v1beta/models/{model:path}", GenerateContent(services)),
        ("/v1/messages/count_tokens", CountTokens(services)),
        ("/v1/completions", Completions(services)),
        ("/v1/embeddings", Embeddings(services)),
        ("/v1/models", Models(services)),
        ("/v1/models/{model:path}", Models(services)),
        ("/v1/feedback", Feedback(services)),
        ("/v1/escalations", EscalationList(services)),
        ("/v1/escalations/{call_id}", Escalation(services)),
        ("/v1/escalations/{call_id}/reply", EscalationReply(services)),
        ("/v1/{path:path}", NearMisses(services, Passthrough(services))),
        ("/status", Status(services)),
        ("/status.css", Stylesheet(services)),
        ("/status/{agent}", Status(services)),
        ("/audit/{agent}", Audit(services)),
        ("/admin/agents/{agent}/{verb}", CommandEndpoint(services)),
        ("/healthz", Live(services)),
        ("/readyz", Ready(services)),
    ]
    # Some of Google's clients leave "beta" out.
    gemini = [
        Route("/v1/models/{model:path}", Cors(services, GenerateContent(services)), methods=["POST"]),
        Route("/v1beta/models/{model:path}", Cors(services, GeminiModels(services)), methods=["GET"]),
    ]
    return [*gemini, *(Route(path, Cors(services, endpoint)) for path, endpoint in endpoints)]


class _Unknown(OpenEndpoint):
    """Every other path: 404 with OpenAI's error body."""

    methods = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise NotFound(f"there is nothing at {scope['path']!r}", code="unknown_url")
