"""Draws docs/demo.svg: what `slipway demo` prints in a terminal. Run it by `make demo-picture` while Slipway runs."""

from __future__ import annotations

import io
import os
import pty
import re
import sys
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

PATH = Path(__file__).with_name("demo.svg")
COLUMNS = 110
LINES_SHOWN_MAX = 60
# Pictures in a README load nothing, so a font from a CDN would never come.
FORMAT = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def main() -> int:
    os.environ |= {"COLUMNS": str(COLUMNS), "LINES": str(LINES_SHOWN_MAX), "TERM": "xterm-256color"}
    os.environ["COLORTERM"] = "truecolor"
    output = bytearray()

    def keep(descriptor: int) -> bytes:
        data = os.read(descriptor, 65_536)
        output.extend(data)
        return data

    status = pty.spawn([sys.executable, "-P", "-m", "slipway", "demo"], keep)
    if status:
        return os.waitstatus_to_exitcode(status)
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    for line in _settled(output.decode()):
        console.print(Text.from_ansi(line))
    PATH.write_text(console.export_svg(title="make demo", code_format=FORMAT))
    return 0


def _settled(output: str) -> list[str]:
    """Return the lines that a terminal shows in the end: what was drawn over and erased is left out."""
    lines: list[str] = [""]
    row = 0
    for piece in re.findall(r"\r\n|\n|\r|\x1b\[\d*[A-KJ]|\x1b\[\?\d+[hl]|\x1b\[[\d;]*m|[^\r\n\x1b]+", output):
        if piece in {"\r\n", "\n"}:
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif up := re.fullmatch(r"\x1b\[(\d*)A", piece):
            row = max(0, row - int(up[1] or 1))
        elif piece in {"\x1b[2K", "\x1b[K"}:
            lines[row] = ""
        elif piece == "\r" or piece.startswith("\x1b[?"):
            continue
        else:
            lines[row] += piece
    return [line.rstrip() for line in lines]


if __name__ == "__main__":
    raise SystemExit(main())
