"""Members of a request by which a provider, or a gateway behind this one, would choose another model or account.

The name in `model` decides where a call goes: an agent's version, or the plain model that the key may call. A member
that would decide it anew is refused by name; to drop it in silence would change who is paid and who reads the prompt.
A version may set the same members under `extra`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.errors import LONGEST_SHOWN, CallerError, Forbidden

# In lower case; several gateways read the names of members in any case.
_MODELS = frozenset(
    {
        "models", "route", "fallbacks", "preset",  # OpenRouter, Vercel, Bifrost; Anthropic's own fallbacks
        "provider", "providers",  # OpenRouter: which hosts run the model
        "model_list", "default_fallbacks", "context_window_fallbacks", "content_policy_fallbacks",  # LiteLLM, from here
        "context_window_fallback_dict", "router_settings", "router_settings_override", "user_config", "litellm_params",
        "model_info", "specific_deployment", "deployment_id", "allowed_model_region", "fallback_config",
    }
)  # fmt: skip
_ADDRESSES = frozenset(
    {"base_url", "api_base", "api_version", "api_type", "custom_llm_provider", "aws_bedrock_runtime_endpoint"}
    | {"aws_sts_endpoint", "vertex_location", "vertex_ai_location", "aws_region_name", "region_name"}
)
_ACCOUNTS = frozenset(
    {
        "api_key", "billing_policy", "organization", "headers", "extra_headers", "litellm_credential_name",
        "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_session_name", "aws_profile_name",
        "aws_role_name", "aws_web_identity_token", "aws_external_id",
        "vertex_project", "vertex_ai_project", "vertex_credentials", "vertex_ai_credentials",
        "azure_ad_token", "azure_username", "azure_password", "azure_scope", "tenant_id", "client_id", "client_secret",
    }
)  # fmt: skip
REFUSED = _MODELS | _ADDRESSES | _ACCOUNTS
# Members whose own members choose: Vercel's options of its gateway, and Vertex's choice among models.
_WITHIN: Mapping[str, frozenset[str]] = {
    "provideroptions": frozenset({"gateway"}),
    "provider_options": frozenset({"gateway"}),
    "generationconfig": frozenset({"routingconfig", "routing_config"}),
    "generation_config": frozenset({"routingconfig", "routing_config"}),
}
_BODY = "extra_body"  # laid over the request by gateways that read it
_PLUGINS = "plugins"  # OpenRouter's; some run models of their own
_LOOKED_INTO = REFUSED | _WITHIN.keys() | {_BODY, _PLUGINS}


def check_target(values: Mapping[str, Any]) -> None:
    """Raise CallerError for a member that chooses another model, account or address than `model` does."""
    names = [*map(str.casefold, values)]
    if names.count("model") > ("model" in values) or not _LOOKED_INTO.isdisjoint(names):
        _look(values)


def check_tools(values: Mapping[str, Any]) -> None:
    """Raise Forbidden for a provider's tool that names the model which it runs: a limited key may call only its own."""
    tools = values.get("tools")
    for index, tool in enumerate(tools if isinstance(tools, list) else ()):
        if not isinstance(tool, dict) or tool.get("type") == "function":
            continue
        inner = tool.get("parameters")
        is_hosted = str(tool.get("type")).startswith("openrouter:") and isinstance(inner, dict)
        if _names_model(tool) or (is_hosted and _names_model(inner)):
            message = "this key is limited, and a tool may not name another model for it: leave the tool's model out"
            raise Forbidden(message, param=f"tools[{index}].model")


def check_names(names: Iterable[str]) -> None:
    """Raise CallerError for such a name among those of a query or a form."""
    for name in names:
        if name.casefold() in REFUSED:
            raise _refusal(name)


def _look(values: Mapping[str, Any]) -> None:
    """Look through a request, and through each `extra_body` within the one before."""
    left: list[tuple[str, Mapping[str, Any]]] = [("", values)]
    while left:
        path, members = left.pop()
        for name, value in members.items():
            if isinstance(value, dict) and name.casefold() == _BODY:
                left.append((f"{path}{name}."[:LONGEST_SHOWN], value))
            _check_member(path, name, value)


def _check_member(path: str, name: str, value: Any) -> None:
    plain = name.casefold()
    if plain == "model" != name:
        raise CallerError(f"write 'model' in place of {name!r}", param=path + name)
    if not value:
        return  # null, or nothing to choose from
    if (
        plain in REFUSED
        or (plain == "model" and path)  # it would be laid over the one that decides
        or (plain == _PLUGINS and isinstance(value, list) and any(map(_names_model, value)))
    ):
        raise _refusal(path + name)
    if isinstance(value, dict):
        for inner in value:
            if value[inner] and inner.casefold() in _WITHIN.get(plain, ()):
                raise _refusal(f"{path}{name}.{inner}")


def _names_model(value: Any) -> bool:
    return isinstance(value, dict) and any("model" in name.casefold() for name in value)


def _refusal(name: str) -> CallerError:
    return CallerError(
        f"{name!r} would choose another model, account or address, which 'model' and the gateway decide: leave it out",
        param=name,
    )
