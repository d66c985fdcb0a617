"""The configuration that the demo writes, as a person would: two versions, their prices, and one edit of a file."""

import os
from pathlib import Path
from typing import Final

AGENT: Final = "customer-support"
STABLE: Final = "v1"
CANARY: Final = "v2"
WEIGHT: Final = 0.05

# Models of the stand-in provider. The canary's costs a sixteenth, which is why somebody wanted it.
STABLE_MODEL: Final = "gpt-4o-like"
CANARY_MODEL: Final = "gpt-4o-mini-like"
FALLBACK_MODEL: Final = "claude-like"

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

_V1 = """\
name: customer-support-agent
model: standin/gpt-4o-like
temperature: 0.3
max_tokens: 2048
system_prompt: |
  You are a customer support agent for Acme Corp.
  Answer from what you know of the order; say so when you do not know.
tools:
  - name: lookup_order
    description: Retrieve order status by order ID
"""

_V2 = """\
extends: v1
model: standin/gpt-4o-mini-like        # the same agent on a cheaper model
"""


def write_configuration(folder: Path, provider_url: str) -> None:
    """A configuration folder in which v1 serves everything. `provider_url` is the stand-in's base URL."""
    versions = folder / "agents" / AGENT
    versions.mkdir(parents=True)
    (versions / f"{STABLE}.yaml").write_text(_V1)
    (versions / f"{CANARY}.yaml").write_text(_V2)
    (folder / "gateway.yaml").write_text(_GATEWAY.format(url=provider_url))
    (folder / "routing.yaml").write_text(_ROUTING)


def begin_trial(folder: Path) -> None:
    """Put v2 on trial at 5 %, by the two lines that a person would add, replacing the file as editors do."""
    edited = folder / ".routing.yaml.new"
    edited.write_text(_ROUTING + _TRIAL)
    os.replace(edited, folder / "routing.yaml")
