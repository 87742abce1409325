"""Reads the metadata at the head of a GGUF file.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little-endian).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

MAGIC = b"GGUF"
ENTRIES_MAX = 65_536
STRING_BYTES_MAX = 16 * 1024 * 1024
"""Real keys and values are far below; a corrupt length must not allocate gigabytes."""

Scalar = int | float | bool | str

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


class NotGguf(ValueError):
    """The file is not GGUF, or is damaged at its head."""


def read_metadata(path: Path) -> dict[str, Scalar]:
    """Return the file's scalar metadata by key; arrays (vocabularies, merges) are skipped.

    Errors: NotGguf; OSError if the file cannot be read.
    """
    with path.open("rb") as file:
        if file.read(4) != MAGIC:
            raise NotGguf(f"{path} is not a GGUF file.")
        try:
            return _read_entries(file)
        except (struct.error, UnicodeDecodeError, KeyError) as error:
            raise NotGguf(f"{path} is damaged: its metadata cannot be read.") from error


def context_length(metadata: dict[str, Scalar]) -> int | None:
    """Return the number of tokens that the model was trained with, if the file says so."""
    value = metadata.get(f"{metadata.get('general.architecture')}.context_length")
    return value if isinstance(value, int) else None


def _read_entries(file: BinaryIO) -> dict[str, Scalar]:
    version, _tensors, entries = _unpack(file, "IQQ")
    if version not in {2, 3} or entries > ENTRIES_MAX:
        raise NotGguf(f"{file.name} is GGUF version {version}; versions 2 and 3 are understood.")
    metadata = {}
    for _ in range(entries):
        key = _string(file)
        value = _value(file, _unpack(file, "I")[0])
        if value is not None:
            metadata[key] = value
    return metadata


def _value(file: BinaryIO, kind: int) -> Scalar | None:
    if kind == _STRING:
        return _string(file)
    if kind == _ARRAY:
        _skip_array(file)
        return None
    value: Scalar = _unpack(file, _SCALARS[kind])[0]
    return value


def _skip_array(file: BinaryIO) -> None:
    kind, length = _unpack(file, "IQ")
    if kind == _STRING:
        for _ in range(length):
            file.seek(_unpack(file, "Q")[0], 1)
    else:
        file.seek(struct.calcsize(_SCALARS[kind]) * length, 1)


def _string(file: BinaryIO) -> str:
    (length,) = _unpack(file, "Q")
    if length > STRING_BYTES_MAX:
        raise NotGguf(f"{file.name} is damaged: a string of {length} bytes.")
    return file.read(length).decode()


def _unpack(file: BinaryIO, layout: str) -> tuple[int, ...]:
    layout = f"<{layout}"
    return struct.unpack(layout, file.read(struct.calcsize(layout)))
