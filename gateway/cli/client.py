"""HTTP client of the operator's commands: questions, commands, and their errors."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException, HTTPMessage
from ipaddress import ip_address
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from gateway import __version__
from gateway.contents.forgotten_view import ForgottenView
from gateway.handover.escalation_view import EscalationView
from gateway.judging.batch_view import JudgeBatchView
from gateway.rollout.status_view import AgentView, StatusView
from gateway.views import UnreadableView, View, read_view

THE_ANSWER_IS_NO, WRONG_USAGE = 1, 2
_TIMEOUT_SECONDS = 10.0
_JUDGE_SECONDS = 600.0  # a judge may take its time for each of some calls
_TOKENS = (
    "without SERINUS_ADMIN_TOKEN or admin_token_sha256 the gateway makes a token at each start, and prints it as "
    "SERINUS_ADMIN_TOKEN=…; set the variable for the gateway and here to keep one"
)


class CommandRefused(Exception):
    """The gateway refused the command, or did not answer."""

    code = THE_ANSWER_IS_NO


class Overtaken(CommandRefused):
    """Another change came first. `state` is the rollout's present state; None where the gateway did not say."""

    def __init__(self, message: str, state: AgentView | None) -> None:
        super().__init__(message)
        self.state = state


class NoSuchAgent(CommandRefused):
    """The gateway has no such agent."""


class Misused(CommandRefused):
    """The command was not sent, because its arguments are wrong."""

    code = WRONG_USAGE


@dataclass(frozen=True, slots=True)
class Standing:
    """State of an agent's rollout: the members of its status that a command needs, from any gateway version."""

    phase: str | None
    weight: float
    epoch: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """The hash of an audit event that the gateway's installation has seen."""

    epoch: int
    hash: str


@dataclass(frozen=True, slots=True)
class AuditTrail:
    """Audit events as they were sealed, newest first; and what the gateway's installation has seen of them.

    What was seen is not told by older gateways.
    """

    events: tuple[Mapping[str, Any], ...]
    seen: tuple[SeenEvent, ...] = ()
    seen_before_start: bool = True
    seen_in: str | None = None


class _Stay(HTTPRedirectHandler):
    """Follows no redirect: the token is for the gateway that was named, and for nobody else."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


_open = build_opener(ProxyHandler({}), _Stay()).open


class Operator:
    """Speaks to one gateway. `token` is the admin token, '' where none is needed; `hint` belongs to a 401."""

    def __init__(self, url: str, token: str, hint: str = "") -> None:
        self._url = url.rstrip("/")
        self._hint = hint
        self._headers = {"authorization": f"Bearer {token}"} if token else {}

    @property
    def url(self) -> str:
        """The gateway's address, without a slash at its end."""
        return self._url

    def status(self, agent: str | None) -> StatusView:
        """Return the status of all agents or of one. Raises CommandRefused."""
        return self.read_status(self.status_json(agent))

    def read_status(self, said: object) -> StatusView:
        """Return a status that the gateway said. Raises CommandRefused where it cannot be read."""
        return self.read(StatusView, said)

    def status_json(self, agent: str | None) -> Any:
        """Return the same as the gateway says it, unknown members included. Raises CommandRefused."""
        return self._ask("GET", f"/status/{quote(agent, safe='')}" if agent else "/status")

    def agents(self) -> tuple[str, ...]:
        """Return the names of all agents. Raises CommandRefused."""
        return tuple(self.read(dict[str, object], self.status_json(None).get("agents")))

    def ask_json(self, what: str, name: str = "", query: str = "") -> Any:
        """Return what the gateway says of `/{what}` or `/{what}/{name}`. Raises CommandRefused."""
        path = f"/{what}/{quote(name, safe='')}" if name else f"/{what}"
        return self._ask("GET", f"{path}?{query}" if query else path)

    def agent(self, name: str) -> AgentView:
        """Return the status of one agent. Raises CommandRefused."""
        return self._read_agent(AgentView, name)

    def standing(self, name: str) -> Standing:
        """Return where the agent's rollout stands. Raises CommandRefused."""
        return self._read_agent(Standing, name)

    def audit(self, agent: str, *, whole: bool = False) -> AuditTrail:
        """Return the latest audit events of an agent, or the whole trail. Raises CommandRefused."""
        return self.read(AuditTrail, self._ask("GET", f"/audit/{quote(agent, safe='')}{'?all=true' if whole else ''}"))

    def verb(self, agent: str, verb: str, command: Mapping[str, str]) -> Standing:
        """Send the command with the present epoch; return the state of the agent's rollout after it.

        Raises CommandRefused, and Overtaken where the record has moved on in the meantime.
        """
        path = f"/admin/agents/{quote(agent, safe='')}/{verb}"
        headers = {"if-match": str(self.standing(agent).epoch)}
        return self.read(Standing, self._ask("POST", path, command, headers))

    def escalations(self, agent: str | None) -> tuple[EscalationView, ...]:
        """Return the latest conversations that went to people, newest first. Raises CommandRefused."""
        chosen = f"?agent={quote(agent, safe='')}" if agent else ""
        page = self._ask("GET", f"/v1/escalations{chosen}").get("escalations")
        return self.read(tuple[EscalationView, ...], page)

    def reply(self, call_id: str, message: str, actor: str) -> EscalationView:
        """Answer the conversation that this call handed over; return it with the reply. Raises CommandRefused."""
        path = f"/v1/escalations/{quote(call_id, safe='')}/reply"
        return self.read(EscalationView, self._ask("POST", path, {"message": message, "actor": actor}))

    def forget(self, conversation: str, actor: str, reason: str) -> ForgottenView:
        """Delete the recorded texts of a conversation; return how many calls had any. Raises CommandRefused."""
        path = f"/admin/conversations/{quote(conversation, safe='')}/forget"
        return self.read(ForgottenView, self._ask("POST", path, {"actor": actor, "reason": reason}))

    def labels_json(self, agent: str, query: str) -> Any:
        """Return a page of what people said of an agent's answers. Raises CommandRefused."""
        return self._ask("GET", f"/review/{quote(agent, safe='')}/labels{f'?{query}' if query else ''}")

    def judge(self, agent: str, page: Mapping[str, object]) -> JudgeBatchView:
        """Have the next recorded calls of an agent graded. Raises CommandRefused."""
        path = f"/admin/judge/{quote(agent, safe='')}"
        return self.read(JudgeBatchView, self._ask("POST", path, page, seconds=_JUDGE_SECONDS))

    def _read_agent(self, kind: type[View], name: str) -> View:
        agents = self.read(dict[str, object], self.status_json(name).get("agents"))
        return self.read(kind, agents.get(name))

    def read(self, kind: type[View], value: object) -> View:
        """Return the view of that kind in what the gateway said. Raises CommandRefused where it cannot be read."""
        try:
            return read_view(kind, value)
        except UnreadableView as error:
            hint = f"is it of another version than this command, {__version__}?"
            raise Misused(f"cannot read what the gateway at {self._url} says ({error}); {hint}") from None

    def _ask(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = _TIMEOUT_SECONDS,
    ) -> Any:
        if not self._url.startswith(("http://", "https://")):
            raise Misused(f"{self._url!r} is no http(s) URL")
        data = None if body is None else json.dumps(body).encode()
        sent = {"content-type": "application/json", **self._headers, **(headers or {})}
        try:
            request = Request(self._url + path, data, sent, method=method)  # noqa: S310 - the scheme was looked at
            with _open(request, timeout=seconds) as answer:
                return _object(answer.read())
        except HTTPError as error:
            raise _refusal(error, self._hint) from None
        except (URLError, OSError) as error:
            raise CommandRefused(f"no gateway answers at {self._url}: {getattr(error, 'reason', error)}") from None
        except (HTTPException, ValueError) as error:  # also of what cannot be sent: an odd port, a token in Cyrillic
            raise Misused(f"cannot ask a gateway at {self._url!r}: {str(error).strip()}") from None


def is_local(url: str) -> bool:
    """Return whether the URL names a gateway on this machine."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _object(body: bytes) -> Any:
    value = json.loads(body)
    if not isinstance(value, dict):
        raise ValueError("its answer is no JSON object")
    return value


def _refusal(error: HTTPError, hint: str) -> CommandRefused:
    """Return the gateway's refusal, with its own message where it sent one."""
    said = _said(error)
    content, state = said.get("error"), said.get("state")
    message = content.get("message") if isinstance(content, dict) else None
    message = str(message or f"the gateway answered HTTP {error.code}")
    if error.code == HTTPStatus.PRECONDITION_FAILED:
        return Overtaken(message, _agent_view(state))
    if error.code == HTTPStatus.NOT_FOUND and message.startswith("there is no agent"):
        return NoSuchAgent(message)
    if error.code == HTTPStatus.UNAUTHORIZED:
        message += f"\nno token was found: {hint}" if hint else f"\n{_TOKENS}"
    return CommandRefused(message)


def _agent_view(state: object) -> AgentView | None:
    with suppress(UnreadableView):
        return read_view(AgentView, state)
    return None


def _said(error: HTTPError) -> Any:
    try:
        return _object(error.read())
    except (ValueError, OSError, HTTPException):
        return {}
