"""Work for a caller ends when the caller leaves."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import Request
from starlette.types import Message

from kit.callers import CallerLeft, unless_caller_leaves


def connection(*messages: Message) -> Request:
    """A request whose client sends `messages` and then nothing more."""
    left = list(messages)

    async def receive() -> Message:
        if left:
            return left.pop(0)
        return await asyncio.Future()

    return Request({"type": "http", "method": "POST", "path": "/", "headers": []}, receive)


async def test_a_caller_that_stays_gets_the_result() -> None:
    async def work() -> int:
        return 42

    assert await unless_caller_leaves(connection(), work()) == 42


async def test_an_error_of_the_work_is_passed_on() -> None:
    async def work() -> None:
        raise LookupError("no such thing")

    with pytest.raises(LookupError):
        await unless_caller_leaves(connection(), work())


async def test_work_is_cancelled_when_the_caller_leaves() -> None:
    ended = []

    async def work() -> None:
        try:
            await asyncio.Future()
        finally:
            ended.append(True)

    with pytest.raises(CallerLeft):
        await unless_caller_leaves(
            connection({"type": "http.request", "body": b""}, {"type": "http.disconnect"}), work()
        )
    assert ended == [True]


async def test_a_request_that_is_cancelled_cancels_its_work() -> None:
    begun = asyncio.Event()
    ended = []

    async def work() -> None:
        try:
            begun.set()
            await asyncio.Future()
        finally:
            ended.append(True)

    request = asyncio.create_task(unless_caller_leaves(connection(), work()))
    await begun.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert ended == [True]
