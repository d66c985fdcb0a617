import hashlib
from pathlib import Path

import pytest

from gateway.config import AnyEnvironment, ConfigProblems, Deployment, check
from gateway.replica.wiring import receivers
from tests.gateway.config.folders import ENVIRON, GATEWAY, loaded, problems

PLANTED = "planted-secret-0123"


def complaints(folder: Path, text: str, **environ: str) -> list[str]:
    return problems(folder, {"gateway.yaml": GATEWAY + text}, {**ENVIRON, **environ})


def with_environment(folder: Path, text: str = "", **environ: str) -> Deployment:
    return loaded(folder, {"gateway.yaml": GATEWAY + text}, {**ENVIRON, **environ})


def test_variables_are_filled_in_where_secrets_and_urls_stand(tmp_path: Path) -> None:
    """Keys, URLs and parts of URLs."""
    text = (
        '  p: {api: openai, base_url: "https://${HOST}/v1", transport: standard, proxy: "http://u:${PW}@p:1"}\n'
        "store: rediss://:${PW}@r:6379/0\nescalation: {webhook: '${HOOK}'}\nfingerprint_key: ${PW}\n"
        "notify: [{url: '${HOOK}'}]\n"
    )
    settings = with_environment(tmp_path, text, HOST="h.example", PW="pw", HOOK="https://hook.example/x").settings
    proxy, webhook = settings.providers["p"].proxy, settings.escalation.webhook
    assert settings.providers["p"].base_url == "https://h.example/v1"
    assert proxy is not None
    assert proxy.get_secret_value() == "http://u:pw@p:1"
    assert settings.store.get_secret_value() == "rediss://:pw@r:6379/0"
    assert webhook is not None
    assert webhook.get_secret_value() == settings.notify[0].url.get_secret_value() == "https://hook.example/x"


def test_what_signs_notices(tmp_path: Path) -> None:
    """Each receiver has a secret of its own, and may have none."""
    text = "notify: [{url: 'https://a.example', secret: '${PW}'}, {url: 'https://b.example'}]\n"
    settings = with_environment(tmp_path, text, PW="pw").settings
    assert [receiver.webhook.secret for receiver in receivers(settings)] == [b"pw", None]


def test_a_missing_variable_is_named_with_its_line(tmp_path: Path) -> None:
    """Unset and empty are told apart, and each missing one is told."""
    text = "store: redis://${A}:${B}@x\nfingerprint_key: ${C}\n"
    assert complaints(tmp_path, text, C="") == [
        f"gateway.yaml:{place}: the environment variable {name} is {what}; export it, or write {name}=… into .env "
        "beside this file"
        for place, name, what in [
            ("3: store", "A", "not set"),
            ("3: store", "B", "not set"),
            ("4: fingerprint_key", "C", "empty"),
        ]
    ]


def test_a_check_without_an_environment_looks_at_the_rest(tmp_path: Path) -> None:
    """Where every variable counts as set, keys and URLs are well, whole or in part, and mistakes are still found."""
    text = (
        '  p: {api: openai, base_url: "https://${HOST}:${PORT}/v1", api_key: "${K}"}\n'
        '  q: {api: openai, base_url: "${WHOLE}", transport: standard, proxy: "http://u:${PW}@${H}:${P}"}\n'
        "store: ${REDIS}\nescalation: {webhook: '${HOOK}', secret: '${S}'}\nfingerprint_key: ${F}\n"
    )
    assert loaded(tmp_path, {"gateway.yaml": GATEWAY + text}, AnyEnvironment()).agents.keys() == {"support"}
    found = problems(tmp_path, {"gateway.yaml": GATEWAY + "lisen: x\n"}, AnyEnvironment())
    assert [line.partition(";")[0] for line in found] == ["gateway.yaml:3: lisen: unknown key 'lisen'"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "listen: ${X}",
            "listen: variables are only for api_key, base_url, proxy, store, webhook, secret, routing_key, ",
        ),
        ("store: redis://${X:-y}", "store: write a variable as ${NAME}: letters, digits and _"),
        (
            f"fingerprint_key: {PLANTED}",
            "fingerprint_key: a secret never stands in the file; write ${SERINUS_FINGERPRINT",
        ),
        (f"store: redis://:{PLANTED}@x", "store: a password never stands in the file; write ${VARIABLE} in its place"),
        (
            f"  my-p: {{api: openai, api_key: {PLANTED}}}",
            "api_key: a secret never stands in the file; write ${MY_P_API_KEY}",
        ),
        (
            f"escalation: {{secret: {PLANTED}}}",
            "escalation.secret: a secret never stands in the file; write ${ESCALATION_SECRET}",
        ),
        (
            f"notify: [{{url: 'https://h.example', secret: {PLANTED}}}]",
            "notify.0.secret: a secret never stands in the file; write ${NOTIFY_SECRET}",
        ),
        ("fingerprint_key: 12345", "fingerprint_key: a secret never stands in the file"),
    ],
)
def test_variables_and_secrets_out_of_place(tmp_path: Path, text: str, complaint: str) -> None:
    """The way out is shown, the secret is not."""
    found = complaints(tmp_path, text)
    assert any(complaint in line for line in found), found
    assert not any(PLANTED in line or "12345" in line for line in found)


def test_a_key_that_cannot_stand_in_a_header(tmp_path: Path) -> None:
    """A line break at the end of a mounted secret is told without showing the secret."""
    (found,) = complaints(tmp_path, "", OPENAI_API_KEY=f"{PLANTED}\n")
    assert "api_key: the environment variable OPENAI_API_KEY begins or ends with white space" in found
    assert PLANTED not in found


def test_overrides(tmp_path: Path) -> None:
    """Three variables go before the file; the operators' token is kept as its hash only."""
    deployment = with_environment(
        tmp_path,
        "listen: nonsense\n",
        SERINUS_LISTEN="127.0.0.1:9",
        SERINUS_STORE="redis://:p@x",
        SERINUS_ADMIN_TOKEN=PLANTED,
    )
    assert str(deployment.settings.listen) == "127.0.0.1:9"
    assert deployment.settings.store.get_secret_value() == "redis://:p@x"
    assert deployment.settings.admin_token_sha256 == hashlib.sha256(PLANTED.encode()).hexdigest()


def test_a_wrong_override_names_its_variable(tmp_path: Path) -> None:
    """There is no line to point to, so the variable is the place."""
    assert complaints(tmp_path, "", SERINUS_LISTEN="0.0.0.0:80", SERINUS_STORE=f"mysql://{PLANTED}") == [
        "environment variable SERINUS_LISTEN: listen: 0.0.0.0:80 is open to other machines, so `keys` must say who may "
        "call; or listen on 127.0.0.1",
        "environment variable SERINUS_STORE: store: write embedded, redis://host:6379/0, rediss://…, "
        "unix:///path/to/socket, redis+sentinel://host:26379/master or redis+cluster://host:6379",
    ]


def test_secrets_show_nowhere(tmp_path: Path) -> None:
    """Not in the deployment's repr, not in a dump, not in the report."""
    text = "store: redis://:${S}@x\nfingerprint_key: ${S}\nescalation: {webhook: 'https://x.example/${S}'}\n"
    text += "notify: [{url: 'https://hooks.example/${S}'}]\n"
    deployment = with_environment(tmp_path, text, S=PLANTED, OPENAI_API_KEY=PLANTED, SERINUS_ADMIN_TOKEN=PLANTED)
    shown = repr(deployment) + str(deployment.settings) + deployment.settings.model_dump_json()
    assert PLANTED not in shown
    assert PLANTED not in check(tmp_path, {**ENVIRON, "S": PLANTED})[1]


def test_secrets_show_in_no_traceback(tmp_path: Path) -> None:
    """A problem beside a secret carries nothing of it, nor does what raised it."""
    with pytest.raises(ConfigProblems) as caught:
        loaded(tmp_path, {"gateway.yaml": GATEWAY + "base: 1\n"}, {"OPENAI_API_KEY": PLANTED})
    assert PLANTED not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_the_digest_holds_the_name_of_a_secret_not_its_value(tmp_path: Path) -> None:
    """Another variable or host is another configuration; another value of the same variable is not."""
    one = with_environment(tmp_path, "store: redis://:${S}@x\n", S="one")
    assert with_environment(tmp_path, "store: redis://:${S}@x\n", S="two").digest == one.digest
    assert with_environment(tmp_path, "store: redis://:${S}@y\n", S="one").digest != one.digest
    by_variable = [with_environment(tmp_path, SERINUS_STORE=f"redis://:{password}@z").digest for password in "ab"]
    assert by_variable[0] == by_variable[1] != one.digest


@pytest.mark.parametrize("value", [f"{PLANTED}\n", f" {PLANTED}", f"{PLANTED}\r\n", f"{PLANTED}\x00x", f"\t{PLANTED}"])
@pytest.mark.parametrize(
    "text",
    [
        "fingerprint_key: ${X}",
        "escalation: {secret: '${X}'}",
        "store: redis://:${X}@h",
        "escalation: {webhook: 'https://h.example/${X}'}",
        "notify: [{url: 'https://h.example/${X}'}]",
        "  p: {api: openai, api_key: '${X}'}",
        "  p: {api: openai, transport: standard, proxy: 'http://u:${X}@p:1'}",
    ],
)
def test_a_secret_with_a_line_break(tmp_path: Path, text: str, value: str) -> None:
    """One check for every secret: a mounted file's last line break would make it another, and never match."""
    found = complaints(tmp_path, text, X=value)
    assert any("variable X begins or ends with white space" in line for line in found)
    assert not any(PLANTED in line for line in found)


def test_an_admin_token_with_a_line_break(tmp_path: Path) -> None:
    """It would be hashed with it, and no operator's token would ever be right."""
    (found,) = complaints(tmp_path, "", SERINUS_ADMIN_TOKEN=f"{PLANTED}\n")
    assert "SERINUS_ADMIN_TOKEN begins or ends with white space" in found and PLANTED not in found


def test_a_proxys_password_is_quoted(tmp_path: Path) -> None:
    """Whatever it consists of; a path's variable stays as it is, for it may hold more than one part."""
    text = "  p: {api: openai, transport: standard, proxy: 'http://u:${PW}@p:1'}\nnotify: [{url: 'https://h.example/${HOOK}'}]\n"
    settings = with_environment(tmp_path, text, PW="a/b#c@d", HOOK="T0/B0/x").settings
    proxy = settings.providers["p"].proxy
    assert proxy is not None and proxy.get_secret_value() == "http://u:a%2Fb%23c%40d@p:1"
    assert settings.notify[0].url.get_secret_value() == "https://h.example/T0/B0/x"


def test_the_data_folder_may_come_from_the_environment(tmp_path: Path) -> None:
    """An image names its volume without a line in the file."""
    assert with_environment(tmp_path, SERINUS_DATA="/data").settings.data == Path("/data")
