"""Anthropic's Messages API (anthropic-version 2023-06-01 and 2026-10-21).

`client` faces clients: `prompt` and `blocks` read a request, `answer` writes a whole answer, `writer` a stream,
`counting` serves count_tokens. `provider` faces providers: `request`, `turns` and `tooling` write a request, `thinking`
says how long to think, `models` what a model takes; `amend` puts a version into a client's own request; `reply` and
`parser` read an answer. `errors` knows the errors of both, `shared` what both sides have in common.
"""
