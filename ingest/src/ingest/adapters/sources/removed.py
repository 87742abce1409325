"""What is left of a source that is to be taken out of the index: its name."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.core.documents import Content, Gone, Item


class RemovedSource:
    """Source that holds nothing. The real one need not exist any more."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def list(self) -> Sequence[Item]:
        return []

    async def access_rules(self) -> str | None:
        return None

    async def read(self, item: Item, fingerprint: str) -> Content | None:
        raise Gone("its source was removed")

    async def aclose(self) -> None:
        pass
