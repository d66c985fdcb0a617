"""Google's SDK: an answer, a stream, a function call with its result, the models, an error."""

import json
import sys

from google import genai
from google.genai import errors, types

ROOT, AGENT = sys.argv[1], sys.argv[2]
FUNCTION = types.FunctionDeclaration(
    name="look_up", parameters_json_schema={"type": "object", "properties": {"id": {"type": "string"}}}
)
TOOLS = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[FUNCTION])])

client = genai.Client(api_key="a-key", http_options=types.HttpOptions(base_url=ROOT))
said = client.models.generate_content(model=AGENT, contents="hello")
streamed = "".join(part.text or "" for part in client.models.generate_content_stream(model=AGENT, contents="hello"))
called = client.models.generate_content(model=AGENT, contents="call look_up", config=TOOLS)
call = called.function_calls[0]
answered = types.Part.from_function_response(name="look_up", response={"result": "found"})
turns = [
    types.Content(role="user", parts=[types.Part(text="call look_up")]),
    called.candidates[0].content,
    types.Content(role="user", parts=[answered]),
]
after = client.models.generate_content(model=AGENT, contents=turns, config=TOOLS)
models = [model.name for model in client.models.list()]
model = client.models.get(model=AGENT)
try:
    client.models.generate_content(model="nobody", contents="hello")
    error = ""
except errors.ClientError as refused:
    error = f"{refused.code} {refused.status}"
usage = said.usage_metadata
print(
    json.dumps(
        {
            "text": said.text,
            "usage": [(usage.prompt_token_count or 0) > 0, usage.candidates_token_count],
            "streamed": streamed,
            "tool": [call.name, isinstance(call.args, dict)],
            "after": after.text,
            "models": [models, model.name, model.supported_actions],
            "error": error,
        }
    )
)
