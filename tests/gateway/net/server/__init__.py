"""Transcripts over raw sockets against a real server, with small raw ASGI applications."""
