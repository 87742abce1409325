"""What a person sees of a run: a line of progress, then a table."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ingest.core.report import Left, Report

LEFT_SHOWN_MAX = 50


class LiveProgress:
    """Progress as one line on stderr; on a terminal it moves, in a log only notes appear."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stages: dict[str, str] = {}
        self._spinner = Spinner("dots")
        self._live = Live(self._spinner, console=console, transient=True, refresh_per_second=8)

    def __enter__(self) -> LiveProgress:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, stage: str, done: int, total: int) -> None:
        self._stages[stage] = f"{done:,}/{total:,} {stage}" if total else f"{done:,} {stage}"
        self._spinner.update(text=Text(" · ".join(self._stages.values())))

    def note(self, message: str) -> None:
        self._console.print(Text(message))


def print_report(report: Report, console: Console) -> None:
    """Print the closing table and, by name, what was left out and why."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    rows = {
        "added": report.added,
        "changed": report.changed,
        "unchanged": report.unchanged,
        "removed": report.removed,
        "failed": len(report.failed),
        "skipped": len(report.skipped),
        "chunks": report.chunks,
    }
    for name, number in rows.items():
        table.add_row(name, f"{number:,}")
    if report.moved:
        table.add_row("access changed", f"{report.moved:,}")
    table.add_row("seconds", " · ".join(f"{stage} {spent:.2f}" for stage, spent in report.seconds.items()))
    _print_left(console, "Failed", report.failed)
    _print_left(console, "Skipped", report.skipped)
    if report.dry_run:
        console.print(Text("Dry run: nothing was written."))
    console.print(table)


def _print_left(console: Console, title: str, left: Sequence[Left]) -> None:
    for each in left[:LEFT_SHOWN_MAX]:
        kept = " (its former version stays)" if each.kept else ""
        console.print(
            Text(f"{title}: {printable(each.path)}: {printable(each.reason)}{kept}"), soft_wrap=True
        )
    if len(left) > LEFT_SHOWN_MAX:
        console.print(Text(f"{title}: {len(left) - LEFT_SHOWN_MAX} more; --json names all"))


def printable(text: str) -> str:
    """Return the text on one line: a file's name may hold newlines and escape sequences."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
