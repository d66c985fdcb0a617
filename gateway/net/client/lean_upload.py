"""An upload over a lean connection: sent as it comes in, while somebody listens for an answer that comes early.

The only task of the lean transport: a body must go out and an answer come in at the same time.
"""

import asyncio

from gateway.net.client import Upload
from gateway.net.client.lean_connection import LeanConnection
from gateway.net.client.lean_response import LeanResponse
from gateway.net.client.writing import Count


async def send_upload(connection: LeanConnection, head: bytes, upload: Upload) -> LeanResponse:
    """The answer to a request with that head and upload, when its header block is in. Raises what the upload raises,
    and ProviderError."""
    connection.uploading = True
    pump = asyncio.create_task(_pump(connection, upload))
    answer = connection.exchange(head, b"", bodiless=False)
    try:
        await answer.begun
        return answer
    except asyncio.CancelledError:
        answer.leave()
        raise
    finally:
        # Done and failed: its error, not the broken connection it left behind, is what is wrong.
        if not pump.cancel():
            pump.result()
        else:
            await asyncio.wait([pump])


async def _pump(connection: LeanConnection, upload: Upload) -> None:
    """Send it all. On any failure the connection is gone before the request is whole."""
    count = Count(upload.length)
    try:
        async for chunk in upload.chunks:
            count.take(len(chunk))
            await connection.wait_until_drained()
            if upload.length is None:
                connection.write(b"%x\r\n" % len(chunk), chunk, b"\r\n")
            else:
                connection.write(chunk)
        count.end()
    except BaseException as error:
        if not isinstance(error, asyncio.CancelledError):
            connection.abort()
        raise
    if upload.length is None:
        connection.write(b"0\r\n\r\n")
    connection.uploading = False
