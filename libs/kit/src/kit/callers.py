"""Callers that leave before they have an answer: nobody works on for them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import TypeVar

from starlette.requests import Request

CLIENT_CLOSED_REQUEST = 499
"""nginx's status for it; nobody is there to see it but the log and the metrics."""

Result = TypeVar("Result")


class CallerLeft(Exception):
    """The client closed the connection before it had an answer."""


async def unless_caller_leaves(request: Request, work: Awaitable[Result]) -> Result:
    """Return what `work` returns; cancel it and raise CallerLeft if the client closes the connection.

    `kit.web` turns CallerLeft into the status above. The request's body must have been read.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise CallerLeft
        return task.result()
    finally:
        for unfinished in (task, gone):
            unfinished.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await unfinished


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
