"""Downloads a GGUF file: resumed after a cut, checked, and never half there under its final name."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx

from model_server.gguf import MAGIC
from slipway.errors import SlipwayError
from slipway.models.choice import write_private
from slipway.models.huggingface import RemoteFile

ATTEMPTS_MAX = 5
"""Attempts in a row that bring nothing."""
TIMEOUT_SECONDS = 30
"""For connecting, and without a byte."""
DISK_RESERVE_BYTES = 512 * 1024 * 1024
"""Left free for everything else."""
WRITE_BYTES = 1024 * 1024

Progress = Callable[[int, int | None], None]
"""Told the bytes that are there and the bytes there will be."""


class Cut(Exception):
    """The connection broke; another attempt goes on from here."""


@dataclass
class _Transfer:
    """What is known of a download that has begun, and kept beside it."""

    part: Path
    etag: str = ""
    bytes_total: int | None = None

    def bytes_there(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def save(self) -> None:
        write_private(self._notes, json.dumps({"etag": self.etag, "bytes_total": self.bytes_total}))

    def load(self) -> None:
        """Take up what an earlier run left; without notes on what it was, it is worth nothing."""
        try:
            notes = json.loads(self._notes.read_text())
            self.etag, self.bytes_total = notes["etag"], notes["bytes_total"]
        except (OSError, ValueError, KeyError):
            self.restart()

    def restart(self) -> None:
        self.part.unlink(missing_ok=True)
        self.etag, self.bytes_total = "", None

    def remove(self) -> None:
        self.part.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)

    @property
    def _notes(self) -> Path:
        return self.part.with_suffix(".part.json")


def download(
    source: RemoteFile, folder: Path, *, bytes_max: int, progress: Progress = lambda *_: None
) -> Path:
    """Return the file of `source` under `folder`, downloaded unless it is there and its checksum holds.

    Errors: SlipwayError if the source refuses, is too large for `bytes_max` or the disk, is no GGUF, or has
    another checksum than it should. What has arrived is kept for another try unless it is wrong.
    """
    target = _target(source.url, folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _lock(target.parent):
        if target.exists():
            kept = checksum_kept(target)
            if sha256(target) == (source.sha256.lower() or kept):
                return target
            target.unlink()  # damaged, or another version of the file is wanted
        transfer = _Transfer(target.with_name(f"{target.name}.part"))
        transfer.load()
        _fetch_all(source, transfer, bytes_max, progress)
        _accept(source, transfer, target)
    return target


def checksum_kept(path: Path) -> str:
    """Return the SHA-256 that a downloaded file had when it came, empty if none was kept."""
    try:
        return str(json.loads(_record(path).read_text())["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def verify(path: Path) -> None:
    """Errors: SlipwayError if a downloaded file is no longer what came."""
    kept = checksum_kept(path)
    if kept and sha256(path) != kept:
        raise SlipwayError(f"{path} has changed since it was downloaded. Remove it and download it again.")


def sha256(path: Path) -> str:
    """Return the file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _target(url: str, folder: Path) -> Path:
    parts = urlsplit(url)
    # Without its query, which in a signed URL is another one each time.
    place = urlunsplit((parts.scheme, parts.hostname or "", parts.path, "", ""))
    name = unquote(parts.path).rpartition("/")[2]
    if not name.lower().endswith(".gguf") or name.startswith("."):
        raise SlipwayError(f"{place} does not end in the name of a GGUF file.")
    return folder / hashlib.sha256(place.encode()).hexdigest()[:8] / name


def _record(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SlipwayError("Another command is downloading this file. Wait for it to end.") from None
        yield


def _fetch_all(source: RemoteFile, transfer: _Transfer, bytes_max: int, progress: Progress) -> None:
    fruitless, most = 0, transfer.bytes_there()
    while fruitless < ATTEMPTS_MAX:
        try:
            return _fetch(source, transfer, bytes_max, progress)
        except (Cut, httpx.HTTPError) as error:
            # More than ever before: a source that lies about its length makes each attempt start again.
            fruitless = 0 if transfer.bytes_there() > most else fruitless + 1
            most = max(most, transfer.bytes_there())
            reason = str(error) or type(error).__name__
    if not most:
        raise SlipwayError(f"{source.shown} cannot be downloaded: {reason}")
    raise SlipwayError(
        f"{source.shown} keeps breaking off ({reason}). What has arrived is kept: run the command again to go on."
    )


def _fetch(source: RemoteFile, transfer: _Transfer, bytes_max: int, progress: Progress) -> None:
    there = transfer.bytes_there()
    if transfer.bytes_total is not None and there == transfer.bytes_total:
        return
    headers = dict(source.headers or {}) | {"accept-encoding": "identity"}
    if there:
        headers["range"] = f"bytes={there}-"
        if transfer.etag:
            headers["if-range"] = transfer.etag
    try:
        client = httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=True)
        with client, client.stream("GET", source.url, headers=headers) as response:
            _begin(response, source.shown, transfer)
            _check_room(transfer, bytes_max)
            _receive(response, transfer, bytes_max, progress)
    except httpx.InvalidURL as error:
        raise SlipwayError(f"{source.shown} is no URL: {error}") from error
    if transfer.bytes_total is not None and transfer.bytes_there() < transfer.bytes_total:
        raise Cut("the connection was closed early")


def _begin(response: httpx.Response, url: str, transfer: _Transfer) -> None:
    """Decide from the answer's head whether it goes on where the file ends, or begins anew."""
    there = transfer.bytes_there()
    if response.status_code == 206 and _continues(response, transfer):
        return
    if response.status_code in {206, 416}:  # another part than was asked for: the file is another one now
        transfer.restart()
        raise Cut("the file has changed at its source")
    if response.status_code >= 500 or response.status_code == 429:
        raise Cut(f"it answered {response.status_code}")
    if response.status_code != 200:
        raise SlipwayError(f"{url} answered {response.status_code}. Look at the address in a browser.")
    if there:
        transfer.restart()
    etag = response.headers.get("etag", "")
    transfer.etag = "" if etag.startswith("W/") else etag  # a weak one does not promise the same bytes
    length = response.headers.get("content-length", "")
    transfer.bytes_total = int(length) if length.isdigit() else None
    transfer.save()


def _continues(response: httpx.Response, transfer: _Transfer) -> bool:
    place, _, total = response.headers.get("content-range", "").removeprefix("bytes ").partition("/")
    start = place.partition("-")[0]
    same_total = transfer.bytes_total is None or total in {"*", str(transfer.bytes_total)}
    return start == str(transfer.bytes_there()) and same_total


def _check_room(transfer: _Transfer, bytes_max: int) -> None:
    if transfer.bytes_total is None:
        return
    if transfer.bytes_total > bytes_max:
        raise SlipwayError(
            f"The file has {_gigabytes(transfer.bytes_total)}, more than the limit of {_gigabytes(bytes_max)}. "
            "Raise it with --max-gb."
        )
    missing = transfer.bytes_total - transfer.bytes_there()
    free = shutil.disk_usage(transfer.part.parent).free
    if missing + DISK_RESERVE_BYTES > free:
        raise SlipwayError(
            f"The disk has {_gigabytes(free)} free; the file needs {_gigabytes(missing)} more and "
            f"{_gigabytes(DISK_RESERVE_BYTES)} must stay free. Make room, or set SLIPWAY_HOME to another disk."
        )


def _receive(response: httpx.Response, transfer: _Transfer, bytes_max: int, progress: Progress) -> None:
    there = transfer.bytes_there()
    try:
        with transfer.part.open("ab", buffering=WRITE_BYTES) as file:
            for data in response.iter_raw():
                if not there and not MAGIC.startswith(data[: len(MAGIC)]):
                    raise SlipwayError(
                        f"{transfer.part.stem} is not a GGUF file: the address gives something else."
                    )
                there += len(data)
                if there > bytes_max:
                    raise SlipwayError(f"The file is over the limit of {_gigabytes(bytes_max)} (--max-gb).")
                file.write(data)
                progress(there, transfer.bytes_total)
    except OSError as error:
        raise SlipwayError(f"{transfer.part} cannot be written: {error}") from error


def _accept(source: RemoteFile, transfer: _Transfer, target: Path) -> None:
    digest = sha256(transfer.part)
    if source.sha256 and digest != source.sha256.lower():
        transfer.remove()
        raise SlipwayError(
            f"{source.shown} has the SHA-256 {digest}, not {source.sha256}. It was changed on the way or at its "
            "source; nothing was kept."
        )
    write_private(_record(target), json.dumps({"sha256": digest, "bytes": transfer.bytes_there()}) + "\n")
    transfer.part.replace(target)
    transfer.remove()


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.2f} GB"
