"""One translator per wire format, sans-I/O, fed event by event, made per request.

A **wire format** is what a client or a provider speaks: `openai` (chat completions), `openai-responses`, `anthropic`
(Messages), `gemini` (generateContent), `bedrock` (Converse; providers only). Where both sides of a call speak one
format, the bytes go through and only what the version sets is put in (`amend`). Where they differ, two translators meet
in a neutral form that belongs to neither: a request becomes a `Prompt`, a whole answer a `Reply`, a stream `Event`s.

`prompt` and `reply` are that neutral form, `settings` is a version's part in it; `formats` says what a wire format must
provide; `reader` follows a stream in any of them; `sse` cuts server-sent events. Each format is a package of its own,
whose `client` faces clients and whose `provider` faces providers.
"""
