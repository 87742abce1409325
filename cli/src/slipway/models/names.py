"""How a model is named on the command line.

bundled                         the small model that comes with Slipway
./model.gguf                    a file
https://host/model.gguf         a file to download
hf:org/repo/file.gguf           a file on Hugging Face
org/repo:Q4_K_M                 the file of that quantisation in a repository on Hugging Face
ollama:NAME                     a model of a running Ollama
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from slipway.errors import SlipwayError

_REPO = r"[\w.-]+/[\w.-]+"
_HF_FILE = re.compile(rf"hf:({_REPO})/(.+\.gguf)", re.IGNORECASE)
_HF_QUANT = re.compile(rf"(?:hf:)?({_REPO}):([\w-]+)")


@dataclass(frozen=True, slots=True)
class Bundled:
    """The model that comes with Slipway."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    path: Path


@dataclass(frozen=True, slots=True)
class Url:
    url: str


@dataclass(frozen=True, slots=True)
class HuggingFace:
    """Either a file of the repository, or a quantisation to find the file by."""

    repo: str
    file: str = ""
    quantisation: str = ""


@dataclass(frozen=True, slots=True)
class Ollama:
    model: str


Name = Bundled | LocalFile | Url | HuggingFace | Ollama


def parse(text: str) -> Name:
    """Return what a name stands for. Errors: SlipwayError, which lists the forms."""
    if text == "bundled":
        return Bundled()
    if text.startswith(("http://", "https://")):
        return Url(text)
    if text.startswith("ollama:") and text != "ollama:":
        return Ollama(text.removeprefix("ollama:"))
    if match := _HF_FILE.fullmatch(text):
        return HuggingFace(match[1], file=match[2])
    path = Path(text).expanduser()
    if path.is_file():
        return LocalFile(path.resolve())
    if match := _HF_QUANT.fullmatch(text):
        return HuggingFace(match[1], quantisation=match[2])
    if text.lower().endswith(".gguf"):
        raise SlipwayError(f"There is no file {path}.")
    raise SlipwayError(f"{text!r} names no model. The forms are:\n{_forms()}")


def _forms() -> str:
    return (__doc__ or "").partition("\n\n")[2].rstrip()
