"""What a run did."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

STAGES = ("list", "read", "chunk", "embed", "write")


@dataclass(frozen=True, slots=True)
class Left:
    """A document that was not taken in, and why. `kept`: its former version stays in the index."""

    path: str
    reason: str
    kept: bool = False


@dataclass(slots=True)
class Report:
    """Numbers of documents, except where it says otherwise. Stages overlap: their seconds do not add up."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    moved: int = 0
    """Of the unchanged: those whose access list changed."""
    removed: int = 0
    failed: list[Left] = field(default_factory=list)
    skipped: list[Left] = field(default_factory=list)
    """Documents of a type that is not supported."""
    chunks: int = 0
    """Chunks of the added and changed documents."""
    embedded: int = 0
    """Texts that were sent to the embedding model."""
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    dry_run: bool = False

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Count the time of the block under a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return asdict(self)
