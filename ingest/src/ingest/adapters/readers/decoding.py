"""From bytes to characters that Postgres takes."""

from __future__ import annotations

import codecs
import re

from ingest.core.documents import Content, Unreadable

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FORBIDDEN = re.compile("[\x00\ud800-\udfff]")


def decode(content: Content, declared: str = "") -> str:
    """Return the text with \\n at the ends of lines. The encoding is that of a byte order mark, else the one that
    the source or the document declares, else UTF-8; nothing is guessed, so nothing is garbled.

    Errors: Unreadable, with the offset of the first byte that does not fit.
    """
    marked = next((name for mark, name in _BYTE_ORDER_MARKS if content.data.startswith(mark)), "")
    encoding = marked or content.charset or declared or "utf-8"
    try:
        text = content.data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(f"byte {error.start} is not valid {encoding.upper()}") from error
    except UnicodeError as error:
        raise Unreadable(f"it is not valid {encoding.upper()}: {error}") from error
    except LookupError as error:
        raise Unreadable(f"its encoding {encoding!r} is unknown") from error
    if "\0" in text:
        raise Unreadable(f"it is no text: there is a NUL character at offset {text.index(chr(0))}")
    return clean(text).replace("\r\n", "\n").replace("\r", "\n")


def clean(text: str) -> str:
    """Replace what Postgres refuses: NUL, and halves of characters as broken PDFs yield them."""
    return _FORBIDDEN.sub("\ufffd", text)
