"""Endpoints of Gemini's API that are forwarded: files, caches, stores of files, embeddings, and resumable uploads."""

import re

from gateway.formats.door import OtherEndpoints, UploadSessions

OTHERS = OtherEndpoints(
    ("/files", "/cachedContents", "/batches", "/fileSearchStores", "/operations"),
    prefix="/v1beta",
    other_prefix="/v1",
    runs_any_model=("/batches",),
    verbs=("embedContent", "batchEmbedContents"),
    collection="models/",
    uploads=UploadSessions(
        prefixes=("/upload/v1beta", "/upload/v1"),
        root="/upload",
        paths=re.compile(r"/files|/fileSearchStores/[^/:]+:uploadToFileSearchStore"),
        headers=b"x-goog-upload-",
        url=b"x-goog-upload-url",
        session="upload_id",
        start=((b"x-goog-upload-protocol", b"resumable"), (b"x-goog-upload-command", b"start")),
        ended=(b"x-goog-upload-status", b"final"),
        private=frozenset({b"x-goog-upload-url", b"x-goog-upload-control-url"}),
    ),
)
