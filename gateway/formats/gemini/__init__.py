"""Gemini's generateContent (Generative Language API, v1beta), for clients and for providers.

`prompt`, `contents`, `generation` and `schemas` read what a client asks; `reply` writes what it gets. `request`,
`turns`, `media` and `config` write what goes to a provider, `amend` what a version changes in a request of this same
format; `answer` and `stream` read what comes back, `errors` what went wrong. `terms` holds the words of both ways.
"""
