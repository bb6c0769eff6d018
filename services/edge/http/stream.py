"""Server-sent events."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast

import orjson
from aiohttp import web

from services.common.errors import IntentError
from services.common.rpc.errors import problem
from services.edge.http.context import HEADERS
from services.edge.present import sse
from services.edge.watch.stream import Told


async def send_events(request: web.Request, messages: AsyncIterator[Told]) -> web.StreamResponse:
    """Sends `messages` until they end or the client goes. What is raised before the first one is raised here;
    what ends the stream later comes as an event named `problem`, after which the client resumes."""
    async with aclosing(cast(Any, messages)):
        first = await anext(messages)
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
            }
            | request[HEADERS]
        )
        try:
            await response.prepare(request)
            await response.write(b"retry: 1000\n\n" + sse(first))
            async for message in messages:
                await response.write(sse(message))
        except IntentError as error:
            await response.write(b"event: problem\ndata: %s\n\n" % orjson.dumps(problem(error)))
        except ConnectionResetError:
            return response
        await response.write_eof()
        return response
