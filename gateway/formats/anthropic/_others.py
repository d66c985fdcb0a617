"""Endpoints of Anthropic's API that are forwarded: files, batches of messages, skills."""

import re

from gateway.formats.door import OtherEndpoints

_BATCHES = "/messages/batches"

OTHERS = OtherEndpoints(
    ("/files", _BATCHES, "/skills"),
    runs_any_model=(_BATCHES,),
    # Anthropic's SDKs ask for a batch's results at its `results_url`, with their key.
    own_url=re.compile(
        rb'(?<="results_url")(?P<mark>\s*:\s*")https?://[^"]*?(?P<path>/messages/batches/[^"/?#]+/results)[^"]*(?=")'
    ),
)
