"""The smallest call to one target: one short message, one token of an answer, and what its failure says.

A provider whose models are not spelled out is asked for their list, which proves its key and costs nothing.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from time import monotonic, time
from typing import Final

import orjson

from gateway import __version__
from gateway.calls import Usage
from gateway.config.presets import PRESETS
from gateway.config.provider_settings import Provider
from gateway.doctor.diagnosis import Condition, Diagnosis
from gateway.errors import Denied, GatewayError, KeyRefused, ProviderError
from gateway.formats.model_errors import FIELD, blaming_model
from gateway.formats.prompt import Message, Prompt, Text
from gateway.headers import to_provider
from gateway.net.client import Headers, Request, header
from gateway.passthrough.model_list import request_of
from gateway.rollout.target_faults import why_unreachable
from gateway.runtime import Channel
from routing.chain import Target

_SMALLEST: Final = Prompt((Message("user", (Text("Hi"),)),), max_tokens=1)
_HEADERS: Final = (*to_provider([], ()), (b"user-agent", f"serinus/{__version__}".encode()))
_ANSWER_BYTES: Final = 1 << 20
_LONGEST_QUOTE: Final = 300
_PROXIES: Final = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy")
# A model that thinks may not come to an end within one token; the call has passed every check by then.
_OUT_OF_TOKENS: Final = re.compile(
    r"max_(?:completion_|output_)?tokens.{0,80}?(?:reached|limit)|output limit was reached", re.I
)
_NO_CREDIT: Final = re.compile(
    r"insufficient.{0,3}(quota|balance|credit)|exceeded your current quota|credit balance", re.I
)
_WRONG_PLACE: Final = re.compile(r"region|location|inference profile|on-demand throughput", re.I)
_UNAUTHORIZED, _NO_CREDIT_STATUS, _FORBIDDEN, _NOT_FOUND, _RATE_LIMITED, _THEIR_FAULT = 401, 402, 403, 404, 429, 500


@dataclass(frozen=True, slots=True)
class Asked:
    """A target as the doctor asks it. `key` is how the configuration writes the key (`${NAME}`), '' without one.

    With `is_open` the target's model is the beginning of many, with a star.
    """

    target: Target
    provider: Provider
    channel: Channel
    key: str
    environ: Mapping[str, str]
    is_open: bool = False

    @property
    def name(self) -> str:
        return str(self.target)


@dataclass(frozen=True, slots=True)
class Pinged:
    """A target's diagnosis; its usage where it answered, and how far its clock is from ours in seconds, if it told."""

    diagnosis: Diagnosis
    usage: Usage | None = None
    clock_seconds: float | None = None


async def ping(asked: Asked, seconds: float) -> Pinged:
    """Ask the target once, for at most that many seconds. Never raises."""
    began = monotonic()
    try:
        async with asyncio.timeout(seconds):
            found = await _ask(asked)
    except TimeoutError:
        do = f"check base_url ({asked.provider.base_url}) and the network; a model that is loading needs --timeout"
        found = Pinged(_broken(asked, f"did not answer within {seconds:g} s", do))
    except ProviderError as error:
        found = Pinged(_unreachable(asked, error))
    except (GatewayError, OSError, ValueError) as error:  # a request that cannot be signed or written
        found = Pinged(_broken(asked, f"cannot be asked: {error}", f"check the provider {asked.target.provider}"))
    return replace(found, diagnosis=replace(found.diagnosis, seconds=monotonic() - began))


async def _ask(asked: Asked) -> Pinged:
    response = await asked.channel.send(_request(asked), _ANSWER_BYTES)
    try:
        body = await response.whole(_ANSWER_BYTES)
    finally:
        await response.aclose()
    clock = _clock_seconds(response.headers)
    if asked.is_open:
        return Pinged(_of_key(asked, response.status, response.headers, body), clock_seconds=clock)
    if response.status != 200:
        return Pinged(_refusal(asked, response.status, response.headers, body), clock_seconds=clock)
    try:
        usage = asked.channel.endpoint.api.reply(body).usage
    except ProviderError as error:
        do = f"check base_url ({asked.provider.base_url}), up to its version, and api ({asked.provider.api})"
        return Pinged(_broken(asked, f"answers, but not as its API does: {error.message}", do), None, clock)
    return Pinged(Diagnosis(asked.name, "well", "answers"), usage, clock)


def _request(asked: Asked) -> Request:
    endpoint, model = asked.channel.endpoint, asked.target.model
    if asked.is_open:
        facts = endpoint.api.facts
        if (path := facts.key_path or facts.models_path) is not None:
            return request_of(endpoint, _HEADERS, path)
        model = next(preset.model for preset in PRESETS.values() if preset.api == asked.provider.api)
    written = endpoint.api.write(_SMALLEST, model)
    return endpoint.request(endpoint.base_path + written.path, _HEADERS, orjson.dumps(written.body))


def _of_key(asked: Asked, status: int, headers: Headers, body: bytes) -> Diagnosis:
    """Return what the answer to a question that is about no model in use says of key and address."""
    error = blaming_model(asked.channel.endpoint.api.error(status, headers, body), body, asked.target.model)
    is_about_model = error.param == FIELD or (isinstance(error, KeyRefused) and error.reason == "model")
    if status == 200 or is_about_model:
        return Diagnosis(asked.name, "well", "answers; which models it has shows at their calls")
    is_said = isinstance(error, KeyRefused | Denied) or status in (_UNAUTHORIZED, _NO_CREDIT_STATUS, _RATE_LIMITED)
    if is_said or status >= _THEIR_FAULT:
        return _refusal(asked, status, headers, body)
    do = f"check base_url ({asked.provider.base_url}), or name a model of it in `models`, which is asked then"
    return _diagnosis(asked, "doubtful", f"does not say whether its key is right (HTTP {status})", do)


def _refusal(asked: Asked, status: int, headers: Headers, body: bytes) -> Diagnosis:
    """Return what an answer of another status than 200 says about key, account, model, address or region."""
    said = _quote(body)
    error = blaming_model(asked.channel.endpoint.api.error(status, headers, body), body, asked.target.model)
    diagnosis = _known_refusal(asked, status, said, error)
    quoted = f": {said}" if said else ""
    return replace(diagnosis, message=f"{diagnosis.message} (HTTP {status}{quoted})")


def _known_refusal(asked: Asked, status: int, said: str, error: ProviderError) -> Diagnosis:
    name, model = asked.target.provider, asked.target.model
    if _OUT_OF_TOKENS.search(said):
        return Diagnosis(asked.name, "well", "answers, and would need more than one token")
    if status == _NO_CREDIT_STATUS or _NO_CREDIT.search(said):
        return _broken(
            asked, "has no credit left on the account of its key", f"pay, or set another key ({_key(asked)})"
        )
    if isinstance(error, KeyRefused) and error.reason == "region":
        do = "reach it from another region, by a `proxy` there, or name another provider"
        return _broken(asked, "does not serve the region of this machine", do)
    if isinstance(error, KeyRefused) and error.reason == "model":
        return _broken(asked, f"does not let the account use the model {model!r}", _other_model(asked))
    if isinstance(error, KeyRefused | Denied) or status == _UNAUTHORIZED:
        return _broken(asked, *_key_refused(asked, status))
    if error.param == FIELD:
        place = f" in {asked.provider.region}" if asked.provider.region else ""
        return _broken(asked, f"does not offer the model {model!r} to this account{place}", _other_model(asked))
    if status >= _THEIR_FAULT:
        return _diagnosis(asked, "doubtful", "fails at its own side", "try again, and see the provider's status page")
    if status == _RATE_LIMITED:
        return _diagnosis(
            asked, "doubtful", "is at its rate limit", f"wait, or raise the limit of the account of {name}"
        )
    if asked.provider.region and _WRONG_PLACE.search(said):
        return _broken(asked, f"does not serve this model so in {asked.provider.region}", _other_model(asked))
    if status == _NOT_FOUND or error.kind == "malformed":
        return _broken(
            asked,
            "has no such address",
            f"check base_url ({asked.provider.base_url}), up to its version, and the model {model!r}",
        )
    return _broken(asked, "refuses the smallest call", f"see what it says; key and address of {name} work")


def _key_refused(asked: Asked, status: int) -> tuple[str, str]:
    if not asked.key and not asked.provider.api_key:
        if asked.provider.api_key is None and asked.channel.endpoint.sign is not None:
            return "refuses the AWS credentials", "check them with `aws sts get-caller-identity`, and its model access"
        return "wants a key, and none is configured", f"write api_key: ${{NAME}} for {asked.target.provider}"
    if status == _FORBIDDEN:
        return "does not let the key use it", f"check what the account of {_key(asked)} may do, and its region"
    return "refuses the key", f"check {_key(asked)}: is it whole, of this provider, and not revoked?"


def _key(asked: Asked) -> str:
    return f"the variable {asked.key.strip('${}')}" if asked.key else f"api_key of {asked.target.provider}"


def _other_model(asked: Asked) -> str:
    region = " in this region, or an inference profile" if asked.provider.region else ""
    return f"write a model that the account has{region}; a provider's list of models names them"


def _unreachable(asked: Asked, error: ProviderError) -> Diagnosis:
    """Return what a failure before an answer says about address, network, proxy or TLS."""
    base_url, why = asked.provider.base_url, why_unreachable(error)
    if asked.provider.proxy is not None:
        message = why or error.message
        return _broken(asked, f"is not reached through its proxy: {message}", "check `proxy`, its name and password")
    if not why:
        proxy = next((name for name in _PROXIES if asked.environ.get(name)), None)
        hint = f"; {proxy} is not used: write transport: standard and proxy" if proxy else ""
        return _broken(asked, error.message, f"check base_url ({base_url}) and the network{hint}")
    if "TLS certificate" in why:
        do = "if a proxy of yours signs its traffic anew, name its authority as ca_file; else check base_url"
    elif "speak TLS" in why:
        do = f"check http or https in base_url ({base_url}), and its port"
    elif "refused" in why:
        do = f"start the server, or check host and port of base_url ({base_url})"
    else:
        do = f"check the host in base_url ({base_url}), and that this machine resolves names"
    return _broken(asked, why, do)


def _broken(asked: Asked, message: str, do: str) -> Diagnosis:
    return _diagnosis(asked, "broken", message, do)


def _diagnosis(asked: Asked, state: Condition, message: str, do: str) -> Diagnosis:
    return Diagnosis(asked.name, state, message, do)


def _quote(body: bytes) -> str:
    """Return the provider's own words, on one line; '' where there are none."""
    try:
        words = _message(orjson.loads(body))
    except orjson.JSONDecodeError:
        words = re.sub(r"<[^<>]{0,200}>", " ", body.decode(errors="replace"))
    text = " ".join(words.split())
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…"


def _message(answer: object) -> str:
    """Return the message of an error body, wherever APIs put it; '' where it is not found."""
    if isinstance(answer, list):
        return _message(answer[0]) if answer else ""
    if not isinstance(answer, dict):
        return answer if isinstance(answer, str) else ""
    for name in ("error", "message", "Message", "detail", "msg"):
        if found := _message(answer.get(name)):
            return found
    return ""


def _clock_seconds(headers: Headers) -> float | None:
    """Return how far the provider's clock is ahead of ours, None where it does not tell the time."""
    date = header(headers, b"date")
    try:
        return None if date is None else parsedate_to_datetime(date.decode()).timestamp() - time()
    except (ValueError, TypeError):
        return None
