"""Who is calling: a bearer JWT, verified against a JWKS, becomes a Principal."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import anyio
import httpx
import jwt

from kit.errors import Unauthenticated, Unavailable
from kit.principal import Principal

ALGORITHMS = ["EdDSA", "ES256", "ES384", "RS256", "RS384", "RS512", "PS256"]
"""Asymmetric only: a key set is public, so an HMAC "signature" made with it proves nothing."""

CLOCK_SKEW_SECONDS = 30
REFRESH_SECONDS_MIN = 10
"""An unknown `kid` makes the key set be read again, at most this often."""
JWKS_AGE_SECONDS_MAX = 3600


class IdentityUnavailable(Unavailable):
    code = "identity_unavailable"


class TokenVerifier:
    """Verifies bearer tokens against the key set at `jwks_url` (file:// or https://).

    The key set is read on first use, again when a token names an unknown key, and when it is an hour old.
    """

    def __init__(self, *, jwks_url: str, issuer: str, audience: str, timeout_seconds: float = 5) -> None:
        self._jwks_url = jwks_url
        self._issuer = issuer
        self._audience = audience
        self._timeout_seconds = timeout_seconds
        self._keys: dict[str, Any] = {}
        self._read_at = -float("inf")

    async def verify(self, token: str) -> Principal:
        """Return the token's principal.

        Errors: Unauthenticated if the token does not hold; IdentityUnavailable if the keys cannot be read.
        """
        try:
            key = await self._key(jwt.get_unverified_header(token).get("kid", ""))
            claims = jwt.decode(
                token,
                key=key,
                algorithms=ALGORITHMS,
                audience=self._audience,
                issuer=self._issuer,
                leeway=CLOCK_SKEW_SECONDS,
                options={"require": ["exp", "iat", "sub", "iss", "aud"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("The token has expired. Get a new one (`slipway token USER`).") from error
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise Unauthenticated(
                "The token is not valid here. Get one with `slipway token USER`."
            ) from error
        return _principal(claims)

    async def _key(self, kid: str) -> Any:
        age = time.monotonic() - self._read_at
        if age > JWKS_AGE_SECONDS_MAX or (kid not in self._keys and age > REFRESH_SECONDS_MIN):
            self._keys = await self._read_keys()
            self._read_at = time.monotonic()
        if kid not in self._keys:
            raise Unauthenticated("The token is signed by a key that this service does not know.")
        return self._keys[kid]

    async def _read_keys(self) -> dict[str, Any]:
        try:
            document = json.loads(await self._read_jwks())
            return {
                key["kid"]: jwt.PyJWK(key).key for key in document["keys"] if key.get("use", "sig") == "sig"
            }
        except (OSError, httpx.HTTPError, ValueError, KeyError, jwt.PyJWTError) as error:
            raise IdentityUnavailable(f"The key set at {self._jwks_url} cannot be read.") from error

    async def _read_jwks(self) -> str:
        url = urlsplit(self._jwks_url)
        if url.scheme == "file":
            return await anyio.to_thread.run_sync(Path(unquote(url.path)).read_text)
        async with httpx.AsyncClient(timeout=self._timeout_seconds) as client:
            response = await client.get(self._jwks_url)
            return response.raise_for_status().text


def _principal(claims: dict[str, Any]) -> Principal:
    subject, tenant, groups = claims.get("sub"), claims.get("tenant"), claims.get("groups", [])
    if not (isinstance(subject, str) and subject and isinstance(tenant, str) and tenant):
        raise Unauthenticated("The token names no subject or no tenant.")
    if not (isinstance(groups, list) and all(isinstance(group, str) for group in groups)):
        raise Unauthenticated("The token's groups are not a list of names.")
    return Principal(subject=subject, tenant=tenant, groups=tuple(groups))
