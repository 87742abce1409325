"""A process takes on so much and no more."""

from __future__ import annotations

import pytest

from kit.errors import Overloaded
from rag_api.core.limits import Room


async def test_one_too_many_is_refused_at_once_and_a_place_is_given_back_even_after_a_failure() -> None:
    room = Room(1)

    async def fail_inside() -> None:
        async with room.place():
            with pytest.raises(Overloaded):
                await room.place().__aenter__()
            raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await fail_inside()
