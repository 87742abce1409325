"""The development issuer: its key pair, its users, and the tokens that it signs.

In a cluster an OIDC issuer takes its place; the services cannot tell the difference.
"""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

from slipway.config import Config, write_once
from slipway.errors import SlipwayError

USERS: dict[str, dict[str, Any]] = {
    "alice": {"tenant": "acme", "groups": ["engineering"]},
    "bob": {"tenant": "acme", "groups": ["finance"]},
    "eve": {"tenant": "globex", "groups": []},
}
"""Who exists on a laptop."""

ISSUER = "https://slipway.local"
AUDIENCE = "slipway"


def issue_token(config: Config, user: str, ttl_minutes: float = 60) -> str:
    """Return a signed JWT for a development user.

    Errors: SlipwayError if there is no such user, or if the services trust another issuer.
    """
    import jwt

    if user not in USERS:
        raise SlipwayError(f"There is no development user {user!r}. There are {', '.join(USERS)}.")
    own = key_set(config.home).as_uri()
    if config.get("AUTH_JWKS_URL", own) != own:
        raise SlipwayError("AUTH_JWKS_URL names another issuer. Get the token there, or unset the variable.")
    now = int(time.time())
    claims = {
        "sub": user,
        **USERS[user],
        "iss": config.get("AUTH_ISSUER", ISSUER),
        "aud": config.get("AUTH_AUDIENCE", AUDIENCE),
        "iat": now,
        "exp": now + int(ttl_minutes * 60),
    }
    pem = _private_key(config.home)
    return jwt.encode(claims, pem, algorithm="EdDSA", headers={"kid": _public_key(pem)["kid"]})


def key_set(home: Path) -> Path:
    """Return the file with the issuer's public keys (JWKS), made on first use."""
    path = home / "identity" / "jwks.json"
    if not path.exists():
        write_once(path, json.dumps({"keys": [_public_key(_private_key(home))]}, indent=1).encode())
    return path


def _private_key(home: Path) -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    path = home / "identity" / "key.pem"
    if path.exists():
        return path.read_bytes()
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return write_once(path, pem)


def _public_key(pem: bytes) -> dict[str, Any]:
    """Return the public key as a JWK; its `kid` is the beginning of its hash."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from jwt.algorithms import OKPAlgorithm

    private = load_pem_private_key(pem, password=None)
    if not isinstance(private, Ed25519PrivateKey):
        raise SlipwayError(
            "The key in identity/key.pem is not Ed25519. Remove the folder: a new key is made."
        )
    key = OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
    kid = hashlib.sha256(key["x"].encode()).hexdigest()[:16]
    return {**key, "kid": kid, "alg": "EdDSA", "use": "sig"}
