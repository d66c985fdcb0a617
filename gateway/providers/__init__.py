"""One translator per wire format: sans-I/O, fed chunk by chunk, made per request.

Here: OpenAI chat completions. `openai_request` writes what goes to the provider, `openai_answer` reads a whole answer
or an error, `openai_stream` follows a stream, `sse` cuts server-sent events.
"""
