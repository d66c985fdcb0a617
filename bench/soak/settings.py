"""Configuration of the fault suite: agents at every provider format, a trial with steps, keys with limits, prices.

Prices are whole nano-dollars a token, so that every sum is exact.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

PROVIDER_KEY = "sk-planted-provider-5f2c9a7e"
KEYS: Mapping[str, str] = {name: f"sk-planted-{name}-71d0b6c4" for name in ("app", "few", "greedy")}
ADMIN = "planted-admin-token-93ae12"

TRIAL, CAPPED = "trial", "capped"
# The agents that clients of every format call, and the model that serves each.
NATIVE: Mapping[str, str] = {
    "by-chat": "at-openai/chat",
    "by-responses": "at-responses/responses",
    "by-messages": "at-anthropic/messages",
    "by-gemini": "at-gemini/gemini",
    "by-converse": "at-bedrock/converse",
}
GOOD, NEWER, SPARE = "at-openai/good", "at-openai/newer", "at-anthropic/spare"
EMBEDDER, CAPPED_MODEL = "at-openai/embedder", "at-openai/capped"
TARGETS = (*NATIVE.values(), GOOD, NEWER, SPARE, EMBEDDER, CAPPED_MODEL)
STRUCK = (*NATIVE.values(), GOOD, SPARE, EMBEDDER)  # what faults of a provider strike; the canary's has its own

NANO_INPUT, NANO_OUTPUT = 1_000, 3_000  # nano-dollars a token, at every target
FEW_REQUESTS, FEW_SECONDS = 60, 10  # of the key `few`
GREEDY_AT_ONCE = 4  # of the key `greedy`, at each replica
_BASES = {"openai": "/v1", "responses": "/v1", "anthropic": "/v1", "gemini": "/v1beta", "bedrock": ""}
_APIS = {"responses": "openai-responses"}


def files(root_url: str, budget_usd: float) -> dict[str, Any]:
    """The configuration over the stand-in at that URL; the agent `capped` may spend that much in a day."""
    agents = {name: {"stable": "v1"} for name in NATIVE}
    versions = {f"agents/{name}/v1.yaml": {"model": target} for name, target in NATIVE.items()}
    return {
        "gateway.yaml": gateway(root_url),
        "routing.yaml": {"agents": {**agents, TRIAL: _trial(), CAPPED: _capped(budget_usd)}},
        f"agents/{TRIAL}/v1.yaml": {"model": GOOD, "system_prompt": {"file": "prompt.md"}},
        f"agents/{TRIAL}/v2.yaml": {"model": NEWER, "system_prompt": {"file": "prompt.md"}},
        f"agents/{TRIAL}/prompt.md": "You are a bird that answers in few words.",
        f"agents/{CAPPED}/v1.yaml": {"model": CAPPED_MODEL, "max_tokens": 50},
        **versions,
    }


def gateway(root_url: str) -> dict[str, Any]:
    """The file `gateway.yaml`: times are short, so that many faults end within a run."""
    providers: dict[str, dict[str, str]] = {
        f"at-{name}": {"api": _APIS.get(name, name), "base_url": root_url + base, "api_key": "${PROVIDER_KEY}"}
        for name, base in _BASES.items()
    }
    providers["at-bedrock"]["region"] = "eu-central-1"
    keys: dict[str, Any] = {name: {"sha256": hashlib.sha256(key.encode()).hexdigest()} for name, key in KEYS.items()}
    keys["few"]["limits"] = {"requests": f"{FEW_REQUESTS}/{FEW_SECONDS}s", "on_store_loss": "refuse"}
    keys["greedy"]["limits"] = {"in_flight": GREEDY_AT_ONCE}
    return {
        "providers": providers,
        "keys": keys,
        "models": [EMBEDDER],
        "timeouts": {"first_token": "2s", "answer": "3s", "between_chunks": "2s", "total": "8s"},
        "retries": {"base": "50ms", "cap": "500ms"},
        "circuit": {"open_for": "2s"},
        "drain": "15s",
        "prices": [_price(target) for target in TARGETS],
    }


def _price(target: str) -> dict[str, object]:
    return {"target": target, "from": "2026-01-01", "input": NANO_INPUT / 1000, "output": NANO_OUTPUT / 1000}


def _trial() -> dict[str, object]:
    steps = [
        {"weight": "20%", "hold": "15s", "min_requests": 30},
        {"weight": "50%", "hold": "1m", "min_requests": 100},
        {"weight": "100%", "hold": "10m", "min_requests": 1000},
    ]
    return {"stable": "v1", "canary": "v2", "steps": steps, "fallback": [SPARE]}


def _capped(budget_usd: float) -> dict[str, object]:
    limits = {"usd": {"24h": budget_usd}, "unpriced": "refuse", "on_store_loss": "refuse"}
    return {"stable": "v1", "limits": limits}
