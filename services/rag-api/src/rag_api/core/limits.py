"""How much one principal, and how much one process, may ask for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from kit.errors import Overloaded, RateLimited
from kit.principal import Principal


class TooManyRequests(RateLimited):
    code = "rate_limited"


class Limiter(Protocol):
    """Counts a principal's requests over all replicas."""

    async def admit(self, principal: Principal) -> None:
        """Count one request.

        Errors: TooManyRequests with the seconds to wait; RedisUnavailable if requests cannot be counted.
        A limit that stops holding when its counter is down is none, so the service then refuses.
        """


class Room:
    """Bounds what is in flight in this process: no queue, the one too many is told to come back."""

    def __init__(self, places: int) -> None:
        self._free = places

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place. Errors: Overloaded at once if there is none."""
        if self._free == 0:
            raise Overloaded("Too many answers are being worked on. Try again shortly.")
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1
