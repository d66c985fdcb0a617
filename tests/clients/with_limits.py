"""Print what Anthropic's SDK makes of a spent budget: `python with_limits.py <root> <agent>`."""

import json
import sys

import anthropic

client = anthropic.Anthropic(base_url=sys.argv[1], api_key="a-key", max_retries=2)
try:
    client.messages.create(model=sys.argv[2], max_tokens=9, messages=[{"role": "user", "content": "hello"}])
except anthropic.APIStatusError as error:
    print(json.dumps([type(error).__name__, error.status_code]))
