# /// script
# requires-python = ">=3.11"
# dependencies = ["python-docx==1.2.0", "reportlab==5.1.0"]
# ///
# mypy: disable-error-code="import-not-found, import-untyped"
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
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from docx import Document
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.units import cm
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

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


def write_pdf(blocks: list[Block], target: Path) -> None:
    """Write an A4 document with a text layer in the standard fonts and a footer on each page."""
    title = blocks[0].text

    def footer(canvas: Any, page: Any) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.drawString(2.5 * cm, 1.4 * cm, f"{COMPANY} - {title} - page {page.page}")

    pdf = SimpleDocTemplate(
        str(target), pagesize=A4, title=title, author=COMPANY, invariant=1, pageCompression=0,
        leftMargin=2.5 * cm, rightMargin=2.5 * cm, topMargin=2.2 * cm, bottomMargin=2.4 * cm,
    )  # fmt: skip
    # The footer is drawn last, so that it comes last in the extracted text of a page.
    pdf.handle_pageEnd = draw_at_page_end(pdf, footer)
    pdf.build(list(flowables(blocks)))


def draw_at_page_end(pdf: Any, draw: Any) -> Any:
    """Return a page-end handler for `pdf` that calls `draw` before the page is closed."""
    close = pdf.handle_pageEnd

    def handler() -> None:
        draw(pdf.canv, pdf)
        close()

    return handler


def flowables(blocks: list[Block]) -> Iterator[Flowable]:
    """Yield the reportlab elements of a document."""
    style = getSampleStyleSheet()
    names = {"title": "Title", "heading": "Heading2", "paragraph": "BodyText"}
    number = 0
    for block in blocks:
        number = number + 1 if block.kind == "number" else 0
        if block.kind == "table":
            yield Spacer(1, 0.2 * cm)
            yield pdf_table(block.rows, style["BodyText"])
            yield Spacer(1, 0.3 * cm)
        elif block.kind in ("bullet", "number"):
            marker = f"{number}." if number else "\N{BULLET}"
            yield Paragraph(escape(block.text), style["BodyText"], bulletText=marker)
        else:
            yield Paragraph(escape(block.text), style[names[block.kind]])


def pdf_table(rows: tuple[tuple[str, ...], ...], style: Any) -> Table:
    """Return a table with a grid and a shaded first row, which is repeated after a page break."""
    width = (A4[0] - 5 * cm) / len(rows[0])
    cells = [[Paragraph(escape(text), style) for text in row] for row in rows]
    table = Table(cells, colWidths=[width] * len(rows[0]), repeatRows=1)
    table.setStyle(
        TableStyle(
            [
                ("GRID", (0, 0), (-1, -1), 0.5, colors.grey),
                ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ]
        )
    )
    return table


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
