"""Word documents. Paragraph styles make the outline, tables become rows."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from xml.etree import ElementTree

from ingest.adapters.readers.decoding import clean
from ingest.core.documents import Content, Parsed, Unreadable
from ingest.core.outline import Outline

UNPACKED_BYTES_MAX = 50 * 1024 * 1024
"""Of one part of the archive: a few kilobytes can unpack to gigabytes."""

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_OLE = b"\xd0\xcf\x11\xe0"
_HEADING = re.compile(r"heading ?(\d)$", re.IGNORECASE)


def read(content: Content) -> Parsed:
    if content.data.startswith(_OLE):
        raise Unreadable("it is encrypted, or an old .doc file: save it as .docx without a password")
    try:
        with zipfile.ZipFile(io.BytesIO(content.data)) as archive:
            body = _part(archive, "word/document.xml")
            styles = _part(archive, "word/styles.xml") if "word/styles.xml" in archive.namelist() else None
    except (
        zipfile.BadZipFile,
        KeyError,
        EOFError,
        OSError,
        RuntimeError,
        NotImplementedError,
        ValueError,
    ) as error:
        raise Unreadable(f"it is no intact Word document: {error}") from error
    return _outline(body, _levels(styles))


def _part(archive: zipfile.ZipFile, name: str) -> ElementTree.Element:
    if archive.getinfo(name).file_size > UNPACKED_BYTES_MAX:
        raise Unreadable(f"{name} unpacks to more than {UNPACKED_BYTES_MAX // 1024**2} MiB")
    data = archive.read(name)
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise Unreadable("its XML defines entities, which no Word document does")
    try:
        return ElementTree.fromstring(data)  # noqa: S314 - without entities and of limited size
    except ElementTree.ParseError as error:
        raise Unreadable(f"{name} is not valid XML: {error}") from error


def _levels(styles: ElementTree.Element | None) -> dict[str, int]:
    """Return style id → heading level. Ids are translated in some editions of Word, names are not."""
    levels = {"Title": 1}
    for style in styles.iter(f"{_W}style") if styles is not None else ():
        name = style.find(f"{_W}name")
        match = _HEADING.match(name.get(f"{_W}val", "")) if name is not None else None
        if match:
            # A document's title is above its first level.
            levels[style.get(f"{_W}styleId", "")] = int(match[1]) + 1
    return levels


def _outline(document: ElementTree.Element, levels: dict[str, int]) -> Parsed:
    outline = Outline()
    for block in _nearest(document, {f"{_W}p", f"{_W}tbl"}):
        if block.tag == f"{_W}tbl":
            rows = [
                [clean(_text(cell)) for cell in _nearest(row, {f"{_W}tc"})]
                for row in _nearest(block, {f"{_W}tr"})
            ]
            outline.table([row for row in rows if any(row)])
            continue
        style = block.find(f"{_W}pPr/{_W}pStyle")
        level = levels.get(style.get(f"{_W}val", "")) if style is not None else None
        text = clean(_text(block))
        if level:
            outline.heading(level, text)
        else:
            outline.paragraph(text)
    return outline.finish()


def _nearest(above: ElementTree.Element, tags: set[str]) -> Iterator[ElementTree.Element]:
    """Yield the elements with these tags in order, also those inside content controls, but none inside another."""
    waiting = list(reversed(above))
    while waiting:
        element = waiting.pop()
        if element.tag in tags:
            yield element
        else:
            waiting.extend(reversed(element))


def _text(element: ElementTree.Element) -> str:
    pieces = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}p": "\n"}
    parts = (node.text or "" if node.tag == f"{_W}t" else pieces.get(node.tag, "") for node in element.iter())
    return "".join(parts).strip()
