"""Finds a GGUF file on Hugging Face, or on whatever HF_ENDPOINT names. HF_TOKEN opens gated repositories.

API: https://huggingface.co/docs/hub/api (GET /api/models/{repo}?blobs=true lists files with size and SHA-256).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import httpx

from slipway.errors import SlipwayError
from slipway.models.names import HuggingFace

ENDPOINT = "https://huggingface.co"
TIMEOUT_SECONDS = 30
NAMES_SHOWN = 20
_PART_OF_MANY = re.compile(r"-\d{5}-of-\d{5}\.gguf$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file to download."""

    url: str
    sha256: str = ""
    """Empty if nobody said."""
    headers: Mapping[str, str] | None = None

    @property
    def shown(self) -> str:
        """The URL without its query and user, which may be a signature and a password."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def resolve(name: HuggingFace, variables: Mapping[str, str]) -> RemoteFile:
    """Return the file that a name stands for.

    Errors: SlipwayError if it is not there, not allowed, ambiguous, or one part of many.
    """
    endpoint = (variables.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")
    token = variables.get("HF_TOKEN")
    headers = {"authorization": f"Bearer {token}"} if token else {}
    files = _gguf_files(f"{endpoint}/api/models/{name.repo}", headers)
    found = _select(name, sorted(files))
    if _PART_OF_MANY.search(found):
        raise SlipwayError(f"{found} is one part of many. Choose a quantisation that is a single file.")
    sha256 = (files[found].get("lfs") or {}).get("sha256", "")
    return RemoteFile(f"{endpoint}/{name.repo}/resolve/main/{quote(found)}", sha256, headers)


def _gguf_files(url: str, headers: dict[str, str]) -> dict[str, dict[str, Any]]:
    try:
        response = httpx.get(
            url, params={"blobs": "true"}, headers=headers, timeout=TIMEOUT_SECONDS, follow_redirects=True
        )
        response.raise_for_status()
        files = {file["rfilename"]: file for file in response.json()["siblings"]}
    except httpx.HTTPStatusError as error:
        raise SlipwayError(_refusal(error.response.status_code, url)) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SlipwayError(f"Hugging Face cannot be reached at {url}: {error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise SlipwayError(f"{url} did not answer as Hugging Face does.") from error
    return {name: file for name, file in files.items() if name.lower().endswith(".gguf")}


def _refusal(status: int, url: str) -> str:
    if status in {401, 403, 404}:
        return (
            f"{url} answered {status}: there is no such repository, or it is private or gated. "
            "For a gated one accept its terms on the site and set HF_TOKEN."
        )
    return f"{url} answered {status}. Try again later."


def _select(name: HuggingFace, files: list[str]) -> str:
    if name.file:
        found = [file for file in files if file == name.file]
    else:
        # Q4_K_M must not find Q4_K_M_L: the quantisation is a whole word of the file's name.
        word = re.compile(rf"(?<![A-Za-z0-9_]){re.escape(name.quantisation)}(?![A-Za-z0-9_])", re.IGNORECASE)
        found = [file for file in files if word.search(file)]
    if len(found) == 1:
        return found[0]
    problem = "has no such GGUF file" if not found else "has several such files"
    shown = "\n  ".join((found or files)[:NAMES_SHOWN]) or "none"
    raise SlipwayError(f"{name.repo} {problem}. Name one as hf:{name.repo}/FILE:\n  {shown}")
