"""Reads the head of a GGUF file: its metadata, and where its tensors lie.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little-endian).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MAGIC = b"GGUF"
ENTRIES_MAX = 65_536
ALIGNMENT = 32
"""Of the tensors' data, where the file names no other."""
STRING_BYTES_MAX = 16 * 1024 * 1024
"""Real keys and values are far below; a corrupt length must not allocate gigabytes."""

Scalar = int | float | bool | str

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


class NotGguf(ValueError):
    """The file is not GGUF, or is damaged at its head."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One entry of the list of tensors."""

    kind: int
    """The number of its ggml type."""
    elements: int
    offset: int
    """Of its data, from where the data of all tensors begins."""
    info_at: int
    """Where in the file `kind` (4 bytes) and `offset` (8 bytes) stand."""


def read_metadata(path: Path) -> dict[str, Scalar]:
    """Return the file's scalar metadata by key; arrays (vocabularies, merges) are skipped.

    Errors: NotGguf; OSError if the file cannot be read.
    """
    with path.open("rb") as file:
        return _read_head(file)[0]


def read_tensors(file: BinaryIO) -> tuple[list[Tensor], int, int]:
    """Return the tensors of a file that is open at its start, in the order of their data, where in the file the data
    begins, and its alignment in bytes. The file is then at the data.

    Errors: NotGguf; OSError.
    """
    metadata, count = _read_head(file)
    try:
        tensors = sorted((_tensor(file) for _ in range(count)), key=lambda tensor: tensor.offset)
    except (struct.error, UnicodeDecodeError) as error:
        raise NotGguf(f"{file.name} is damaged: its tensors cannot be read.") from error
    alignment = int(metadata.get("general.alignment", ALIGNMENT))
    data_at = math.ceil(file.tell() / alignment) * alignment
    file.seek(data_at)
    return tensors, data_at, alignment


def context_length(metadata: dict[str, Scalar]) -> int | None:
    """Return the number of tokens that the model was trained with, if the file says so."""
    value = metadata.get(f"{metadata.get('general.architecture')}.context_length")
    return value if isinstance(value, int) else None


def _read_head(file: BinaryIO) -> tuple[dict[str, Scalar], int]:
    """Return the metadata and the number of tensors."""
    if file.read(4) != MAGIC:
        raise NotGguf(f"{file.name} is not a GGUF file.")
    try:
        version, tensors, entries = _unpack(file, "IQQ")
        if version not in {2, 3} or max(tensors, entries) > ENTRIES_MAX:
            raise NotGguf(f"{file.name} is GGUF version {version}; versions 2 and 3 are understood.")
        return _read_entries(file, entries), tensors
    except (struct.error, UnicodeDecodeError, KeyError) as error:
        raise NotGguf(f"{file.name} is damaged: its metadata cannot be read.") from error


def _tensor(file: BinaryIO) -> Tensor:
    _string(file)  # its name
    (dimensions,) = _unpack(file, "I")
    elements = math.prod(_unpack(file, f"{dimensions}Q"))
    info_at = file.tell()
    kind, offset = _unpack(file, "IQ")
    return Tensor(kind, elements, offset, info_at)


def _read_entries(file: BinaryIO, entries: int) -> dict[str, Scalar]:
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
