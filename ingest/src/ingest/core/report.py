"""What a run did."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

STAGES = ("list", "read", "chunk", "embed", "write", "total")


@dataclass(frozen=True, slots=True)
class Left:
    """A document that was not taken in, and why. `kept`: its former version stays in the index."""

    path: str
    reason: str
    kept: bool = False


class Stopwatch:
    """Measures for how long each stage was at work, however many of its tasks ran side by side. Any thread may."""

    def __init__(self) -> None:
        self._seconds = dict.fromkeys(STAGES, 0.0)
        self._running = dict.fromkeys(STAGES, 0)
        self._since = dict.fromkeys(STAGES, 0.0)
        self._lock = threading.Lock()

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by stage, of those tasks that have ended."""
        return dict(self._seconds)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Count the time of the block under a stage."""
        with self._lock:
            if not self._running[stage]:
                self._since[stage] = time.perf_counter()
            self._running[stage] += 1
        try:
            yield
        finally:
            with self._lock:
                self._running[stage] -= 1
                if not self._running[stage]:
                    self._seconds[stage] += time.perf_counter() - self._since[stage]


@dataclass(slots=True)
class Report:
    """Numbers of documents, except where it says otherwise."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    moved: int = 0
    """Documents that only got another access list; they are counted as unchanged or failed too."""
    removed: int = 0
    failed: list[Left] = field(default_factory=list)
    skipped: list[Left] = field(default_factory=list)
    """Documents of a type that is not supported."""
    chunks: int = 0
    """Chunks of the added and changed documents."""
    embedded: int = 0
    """Texts that were sent to the embedding model."""
    dry_run: bool = False
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    """For how long each stage was at work. Stages work side by side: they add up to more than the total."""

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return asdict(self)
