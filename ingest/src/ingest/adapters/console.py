"""What a person sees of a run: bars of progress, then a table."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ingest.core.report import Left, Report

LEFT_SHOWN_MAX = 50


class LiveProgress:
    """Progress on stderr: bars with the time left on a terminal; in a log only notes appear."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal, refresh_per_second=8
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> LiveProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, stage: str, done: int, total: int) -> None:
        """Move a stage's bar; `total` 0 is for what is not known beforehand."""
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage)
        self._progress.update(self._tasks[stage], completed=done, total=total or None)

    def note(self, message: str) -> None:
        self._progress.console.print(Text(printable(message)), soft_wrap=True)


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
    _print_left(console, "Failed", report.failed)
    _print_left(console, "Skipped", report.skipped)
    if report.dry_run:
        console.print(Text("Dry run: nothing was written."))
    console.print(table)
    seconds = " · ".join(f"{stage} {spent:.2f}" for stage, spent in report.seconds.items())
    console.print(Text(f"seconds: {seconds}"), soft_wrap=True)


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
