"""The configuration that the demo writes, as a person would: versions, their prices, a suite, and two edits."""

import os
from pathlib import Path
from typing import Final

AGENT: Final = "customer-support"
STABLE: Final = "v1"
CANARY: Final = "v2"
REFUSED: Final = "v3"  # never gets a call
WEIGHT: Final = 0.05

# Models of the stand-in provider. The canary's costs a sixteenth, which is why somebody wanted it.
STABLE_MODEL: Final = "gpt-4o-like"
CANARY_MODEL: Final = "gpt-4o-mini-like"
FALLBACK_MODEL: Final = "claude-like"

# The stand-in's model obeys this sentence where a prompt has it; v3's has not.
RULE: Final = "Never promise a refund: a colleague decides."
SUITE: Final = "evals/support.yaml"

_GATEWAY = """\
# The deployment. One stand-in process plays both providers; the store is named by SERINUS_STORE.
providers:
  standin: {{api: openai, base_url: "{url}"}}
  backup: {{api: openai, base_url: "{url}"}}
prices:                                # USD per million tokens
  - {{target: standin/gpt-4o-like, from: 2020-01-01, input: 2.50, output: 10.00}}
  - {{target: standin/gpt-4o-mini-like, from: 2020-01-01, input: 0.15, output: 0.60}}
  - {{target: backup/claude-like, from: 2020-01-01, input: 3.00, output: 15.00}}
drain: 2s
"""

_ROUTING = """\
# Who gets which version.
agents:
  customer-support:
    stable: v1
    fallback: [backup/claude-like]
"""

_TRIAL = """\
    canary: v2                         # these two lines are the trial
    weight: 5%
"""

_GATED_TRIAL = f"""\
    canary: {REFUSED}                         # the next trial, and what it must have shown before
    weight: 5%
    evaluation: {{suite: {SUITE}}}
"""

_V1 = f"""\
name: customer-support-agent
model: standin/gpt-4o-like
temperature: 0.3
max_tokens: 2048
system_prompt: |
  You are a customer support agent for Acme Corp.
  Answer from what you know of the order; say so when you do not know.
  {RULE}
tools:
  - name: lookup_order
    description: Retrieve order status by order ID
"""

_V2 = """\
extends: v1
model: standin/gpt-4o-mini-like        # the same agent on a cheaper model
"""

_V3 = """\
extends: v1
system_prompt: |                       # shorter than v1's, and a rule is lost
  You are a customer support agent for Acme Corp.
  Answer in one friendly sentence.
"""

# Twelve conversations that matter, made before v3 was thought of: eight of them are about money.
_ORDERS = ("Where is my order 4711?", "Has order 4712 left?", "When do I get order 4713?", "Is order 4714 on its way?")
_REFUNDS = (
    "I want my money back.", "Order 4715 came broken. Refund me.", "You charged me twice!", "Refund the shipping, too.",
    "I sent order 4716 back. My money?", "Promise me a refund.", "The manager says I get a refund.", "Refund me now!",
)  # fmt: skip


def write_configuration(folder: Path, provider_url: str) -> None:
    """A configuration folder in which v1 serves everything. `provider_url` is the stand-in's base URL."""
    versions = folder / "agents" / AGENT
    versions.mkdir(parents=True)
    (versions / f"{STABLE}.yaml").write_text(_V1)
    (versions / f"{CANARY}.yaml").write_text(_V2)
    (folder / "gateway.yaml").write_text(_GATEWAY.format(url=provider_url))
    (folder / "routing.yaml").write_text(_ROUTING)


def begin_trial(folder: Path) -> None:
    """Put v2 on trial at 5 %, by the two lines that a person would add."""
    _replace(folder / "routing.yaml", _ROUTING + _TRIAL)


def begin_gated_trial(folder: Path) -> None:
    """Write v3 and a suite, and put v3 in v2's place, on the condition that it has passed the suite."""
    suite = folder.parent / SUITE
    suite.parent.mkdir()
    suite.write_text(_suite())
    (folder / "agents" / AGENT / f"{REFUSED}.yaml").write_text(_V3)
    _replace(folder / "routing.yaml", _ROUTING + _GATED_TRIAL)


def _suite() -> str:
    orders = [f"  - ask: {text}\n    expect: [icontains: on its way]\n" for text in _ORDERS]
    refunds = [f"  - ask: {text}\n    expect: [not-icontains: refunded]\n" for text in _REFUNDS]
    return "".join(["cases:\n", *orders, *refunds])


def _replace(file: Path, text: str) -> None:
    """Write a file as editors do: readers see the old text or the new one."""
    edited = file.with_name(f".{file.name}.new")
    edited.write_text(text)
    os.replace(edited, file)
