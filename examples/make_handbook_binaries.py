# /// script
# requires-python = ">=3.11"
# dependencies = ["fpdf2==2.8.9", "python-docx==1.2.0"]
# ///
# mypy: disable-error-code="import-not-found, import-untyped, misc"
"""Write the handbook's PDF and DOCX files from `handbook-sources/`.

    uv run examples/make_handbook_binaries.py

A source is named after the file it becomes: `policies/code-of-conduct.pdf.md` is written to
`handbook/policies/code-of-conduct.pdf`. Sources use a small part of Markdown: headings (#, ##), paragraphs,
bullet and numbered lists, and tables. The same sources give the same bytes: dates and identifiers are fixed.
The libraries are named above and not in the project's lock, because only this script needs them.
"""

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from docx import Document
from fpdf import FPDF

HERE = Path(__file__).parent
SOURCES = HERE / "handbook-sources"
HANDBOOK = HERE / "handbook"
COMPANY = "Acme Instruments"
WRITTEN = datetime(2026, 4, 20, 9, 0, 0)  # noqa: DTZ001 - python-docx wants a naive UTC time
ZIP_TIME = (2026, 4, 20, 9, 0, 0)
LIST_ITEM = re.compile(r"(-|\d+\.) ")
TABLE_RULE = re.compile(r"[|\-]+")


@dataclass(frozen=True)
class Block:
    """One element of a page; `rows` is used by tables only, `text` by everything else."""

    kind: str  # "title", "heading", "paragraph", "bullet", "number" or "table"
    text: str = ""
    rows: tuple[tuple[str, ...], ...] = ()


def parse(source: str) -> Iterator[Block]:
    """Yield the blocks of a source, which are separated by blank lines."""
    for chunk in re.split(r"\n\s*\n", source.strip()):
        lines = chunk.splitlines()
        if chunk.startswith("## "):
            yield Block("heading", chunk[3:])
        elif chunk.startswith("# "):
            yield Block("title", chunk[2:])
        elif chunk.startswith("|"):
            rows = (line for line in lines if not TABLE_RULE.fullmatch(line))
            yield Block("table", rows=tuple(tuple(map(str.strip, row.strip("|").split("|"))) for row in rows))
        elif LIST_ITEM.match(chunk):
            for line in lines:
                marker, text = line.split(" ", 1)
                yield Block("bullet" if marker == "-" else "number", text)
        else:
            yield Block("paragraph", " ".join(lines))


def write_docx(blocks: list[Block], target: Path) -> None:
    """Write a Word document with real headings, lists and tables."""
    document = Document()
    styles = {"title": "Title", "heading": "Heading 1", "bullet": "List Bullet", "number": "List Number"}
    for block in blocks:
        if block.kind == "table":
            table = document.add_table(rows=0, cols=len(block.rows[0]), style="Light Grid Accent 1")
            for row in block.rows:
                for cell, text in zip(table.add_row().cells, row, strict=True):
                    cell.text = text
        else:
            document.add_paragraph(block.text, style=styles.get(block.kind, "Normal"))
    about = document.core_properties
    about.title, about.author, about.last_modified_by = blocks[0].text, COMPANY, COMPANY
    about.created = about.modified = WRITTEN
    buffer = io.BytesIO()
    document.save(buffer)
    target.write_bytes(without_timestamps(buffer))


def without_timestamps(archive: io.BytesIO) -> bytes:
    """Return the same zip archive with one fixed time for all members."""
    packed = io.BytesIO()
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            member = zipfile.ZipInfo(name, ZIP_TIME)
            member.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(member, old.read(name))
    return packed.getvalue()


class Pdf(FPDF):
    """A4 pages with a text layer in the standard fonts, a footer on each page and reproducible bytes."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.set_compression(False)
        self.set_creation_date(WRITTEN.replace(tzinfo=UTC))
        self.set_title(title)
        self.set_author(COMPANY)
        self.set_margin(24)
        self.set_auto_page_break(True, margin=24)
        self.add_page()

    def footer(self) -> None:
        self.set_y(-16)
        self.set_font("helvetica", size=8)
        self.cell(text=f"{COMPANY} - {self.title} - page {self.page_no()}")

    def write_text(self, text: str, *, size: float = 11, bold: bool = False, marker: str = "") -> None:
        """Write a paragraph of `size` points, indented behind its `marker` if it has one."""
        self.set_font("helvetica", style="B" if bold else "", size=size)
        if marker:
            self.cell(w=8, h=size / 2, text=marker)
        self.multi_cell(w=0, h=size / 2, text=text, align="L", new_x="LMARGIN", new_y="NEXT")
        self.ln(2)

    def write_table(self, rows: tuple[tuple[str, ...], ...]) -> None:
        """Write a table whose first row is repeated after a page break; its text shrinks until no cell wraps."""
        for size in (9.0, 8.5, 8.0, 7.5):
            self.set_font("helvetica", style="B", size=size)  # the heading is bold and so the widest
            widths = [max(map(self.get_string_width, column)) + 3 for column in zip(*rows, strict=True)]
            if sum(widths) <= self.epw:
                break
        else:
            raise ValueError(f"the table that starts with {rows[0]} is too wide for a page")
        self.set_font("helvetica", size=size)
        with self.table(rows, col_widths=widths, text_align="LEFT", width=sum(widths)):
            self.ln(1)
        self.ln(4)


def write_pdf(blocks: list[Block], target: Path) -> None:
    """Write a PDF document."""
    pdf = Pdf(blocks[0].text)
    number = 0
    for block in blocks:
        number = number + 1 if block.kind == "number" else 0
        if block.kind == "table":
            pdf.write_table(block.rows)
        elif block.kind in ("title", "heading"):
            pdf.write_text(block.text, size=18 if block.kind == "title" else 13, bold=True)
        else:
            pdf.write_text(block.text, marker={"bullet": "-", "number": f"{number}."}.get(block.kind, ""))
    pdf.output(str(target))


def main() -> None:
    """Write all documents and say which."""
    writers = {".docx": write_docx, ".pdf": write_pdf}
    for source in sorted(SOURCES.rglob("*.md")):
        target = HANDBOOK / source.relative_to(SOURCES).with_suffix("")
        target.parent.mkdir(parents=True, exist_ok=True)
        writers[target.suffix](list(parse(source.read_text(encoding="utf-8"))), target)
        print(target.relative_to(HERE.parent))


if __name__ == "__main__":
    main()
