"""Wire formats: one translator each, without I/O, fed event by event, made per request.

A **wire format** is what a client or a provider speaks: `openai` (chat completions), `openai-responses`, `anthropic`
(Messages), `gemini` (generateContent), `bedrock` (Converse; providers only). Where both sides of a call speak one
format, the bytes go through and only what the version sets is put in (`amend`). Where they differ, two translators meet
in a neutral form that belongs to neither: a request becomes a `Prompt`, a whole answer a `Reply`, a stream `Event`s.

`prompt` and `answer` are that neutral form, `settings` is a version's part in it; `protocol` says what a wire format
must provide, `door` what stands at its endpoints, and `registry` has them all; `fit` keeps a prompt within a provider's
`limits`; `reader` follows a stream in any format; `sse` cuts server-sent events.

Each format is a folder with the same public modules; helpers of a folder begin with an underscore:

- `client`: its half that faces clients. `client_request` reads a request, `client_answer` writes a whole answer,
  `client_stream` writes a stream.
- `provider`: its half that faces providers. `provider_request` writes a request, `provider_answer` reads a whole
  answer, `provider_stream` reads a stream.
- `amend`: puts a version into a client's request of the same format.
- `errors`: reads a provider's errors and writes those for a client.
"""
