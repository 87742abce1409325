"""Why a part cannot run, in words: what happened, where to look, what to change."""

from __future__ import annotations

import importlib.util
import platform
import signal
from pathlib import Path

from slipway.checks import NotReady, without_password
from slipway.errors import PartFailed
from slipway.logs import last_run, log_path
from slipway.parts import Part
from slipway.process import port_holder, port_is_taken

LOG_LINES_SHOWN = 15


def require_modules(part: Part) -> None:
    """Errors: PartFailed if a package that the part consists of is not installed."""
    for module in (*part.modules, *part.weights):
        if importlib.util.find_spec(module) is None:
            raise PartFailed(
                f"{part.name} needs the package {module.replace('_', '-')}, which is not installed. Run `uv sync`. If"
                f" there is no build of it for {platform.system()} {platform.machine()} and Python"
                f" {platform.python_version()}, run {part.name} elsewhere and set {part.provides}."
            )


def require_port(part: Part, port: int) -> None:
    """Errors: PartFailed if something else listens on the part's port."""
    if port and port_is_taken(port):
        raise PartFailed(
            f"{part.name} cannot start: port {port} is taken by {port_holder(port)}."
            f" Stop that process, or set {part.port_variable} to a free port."
        )


def died(part: Part, home: Path, code: int) -> PartFailed:
    """Describe a part that ended by itself. `code` is negative for a signal, as in `subprocess`."""
    how = f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
    return PartFailed(f"{part.name} {how}.{_log_excerpt(part, home)}")


def too_slow(part: Part, home: Path, reason: str) -> PartFailed:
    """Describe a part that runs but did not become ready."""
    return PartFailed(
        f"{part.name} was not ready after {part.start_seconds_max:.0f} s ({reason}).{_log_excerpt(part, home)}"
    )


def unreachable(part: Part, url: str, error: NotReady) -> PartFailed:
    """Describe a part that is said to be elsewhere and is not."""
    return PartFailed(
        f"{part.name} does not answer at {without_password(url)} ({error}). {part.provides} says that it is there:"
        f" start it, or unset the variable to have {part.name} started here."
    )


def _log_excerpt(part: Part, home: Path) -> str:
    path = log_path(home, part.name)
    lines = last_run(path, LOG_LINES_SHOWN) or ["(nothing)"]
    return "".join(
        ["\nThe end of its log:\n", *(f"    {line}\n" for line in lines), f"The whole log: {path}"]
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
