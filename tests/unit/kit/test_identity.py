from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from kit.errors import Unauthenticated
from kit.identity import IdentityUnavailable, TokenVerifier
from kit.principal import Principal

ISSUER, AUDIENCE = "https://issuer.test", "slipway"
KEY = Ed25519PrivateKey.generate()


@pytest.fixture
def jwks(tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    write_keys(path, {"one": KEY})
    return path


def write_keys(path: Path, keys: dict[str, Ed25519PrivateKey]) -> None:
    public = [
        {**OKPAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "alg": "EdDSA"}
        for kid, key in keys.items()
    ]
    path.write_text(json.dumps({"keys": public}))


def verifier(jwks: Path) -> TokenVerifier:
    return TokenVerifier(jwks_url=jwks.as_uri(), issuer=ISSUER, audience=AUDIENCE)


def token(key: Any = KEY, kid: str = "one", algorithm: str = "EdDSA", **changes: Any) -> str:
    now = int(time.time())
    claims: dict[str, Any] = {
        "sub": "alice",
        "tenant": "acme",
        "groups": ["engineering"],
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + 60,
    }
    claims |= changes
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm, headers={"kid": kid})


async def test_a_good_token_names_its_principal(jwks: Path) -> None:
    principal = await verifier(jwks).verify(token())
    assert principal == Principal("alice", "acme", ("engineering",))
    assert principal.access_entries == ["tenant", "group:engineering", "user:alice"]


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1_700_000_000},  # in 2023
        {"exp": None},
        {"iss": "https://elsewhere.test"},
        {"aud": "another-service"},
        {"sub": None},
        {"sub": ""},
        {"tenant": None},
        {"tenant": ""},
        {"tenant": ["acme"]},
        {"groups": "engineering"},
        {"groups": [1]},
    ],
    ids=str,
)
async def test_a_token_with_a_wrong_claim_is_refused(jwks: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        await verifier(jwks).verify(token(**changes))


async def test_a_token_signed_by_another_key_is_refused(jwks: Path) -> None:
    with pytest.raises(Unauthenticated):
        await verifier(jwks).verify(token(Ed25519PrivateKey.generate()))


async def test_an_unsigned_token_is_refused(jwks: Path) -> None:
    with pytest.raises(Unauthenticated):
        await verifier(jwks).verify(token("", algorithm="none"))


async def test_the_public_key_does_not_serve_as_an_hmac_secret(jwks: Path) -> None:
    public = KEY.public_key().public_bytes_raw().hex()
    with pytest.raises(Unauthenticated):
        await verifier(jwks).verify(token(public, algorithm="HS256"))


@pytest.mark.parametrize("garbage", ["", "x", "a.b.c", "ÿ.ÿ.ÿ", "a" * 5000])
async def test_garbage_is_refused(jwks: Path, garbage: str) -> None:
    with pytest.raises(Unauthenticated):
        await verifier(jwks).verify(garbage)


async def test_a_rotated_key_is_found_without_a_restart(jwks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = verifier(jwks)
    await service.verify(token())
    new = Ed25519PrivateKey.generate()
    write_keys(jwks, {"one": KEY, "two": new})
    with pytest.raises(Unauthenticated):  # read a moment ago: not again at once, whoever asks
        await service.verify(token(new, kid="two"))
    monkeypatch.setattr("kit.identity.REFRESH_SECONDS_MIN", 0)
    assert (await service.verify(token(new, kid="two"))).subject == "alice"


async def test_an_unreadable_key_set_is_an_outage_not_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(IdentityUnavailable):
        await verifier(tmp_path / "missing.json").verify(token())
