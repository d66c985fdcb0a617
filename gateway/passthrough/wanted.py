"""A request that is forwarded, as it goes to the provider."""

from dataclasses import dataclass

from gateway.errors import Headers
from gateway.formats.endpoint import ProviderEndpoint
from gateway.passthrough.response_owner import answer_in
from gateway.passthrough.upload_session import UploadSide
from gateway.passthrough.uploads import UploadBody


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request on its way: `path` is what follows the base URL, `query` has no `?`. `at` is monotonic seconds.

    `id` is ours, `request_id` the client's own, or ''.
    `session` says what is special about an upload, None for all else.
    """

    id: str
    request_id: str
    method: str
    path: str
    query: str
    headers: Headers
    body: UploadBody
    at: float
    session: UploadSide | None = None

    @property
    def is_asking(self) -> bool:
        """Return whether a model is asked for something: what is read, or goes up, takes no tokens."""
        return self.method == "POST" and self.body.names_model

    def at_base(self, base_path: str) -> str:
        """Return the whole path, with its query, at a provider of that base path."""
        if self.session is not None:
            return self.session.path(base_path)
        return f"{base_path}{self.path}{'?' + self.query if self.query else ''}"

    def further(self, endpoint: ProviderEndpoint, headers: Headers) -> Headers:
        """Return the headers of an upload for the client. Raises ProviderError."""
        return () if self.session is None else self.session.headers(endpoint, headers)

    def answer_id(self, kept_at: str) -> str | None:
        """Return the id of the answer that this is about, unless the body says whom it is for.

        Answers are asked for by their ids at the path `kept_at`.
        """
        return None if self.body.names_model else answer_in(self.path, kept_at)
