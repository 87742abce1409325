"""Request limits in Valkey (or Redis)."""

from __future__ import annotations

import hashlib
import json
import math

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from kit.errors import Unavailable
from kit.principal import Principal
from rag_api.core.limits import TooManyRequests

WINDOW_SECONDS = 60

# Counting and setting the end of the window are one step: no crash leaves a count that never ends.
_COUNT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('PTTL', KEYS[1])}
"""


class RedisUnavailable(Unavailable):
    code = "redis_unavailable"


class ValkeyLimiter:
    """Allows each principal a number of requests in a window of a minute that its first request opens."""

    def __init__(self, url: str, *, requests_per_minute: int, timeout_seconds: float) -> None:
        self._requests_max = requests_per_minute
        # One retry: a connection of the pool that died with the last server is replaced without an error.
        self._redis = Redis.from_url(
            url,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            retry=Retry(NoBackoff(), 1),
        )
        self._count = self._redis.register_script(_COUNT)

    async def admit(self, principal: Principal) -> None:
        """Count one request. Errors: TooManyRequests, RedisUnavailable."""
        try:
            count, left_ms = await self._count(keys=[_key(principal)], args=[WINDOW_SECONDS * 1000])
        except (RedisError, OSError, TimeoutError) as error:
            raise RedisUnavailable(
                "The request counter (Valkey) does not answer. Try again shortly."
            ) from error
        if count > self._requests_max:
            raise TooManyRequests(
                f"More than {self._requests_max} requests in a minute.",
                retry_after_seconds=max(1, math.ceil(left_ms / 1000)),
            )

    async def ping(self) -> None:
        """Return if Valkey answers. Errors: RedisUnavailable."""
        try:
            await self._redis.ping()
        except (RedisError, OSError, TimeoutError) as error:
            raise RedisUnavailable("Valkey does not answer.") from error

    async def aclose(self) -> None:
        await self._redis.aclose()


def _key(principal: Principal) -> str:
    # A digest, because names may hold any character and may be long.
    name = json.dumps([principal.tenant, principal.subject]).encode()
    return f"rag-api:requests:{hashlib.sha256(name).hexdigest()}"
