"""`POST /status/{agent}/act`: the form of a page, from nowhere else, for the admin token alone."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from gateway.rehearsal.standin import ModelBehaviour
from tests.support.crowd import Reply, ask
from tests.support.running import ADMIN_TOKEN, Running, provider, running, trial, write

BEARER = f"authorization: Bearer {ADMIN_TOKEN}"
BASIC = "authorization: Basic " + base64.b64encode(f"ada:{ADMIN_TOKEN}".encode()).decode()
OWN = ("host: localhost", "origin: http://localhost", "sec-fetch-site: same-origin")
FORM = {"verb": "pause", "reason": "tickets", "actor": "Ada", "sure": "yes", "epoch": "1"}


@pytest.fixture
async def served(tmp_path: Path, redis_url: str, agent: str) -> AsyncIterator[Running]:
    async with provider(good=ModelBehaviour(), bad=ModelBehaviour()) as standin:
        files = write(tmp_path, trial(agent, standin))
        async with running(files, redis_url) as served:
            yield served


async def act(served: Running, agent: str, *headers: str, **fields: str) -> Reply:
    """Send the form; `fields` differ from a right one."""
    kind = "content-type: application/x-www-form-urlencoded"
    body = urlencode({**FORM, **fields}).encode()
    return await ask(served.url, "POST", f"/status/{agent}/act", body, (kind, *headers))


def phase(served: Running, agent: str) -> str | None:
    state = served.gateway.services.table.seen(agent)
    return state.phase if state else None


@pytest.mark.parametrize("headers", [(BEARER, *OWN), (BASIC, *OWN), (BEARER,), (BASIC, *OWN[:2])])
async def test_a_form_of_our_own_page_is_carried_out(served: Running, agent: str, headers: tuple[str, ...]) -> None:
    """By a script's token, or by a browser's password together with its word on where it comes from."""
    reply = await act(served, agent, *headers)
    assert (reply.status, json.loads(reply.body)) == (200, {"done": "Done: pause."})
    assert phase(served, agent) == "paused"


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (401, OWN),
        (401, (*OWN, "authorization: Bearer wrong")),
        (401, (*OWN, "authorization: Basic !")),
        (403, (BASIC,)),
        (403, (BASIC, "origin: http://evil.test")),
        (403, (BASIC, "origin: null")),
        (403, (BASIC, OWN[0], OWN[1], "sec-fetch-site: cross-site")),
        (403, (BASIC, OWN[0], OWN[1], "sec-fetch-site: same-site")),
        (403, (BEARER, "origin: http://evil.test")),
        (403, (BASIC, "host: evil.test", "origin: http://evil.test", "sec-fetch-site: same-origin")),
    ],
)
async def test_any_other_is_refused(served: Running, agent: str, status: int, headers: tuple[str, ...]) -> None:
    """Without the token; or by a browser's password from another site, or without a word on where it comes from."""
    assert (await act(served, agent, *headers)).status == status
    assert phase(served, agent) == "running"


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"verb": "set-weight"}, 400, "Choose what to do"),
        ({"sure": ""}, 400, "Confirm that you have looked"),
        ({"epoch": "x"}, 400, "load the page anew"),
        ({"epoch": "7"}, 412, "is at epoch 1, not 7"),
        ({"verb": "resume"}, 409, "paused"),
        ({"reason": " "}, 400, "'reason' is missing"),
        ({"actor": "x" * 501}, 400, "'actor' is longer"),
        ({f"more-{number}": "" for number in range(20)}, 400, "the form cannot be read"),
    ],
)
async def test_a_form_that_cannot_be_carried_out(
    served: Running, agent: str, fields: dict[str, str], status: int, said: str
) -> None:
    """It is told why, on the page where a browser asks; nothing is changed."""
    reply = await act(served, agent, BEARER, **fields)
    assert reply.status == status and said in json.loads(reply.body)["error"]["message"]
    page = await act(served, agent, BEARER, "accept: text/html", **fields)
    assert page.status == status and said.replace("'", "&#39;").encode() in page.body
    assert b'href="../../status.css"' in page.body and phase(served, agent) == "running"


async def test_a_browser_is_sent_back_to_the_page(served: Running, agent: str) -> None:
    """To load it anew sends nothing again."""
    reply = await act(served, agent, BASIC, *OWN, "accept: text/html", verb="abort")
    assert (reply.status, reply.headers["location"]) == (303, f"../{agent}")
    assert phase(served, agent) == "rolled_back"


async def test_promotion_to_the_end_is_a_verb_of_its_own(served: Running, agent: str) -> None:
    """A plain weight has no next step."""
    assert (await act(served, agent, BEARER, verb="promote")).status == 409
    assert (await act(served, agent, BEARER, verb="promote-to-end")).status == 200
    assert phase(served, agent) == "completed"


async def test_what_is_no_form_is_refused(served: Running, agent: str) -> None:
    """JSON has its own endpoint; an unknown agent has none."""
    reply = await ask(served.url, "POST", f"/status/{agent}/act", b"{}", (BEARER, "content-type: application/json"))
    assert reply.status == 400
    assert (await act(served, "nobody", BEARER)).status == 404


async def test_without_an_admin_plane_nothing_is_offered(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Neither the forms nor their endpoint."""
    async with provider(good=ModelBehaviour(), bad=ModelBehaviour()) as standin:
        files, off = write(tmp_path, trial(agent, standin)), {"SERINUS_ADMIN_TOKEN": ""}
        async with running(files, redis_url, off) as served:
            page = await ask(served.url, "GET", f"/status/{agent}", headers=("accept: text/html",))
            assert b"What to do" not in page.body
            assert (await act(served, agent, BEARER)).status == 403
