"""How many threads are worth using."""

from __future__ import annotations

import os
from pathlib import Path

CPU_ROOT = Path("/sys/devices/system/cpu")
CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def physical_cores(root: Path = CPU_ROOT, quota: Path = CGROUP_QUOTA) -> int:
    """Return the physical cores that this process may use, by its affinity and its container's CPU limit.

    Matrix multiplication saturates a core's vector unit, so a second thread on the same core slows both.
    """
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        siblings = {
            _read(root / f"cpu{cpu}/topology/thread_siblings_list") for cpu in os.sched_getaffinity(0)
        }
        cores = len(os.sched_getaffinity(0)) if "" in siblings else len(siblings)
    limit, _, period = _read(quota).partition(" ")
    if limit.isdigit() and period.isdigit():
        cores = min(cores, max(1, int(limit) // int(period)))
    return cores


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
