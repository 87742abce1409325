"""Shows how a start or a stop goes: a line for each part, and on a terminal what is under way."""

from __future__ import annotations

from rich.console import Console
from rich.status import Status as Spinner

from slipway import parts as table
from slipway.checks import without_password
from slipway.config import Config
from slipway.parts import Part
from slipway.state import PartState, State

MARKS = {"ready": "[green]✓[/]", "failed": "[red]✗[/]", "restarting": "[yellow]↻[/]", "stopped": "[dim]■[/]"}


class Display:
    """Prints what changed since the last state: `seen` is what is known already, `when_ready` a closing line."""

    def __init__(
        self, config: Config, console: Console, *, seen: State | None = None, when_ready: str = ""
    ) -> None:
        self._config = config
        self._console = console
        self._shown = (
            {name: (part.status, part.restarts) for name, part in seen.parts.items()} if seen else {}
        )
        self._when_ready = when_ready
        self._spinner: Spinner | None = None

    def update(self, state: State) -> None:
        for name, part in state.parts.items():
            key = (part.status, part.restarts)
            if part.status in MARKS and self._shown.get(name) != key:
                self._console.print(
                    f"{MARKS[part.status]} {name:<12} {self._describe(name, part)}", soft_wrap=True
                )
            self._shown[name] = key
        if state.phase == "ready" and self._when_ready:
            self._console.print(self._when_ready)
            self._when_ready = ""
        self._show_awaited(
            [name for name, part in state.parts.items() if part.status in ("starting", "stopping")]
        )

    def close(self) -> None:
        """Take the line off the terminal that tells what is under way."""
        if self._spinner:
            self._spinner.stop()
            self._spinner = None

    def _describe(self, name: str, part: PartState) -> str:
        if part.status != "ready":
            return part.status
        entry = table.part(name)
        return f"{'done' if entry.once else 'ready':<5} in {part.seconds:4.1f} s  [dim]{where(entry, self._config)}[/]"

    def _show_awaited(self, names: list[str]) -> None:
        if not names or not self._console.is_terminal:
            self.close()
        elif self._spinner:
            self._spinner.update(f"waiting for {', '.join(names)}")
        else:
            self._spinner = self._console.status(f"waiting for {', '.join(names)}")
            self._spinner.start()


def where(part: Part, config: Config) -> str:
    """Say where a part is to be found; empty if it listens nowhere."""
    if table.is_external(part, config):
        return f"{without_password(table.url(part, config))} (from {part.provides})"
    port = table.port(part, config)
    return f"127.0.0.1:{port}" if port else ""
