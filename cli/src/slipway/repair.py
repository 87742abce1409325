"""What a killed supervisor left behind."""

from __future__ import annotations

import signal
from pathlib import Path

from slipway.parts import PARTS
from slipway.state import read_state, write_state


def stop_orphans(home: Path) -> list[str]:
    """Stop the parts that still run although their supervisor is gone; return their names.

    Only processes that the supervisor recorded are touched, and only while their start time is the recorded one.
    The caller holds the supervisor's lock.
    """
    state = read_state(home)
    if state is None:
        return []
    stopped = []
    signals = {part.name: part.stop_signal for part in PARTS}
    for name, part in reversed(state.parts.items()):
        if part.process and part.process.is_alive():
            part.process.stop(signals.get(name, signal.SIGTERM), timeout_seconds=5)
            stopped.append(name)
        part.process, part.status = None, "stopped"
    if state.phase not in ("failed", "stopped"):
        state.phase = "stopped"
    write_state(home, state)
    return stopped
