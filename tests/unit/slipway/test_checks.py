from __future__ import annotations

import pytest

from slipway.checks import NotReady, check, without_password


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:secret@db.test:5432/app?sslmode=require", "postgresql://me@db.test:5432/app"),
        ("redis://:secret@cache.test/0", "redis://cache.test/0"),
        ("https://models.test/v1?key=secret", "https://models.test/v1"),
    ],
)
def test_no_secret_of_a_url_is_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown


async def test_a_url_of_another_kind_is_refused() -> None:
    with pytest.raises(NotReady, match="'mysql'"):
        await check("mysql://db.test/app")
