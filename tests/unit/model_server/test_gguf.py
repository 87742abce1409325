"""Metadata of GGUF files."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from fixtures.gguf_files import gguf_bytes, write_gguf
from model_server.gguf import NotGguf, context_length, read_metadata


def test_scalars_are_read_and_arrays_skipped(tmp_path: Path) -> None:
    metadata = read_metadata(write_gguf(tmp_path / "model.gguf"))

    assert metadata == {
        "general.architecture": "llama",
        "llama.context_length": 2048,
        "tokenizer.chat_template": "{{ messages }}",
    }
    assert context_length(metadata) == 2048


def test_a_context_length_of_another_architecture_does_not_count() -> None:
    assert context_length({"general.architecture": "qwen2", "llama.context_length": 2048}) is None


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>not found</html>", id="a web page"),
        pytest.param(gguf_bytes()[:40], id="cut off in its metadata"),
        pytest.param(b"GGUF" + struct.pack("<IQQ", 1, 0, 0), id="version 1"),
        pytest.param(b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**60), id="a string of an exabyte"),
        pytest.param(
            b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<I", 99), id="no such type"
        ),
    ],
)
def test_what_is_no_gguf_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)

    with pytest.raises(NotGguf):
        read_metadata(path)
