"""Apps that name models, as they did before: OpenAI's, Anthropic's and Google's SDKs, each with another base URL alone.

The second argument is JSON: the model that each SDK names, and how many conversations OpenAI's is to begin.
"""

import json
import sys
from collections import Counter
from typing import Any

import anthropic
import openai
from google import genai
from google.genai import types

ROOT, ASKED = sys.argv[1], json.loads(sys.argv[2])
HELLO: list[Any] = [{"role": "user", "content": "hello"}]


def seen(text: str | None, headers: Any) -> list[str | None]:
    """What an answer said, and who gave it."""
    return [text, headers.get("x-serinus-target"), headers.get("x-serinus-version")]


with_openai = openai.OpenAI(base_url=f"{ROOT}/v1", api_key="a-key", max_retries=0)
chat = with_openai.chat.completions.with_raw_response.create(model=ASKED["openai"], messages=HELLO)
stream = with_openai.chat.completions.create(model=ASKED["openai"], messages=HELLO, stream=True)
streamed = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
response = with_openai.responses.with_raw_response.create(model=ASKED["openai"], input="hello")

with_anthropic = anthropic.Anthropic(base_url=ROOT, api_key="a-key", max_retries=0)
message = with_anthropic.messages.with_raw_response.create(model=ASKED["anthropic"], max_tokens=50, messages=HELLO)

with_google = genai.Client(api_key="a-key", http_options=types.HttpOptions(base_url=ROOT))
content = with_google.models.generate_content(model=ASKED["google"], contents="hello")

versions = Counter(
    with_openai.chat.completions.with_raw_response.create(
        model=ASKED["openai"], messages=[{"role": "user", "content": f"conversation {number}"}]
    ).headers.get("x-serinus-version")
    for number in range(ASKED["conversations"])
)
try:
    with_openai.chat.completions.create(model="gpt-unknown", messages=HELLO)
    error = ""
except openai.NotFoundError as refused:
    error = str(refused.code)
print(
    json.dumps(
        {
            "chat": seen(chat.parse().choices[0].message.content, chat.headers),
            "streamed": streamed,
            "responses": seen(response.parse().output_text, response.headers),
            "anthropic": seen(message.parse().content[0].text, message.headers),
            "google": seen(content.text, content.sdk_http_response.headers),
            "listed": [
                [model.id for model in with_openai.models.list()],
                [model.id for model in with_anthropic.models.list(limit=1)],
                [model.name for model in with_google.models.list(config={"page_size": 1})],
            ],
            "retrieved": with_openai.models.retrieve(ASKED["openai"]).id,
            "versions": versions,
            "error": error,
        }
    )
)
