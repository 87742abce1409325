"""CSV and TSV. Each row becomes a line that is understandable alone: "band: L1; site: Porto; …"."""

from __future__ import annotations

import csv
import io

from ingest.adapters.readers.decoding import decode
from ingest.core.documents import Content, Parsed, Unreadable
from ingest.core.outline import Outline

CELL_CHARACTERS_MAX = 1_000_000


def read(content: Content) -> Parsed:
    text = decode(content)
    head = text[:10_000].split("\n", 1)[0]
    delimiter = max("\t,;|", key=head.count)
    csv.field_size_limit(CELL_CHARACTERS_MAX)
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(row)]
    except csv.Error as error:
        raise Unreadable(f"it is no valid CSV: {error}") from error
    outline = Outline()
    outline.table(rows)
    return outline.finish()
