"""A folder and what is below it. Hidden files and folders are left out."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from ingest.core import access
from ingest.core.documents import BrokenAccessRules, Content, Gone, Item, SourceUnreadable, Unreadable
from ingest.core.media import media_type

_KINDS = (
    (stat.S_ISFIFO, "it is a named pipe"),
    (stat.S_ISSOCK, "it is a socket"),
    (stat.S_ISCHR, "it is a device"),
    (stat.S_ISBLK, "it is a device"),
)


class FolderSource:
    """Source over a folder. Links are followed only as far as they stay inside it."""

    def __init__(self, root: Path, *, document_bytes_max: int) -> None:
        self._root = root.expanduser().resolve()
        self._document_bytes_max = document_bytes_max
        self.name = self._root.as_uri()

    async def list(self) -> Sequence[Item]:
        return await asyncio.to_thread(lambda: sorted(self._walk(), key=lambda item: item.path))

    async def access_rules(self) -> str | None:
        try:
            return await asyncio.to_thread((self._root / access.FILE).read_text, "utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise SourceUnreadable(f"{self._root / access.FILE} cannot be read: {error}.") from error

    async def read(self, item: Item, fingerprint: str) -> Content | None:
        data = await asyncio.to_thread(self._read, item.path)
        return Content(data, item.media_type)

    async def aclose(self) -> None:
        pass

    def _walk(self) -> Iterator[Item]:
        if not self._root.is_dir():
            kind = "is a file: name its folder" if self._root.exists() else "does not exist"
            raise SourceUnreadable(f"{self._root} {kind}. Nothing was changed.")
        closed: list[Item] = []
        for folder, folders, files in os.walk(
            self._root, onerror=lambda error: closed.append(self._closed(error))
        ):
            linked = [name for name in folders if (Path(folder) / name).is_symlink()]
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in [*files, *linked]:
                path = (Path(folder) / name).relative_to(self._root).as_posix()
                if name == access.FILE:
                    self._refuse_below_root(path)
                elif not name.startswith("."):
                    yield Item(_printable(path), media_type(path), self._problem(path))
        yield from closed

    def _closed(self, error: OSError) -> Item:
        """Return a folder that cannot be listed. Errors: SourceUnreadable if it is the root."""
        folder = Path(error.filename)
        if folder == self._root:
            raise SourceUnreadable(
                f"{folder} cannot be listed: {_reason(error)}. Nothing was changed."
            ) from error
        path = folder.relative_to(self._root).as_posix()
        return Item(f"{_printable(path)}/", problem=f"the folder cannot be listed: {_reason(error)}")

    def _refuse_below_root(self, path: str) -> None:
        """Rules that stand deeper would be overlooked, and what they protect would be open."""
        if path != access.FILE:
            raise BrokenAccessRules(
                f"{path}: rules belong into the root of a source. Move them to {self._root / access.FILE}, or ingest"
                f" {(self._root / path).parent} as a source of its own. Nothing was ingested."
            )

    def _problem(self, path: str) -> str:
        """Return why the file must not be opened, empty if it may."""
        try:
            path.encode()
            found = (self._root / path).stat()
            if not (self._root / path).resolve(strict=True).is_relative_to(self._root):
                return "it is a link that leaves the folder"
        except UnicodeEncodeError:
            return "its name is not valid UTF-8"
        except (OSError, RuntimeError) as error:
            return _reason(error)
        if stat.S_ISDIR(found.st_mode):
            return "it is a link to a folder; only links to files are followed"
        kind = next((words for matches, words in _KINDS if matches(found.st_mode)), "")
        return kind or self._too_large(found.st_size)

    def _read(self, path: str) -> bytes:
        """Read a file that is still what it was when it was listed."""
        try:
            target = (self._root / path).resolve(strict=True)
            if not target.is_relative_to(self._root):
                raise Unreadable("it is a link that leaves the folder")
            # Without O_NONBLOCK, a pipe that took the file's place would block for ever.
            descriptor = os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor has no path
                before = os.fstat(descriptor)
                if not stat.S_ISREG(before.st_mode):
                    raise Unreadable("it was replaced while it was read")
                data = file.read(self._document_bytes_max + 1)
                after = os.fstat(descriptor)
        except FileNotFoundError as error:
            raise Gone("it went away since the folder was listed") from error
        except (OSError, RuntimeError) as error:
            raise Unreadable(_reason(error)) from error
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise Unreadable("it was written to while it was read; the next run takes it")
        if problem := self._too_large(len(data)):
            raise Unreadable(problem)
        return data

    def _too_large(self, size: int) -> str:
        if size <= self._document_bytes_max:
            return ""
        return f"it is larger than {self._document_bytes_max:,} bytes (INGEST_DOCUMENT_BYTES_MAX)"


def _reason(error: OSError | RuntimeError) -> str:
    number = getattr(error, "errno", None)
    if number == errno.ELOOP or isinstance(error, RuntimeError):
        return "it is a link that leads back to itself"
    if number == errno.ENOENT:
        return "it is a link to nothing"
    if number in {errno.EACCES, errno.EPERM}:
        return "permission denied"
    return str(getattr(error, "strerror", None) or error)


def _printable(path: str) -> str:
    """Return a path that Postgres takes; names that are not UTF-8 keep their bytes as escapes."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
