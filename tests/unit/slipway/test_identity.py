from __future__ import annotations

import json
from pathlib import Path

import pytest

from kit.errors import Unauthenticated
from kit.identity import TokenVerifier
from kit.principal import Principal
from slipway.config import Config
from slipway.errors import SlipwayError
from slipway.identity import AUDIENCE, ISSUER, issue_token, key_set


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(tmp_path, tmp_path, {})


def verifier(config: Config, audience: str = AUDIENCE) -> TokenVerifier:
    return TokenVerifier(jwks_url=key_set(config.home).as_uri(), issuer=ISSUER, audience=audience)


@pytest.mark.parametrize(
    "principal",
    [
        Principal("alice", "acme", ("engineering",)),
        Principal("bob", "acme", ("finance",)),
        Principal("eve", "globex"),
    ],
)
async def test_a_service_accepts_the_token_of_a_development_user(
    config: Config, principal: Principal
) -> None:
    assert await verifier(config).verify(issue_token(config, principal.subject)) == principal


async def test_a_token_ends(config: Config) -> None:
    with pytest.raises(Unauthenticated, match="expired"):
        await verifier(config).verify(issue_token(config, "alice", ttl_minutes=-5))


async def test_a_token_of_another_checkout_does_not_hold(config: Config, tmp_path: Path) -> None:
    other = Config(tmp_path, tmp_path / "other", {})
    with pytest.raises(Unauthenticated):
        await verifier(config).verify(issue_token(other, "alice"))


def test_an_unknown_user_is_answered_with_the_known_ones(config: Config) -> None:
    with pytest.raises(SlipwayError, match=r"'mallory'.*alice, bob, eve"):
        issue_token(config, "mallory")


def test_no_token_is_made_for_services_that_trust_another_issuer(tmp_path: Path) -> None:
    config = Config(tmp_path, tmp_path, {"AUTH_JWKS_URL": "https://idp.test/keys"})
    with pytest.raises(SlipwayError, match="AUTH_JWKS_URL"):
        issue_token(config, "alice")


def test_the_private_key_is_for_its_owner_only_and_stays_out_of_the_key_set(config: Config) -> None:
    keys = json.loads(key_set(config.home).read_text())["keys"]
    assert (config.home / "identity" / "key.pem").stat().st_mode & 0o777 == 0o600
    assert [key["kty"] for key in keys] == ["OKP"]
    assert all("d" not in key and key["kid"] for key in keys)
