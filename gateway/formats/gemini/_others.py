"""Endpoints of Gemini's API that are forwarded: files, caches, stores of files, embeddings."""

from gateway.formats.door import OtherEndpoints

OTHERS = OtherEndpoints(
    ("/files", "/cachedContents", "/batches", "/fileSearchStores", "/operations"),
    prefix="/v1beta",
    runs_any_model=("/batches",),
    verbs=("embedContent", "batchEmbedContents"),
    collection="models/",
)
