"""The stand-in's own endpoints: change a behaviour while it runs, read the books, see what was received."""

import orjson
import pytest

from gateway.rehearsal.standin import ModelBehaviour, Standin

from .raw import Heard, post, request, send

MODEL = "/standin/models/m"


async def control(standin: Standin, method: str, path: str, body: object = None) -> Heard:
    """One request to the stand-in's own endpoints."""
    return await send(standin, request(body, method=method, path=path))


async def test_put_sets_a_behaviour(standin: Standin) -> None:
    """The next call follows it, and it can be read back."""
    put = await control(standin, "PUT", MODEL, {"error_rate": 1, "status": 503})
    assert put.status == 200
    assert (await post(standin)).status == 503
    assert (await control(standin, "GET", MODEL)).json() == put.json()


async def test_put_of_nonsense_names_every_problem(standin: Standin) -> None:
    """400 with a list; the old behaviour stays."""
    standin.behave("m", ModelBehaviour(chunks=3))
    heard = await control(standin, "PUT", MODEL, {"chunks": 0, "what": 1})
    assert heard.status == 400
    assert len(heard.json()["error"]["problems"]) == 2  # type: ignore[index]
    assert (await control(standin, "GET", MODEL)).json()["chunks"] == 3


async def test_patch_changes_only_what_it_names(standin: Standin) -> None:
    """The rest stays; a model unknown until now begins with the default; nonsense is refused."""
    await control(standin, "PATCH", MODEL, {"chunks": 5})
    patched = (await control(standin, "PATCH", MODEL, {"status": 529})).json()
    assert (patched["chunks"], patched["status"]) == (5, 529)
    assert (await control(standin, "PATCH", MODEL, {"chunks": "many"})).status == 400


async def test_models_are_shown_as_the_file_would_have_them(standin: Standin) -> None:
    """Default and models, names with a slash included; DELETE goes back to the default."""
    await control(standin, "PUT", "/standin/models/house%2Fbig", {"chunks": 2})
    shown = (await control(standin, "GET", "/standin/models")).json()
    assert shown["models"]["house/big"]["chunks"] == 2  # type: ignore[index]
    assert shown["default"] == orjson.loads(ModelBehaviour().model_dump_json())
    await control(standin, "DELETE", "/standin/models/house/big")
    gone = await control(standin, "GET", "/standin/models/house/big")
    assert (gone.status, gone.json()["error"]["message"]) == (  # type: ignore[index]
        404,
        "model 'house/big' has no behaviour of its own; known: none",
    )


async def test_a_called_model_that_was_changed_is_forgotten_whole(standin: Standin) -> None:
    """DELETE ends a fault that PATCH gave to a model which nobody had set up before its first call."""
    assert (await post(standin, model="called")).status == 200
    await control(standin, "PATCH", "/standin/models/called", {"error_rate": 1.0})
    assert (await post(standin, model="called")).status == 500
    await control(standin, "DELETE", "/standin/models/called")
    assert (await post(standin, model="called")).status == 200


async def test_calls_are_shown_and_reset(standin: Standin) -> None:
    """Counts per model; DELETE starts them, and the kept requests, at zero."""
    standin.behave("m", ModelBehaviour(prompt_tokens=17))
    await post(standin)
    calls = (await control(standin, "GET", "/standin/calls")).json()
    assert calls["m"] == {
        "requests": 1,
        "ok": 1,
        "cancelled": 0,
        "open": 0,
        "prompt_tokens": 17,
        "cached_tokens": 0,
        "completion_tokens": 8,
        "faults": {},
    }
    await control(standin, "DELETE", "/standin/calls")
    assert (standin.counts("m").requests, len(standin.requests)) == (0, 0)


async def test_the_last_requests_are_shown(standin: Standin) -> None:
    """As many as asked for, newest last, without the control's own; a wrong number is refused."""
    for model in ("a", "b", "c"):
        await post(standin, model=model)
    shown = (await control(standin, "GET", "/standin/requests?last=2")).json()["requests"]
    assert isinstance(shown, list)
    assert [orjson.loads(each["body"])["model"] for each in shown] == ["b", "c"]
    assert ["host", "standin"] in shown[0]["headers"]
    assert (await control(standin, "GET", "/standin/requests?last=-1")).status == 400
    assert (await control(standin, "GET", "/standin/requests?last=0")).json() == {"requests": []}


async def test_health(standin: Standin) -> None:
    """200 as long as it runs."""
    assert (await control(standin, "GET", "/healthz")).json() == {"ok": True}


@pytest.mark.parametrize(
    ("method", "path", "status", "word"),
    [("POST", "/standin/calls", 405, "possible: GET, DELETE"), ("GET", "/standin/what", 404, "/standin/requests")],
)
async def test_a_wrong_address_says_what_there_is(
    standin: Standin, method: str, path: str, status: int, word: str
) -> None:
    """The way out is in the message."""
    heard = await control(standin, method, path)
    assert heard.status == status
    assert word in heard.json()["error"]["message"]  # type: ignore[index]
