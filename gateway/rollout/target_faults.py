"""Targets that cannot serve because of the configuration: the key is refused, or the address never answered.

No wait mends such a fault, so nobody is promised a person for it, and an operator hears of it at once. A target that
has answered before is another matter: its configuration was right, so what keeps it from answering is an outage
(decision 24).
"""

import errno
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from gateway.calls import Attempt, Call
from gateway.errors import NOT_SENT, Denied, KeyRefused, Misconfigured, ProviderError
from gateway.logs import Log
from gateway.net.client import Origin
from routing.chain import Target
from routing.models import MODELS

SAY_AGAIN_SECONDS = 600.0  # one line, and one notice, for each target and reason in this time
_TELLS_NOTHING = NOT_SENT | {"overtaken"}  # nothing new of the target
_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
_NUMBERS = re.compile(r"Errno (\d+)")  # of all addresses that were tried, where several failed
_LONGEST_CHAIN = 8
_MOST_FAULTS = 4096  # each is told again by the next call that meets it


class Fault(NamedTuple):
    """The reason why a target cannot serve, and the operator's remedy. Neither holds an address or a key.

    `kind` stands for a reason whose text holds the model's name. `is_key`: the provider refuses the gateway's key.
    """

    why: str
    way_out: str
    kind: str = ""
    is_key: bool = False


class TargetFaults:
    """The faults that one replica knows. `tell` is called with each fault that is logged: agent, target, fault."""

    def __init__(
        self, log: Log, now: Callable[[], float], tell: Callable[[str, str, Fault], None] = lambda *_: None
    ) -> None:
        self._log = log
        self._now = now
        self._tell = tell
        self._reached: dict[str, Origin] = {}
        self._served: dict[str, Origin] = {}
        self._faults: dict[str, Fault] = {}
        self._said_at: dict[tuple[str, str], float] = {}

    def served(self, target: Target, origin: Origin) -> None:
        """The target has served a call."""
        if self._served.get(target.provider) is not origin:
            self._served[target.provider] = self._reached[target.provider] = origin
        if self._faults:
            self._faults.pop(target.name, None)

    def failed(self, target: Target, origin: Origin, call: Call, error: ProviderError, *, answered: bool) -> None:
        """An attempt has failed; `answered` says whether the provider had begun an answer by then."""
        if answered:
            self._reached[target.provider] = origin
        if error.kind in _TELLS_NOTHING:
            return
        name, fault = target.name, self._fault(target, origin, error)
        if fault is None:
            self._faults.pop(name, None)
            return
        if len(self._faults) >= _MOST_FAULTS:
            self._faults.clear()
        self._faults[name] = fault
        self._say(name if call.agent != MODELS else target.provider, name, call, fault)

    def _say(self, subject: str, name: str, call: Call, fault: Fault) -> None:
        """Tell of a fault once in a while; of plain models, whose names clients write, once for their provider."""
        now, key = self._now(), (subject, fault.kind or fault.why)
        if now - self._said_at.get(key, -SAY_AGAIN_SECONDS) >= SAY_AGAIN_SECONDS:
            self._said_at = {known: at for known, at in self._said_at.items() if now - at < SAY_AGAIN_SECONDS}
            self._said_at[key] = now
            agent = call.agent if call.agent != MODELS else "plain models"
            self._log.error("target_misconfigured", target=name, agent=agent, why=fault.why, do=fault.way_out)
            self._tell(agent, name, fault)

    def explained(self, attempts: Sequence[Attempt]) -> Misconfigured | None:
        """The error of a chain of which every target that was asked has such a fault, None where one has not."""
        tried = dict.fromkeys(attempt.target for attempt in attempts if attempt.failure != "untranslatable")
        faults = {target: self._faults.get(target) for target in tried}
        known = [f"{target} {fault.why}; {fault.way_out}" for target, fault in faults.items() if fault is not None]
        return Misconfigured(". ".join(known)) if known and len(known) == len(tried) else None

    def _fault(self, target: Target, origin: Origin, error: ProviderError) -> Fault | None:
        provider = target.provider
        if isinstance(error, KeyRefused):
            return _refused(target, error)
        if isinstance(error, Denied) and self._served.get(provider) != origin:  # nothing shows that the key is good
            return Fault("refuses requests (HTTP 403), and has served none yet", _check_key(provider))
        unreachable = why_unreachable(error) if self._reached.get(provider) != origin else ""
        if not unreachable:
            return None
        return Fault(unreachable, f"check base_url of the provider {provider} in gateway.yaml")


def named(error: ProviderError, target: Target) -> ProviderError:
    """The error as a client is told it that went to that target alone: a refused key names its provider."""
    if not isinstance(error, KeyRefused):
        return error
    fault = _refused(target, error)
    return Misconfigured(f"{target.provider} {fault.why}; {fault.way_out}")


def _refused(target: Target, error: KeyRefused) -> Fault:
    status = f"(HTTP {error.upstream_status})"
    if error.reason == "model":
        way_out = f"give the account of the provider {target.provider} access to the model, or name another one"
        return Fault(f"does not let the gateway's key use the model {target.model} {status}", way_out, "model")
    if error.reason == "region":
        way_out = f"reach the provider {target.provider} from another region, or name another target"
        return Fault(f"does not serve the gateway's region {status}", way_out)
    return Fault(f"refuses the gateway's credentials {status}", _check_key(target.provider), is_key=True)


def _check_key(provider: str) -> str:
    return f"check api_key of the provider {provider} in gateway.yaml, and what its account may do"


def why_unreachable(error: ProviderError) -> str:
    """Return why there was no connection, if the configuration may be the cause; '' for what passes by itself."""
    if error.kind != "connect":
        return ""
    return next(filter(None, map(_reason, _causes(error))), "")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exceptions behind it, which transports wrap in their own."""
    found: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        found = (found.__cause__ or found.__context__) if found is not None else None
        if found is not None:
            yield found


def _reason(cause: BaseException) -> str:
    if isinstance(cause, socket.gaierror):
        return "cannot be reached: its host name does not exist" if cause.errno in _NO_SUCH_NAME else ""
    if isinstance(cause, ssl.SSLCertVerificationError):
        return "cannot be reached: its TLS certificate is not trusted"
    if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "cannot be reached: it does not speak TLS as configured"
    if isinstance(cause, UnicodeError):
        return "cannot be reached: its host is not a valid name"
    if isinstance(cause, OSError) and _is_refused(cause):
        return "cannot be reached: connections to it are refused"
    return ""


def _is_refused(cause: OSError) -> bool:
    """Return whether every address that was tried refuses connections; of several, only the text tells the numbers."""
    if isinstance(cause, ConnectionRefusedError):
        return True
    numbers = set(_NUMBERS.findall(str(cause)))
    return cause.errno is None and numbers == {str(int(errno.ECONNREFUSED))}
