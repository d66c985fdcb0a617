"""A call that goes on from a stored response: only the provider that stored it can serve it.

Nothing in an id says whose it is, and a provider that does not know it refuses the call before any model has run. So
the targets of the chain are asked in their order, and who refuses it for that reason has not failed.
"""

from gateway.calls import Call
from gateway.errors import ProviderError
from gateway.formats.openai_responses import NAME as RESPONSES

_MEMBER = "previous_response_id"
_UNKNOWN = 404


def is_of_another(error: ProviderError, call: Call) -> bool:
    """Return whether the provider says that it does not have the response which the call goes on from."""
    if call.format != RESPONSES or not isinstance(call.document.values.get(_MEMBER), str):
        return False
    if error.param == "model":
        return False
    return error.upstream_status == _UNKNOWN or (error.upstream_status == 400 and error.param == _MEMBER)
