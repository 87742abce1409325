"""Types of documents, by the names that files and web servers give them."""

from __future__ import annotations

TYPES = {
    "csv": "text/csv",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "htm": "text/html",
    "html": "text/html",
    "log": "text/plain",
    "markdown": "text/markdown",
    "md": "text/markdown",
    "pdf": "application/pdf",
    "rst": "text/plain",
    "text": "text/plain",
    "tsv": "text/tab-separated-values",
    "txt": "text/plain",
    "xhtml": "text/html",
}
UNKNOWN = "application/octet-stream"


def media_type(path: str) -> str:
    """Return the type that the end of a name tells, UNKNOWN if it tells none."""
    name = path.rsplit("/", 1)[-1].lower()
    return TYPES.get(name.rsplit(".", 1)[-1], UNKNOWN) if "." in name else UNKNOWN
