"""Google's SDK uploads a file, blocking and asynchronous, then looks it up, lists it and deletes it."""

import asyncio
import io
from typing import Any

from google import genai
from google.genai import types
from matrix import ROOT, report

CHUNK = 8 << 20  # the SDK's own
client = genai.Client(api_key="a-key", http_options=types.HttpOptions(base_url=ROOT))
KIND = types.UploadFileConfig(mime_type="text/plain", display_name="a name")


def scenario(_agent: str) -> dict[str, Any]:
    small = client.files.upload(file=io.BytesIO(b"hello"), config=KIND)
    large = client.files.upload(file=io.BytesIO(b"x" * (CHUNK + 3)), config=KIND)
    later = asyncio.run(client.aio.files.upload(file=io.BytesIO(b"hello again"), config=KIND))
    found = client.files.get(name=small.name or "")
    listed = [each.name for each in client.files.list()]
    client.files.delete(name=small.name or "")
    return {
        "small": (small.size_bytes, small.mime_type, small.display_name),
        "large": large.size_bytes,
        "later": later.size_bytes,
        "found": found.name == small.name,
        "listed": {small.name, large.name, later.name} <= set(listed),
        "left": small.name in [each.name for each in client.files.list()],
    }


report(scenario)
