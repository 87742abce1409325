"""Reader over processes that each read one document at a time (`worker.py`); they start when there is work."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process

from ingest.adapters.readers import documents
from ingest.adapters.readers.worker import LENGTH, decode_result, encode_content
from ingest.core.documents import Content, Parsed, Unreadable


class ReaderProcesses:
    """Reader of all supported types. A document that ends its process is unreadable; the next gets a new one."""

    signature = documents.VERSION

    def __init__(self, *, processes_max: int, seconds_max: int, memory_bytes_max: int) -> None:
        self._seconds_max = seconds_max
        self._memory_bytes_max = memory_bytes_max
        self._free = asyncio.Semaphore(processes_max)
        self._idle: list[Process] = []
        self._started: set[Process] = set()

    def supports(self, media_type: str) -> bool:
        return documents.supports(media_type)

    async def read(self, content: Content) -> Parsed:
        async with self._free:
            process = self._idle.pop() if self._idle else await self._start()
            try:
                answer = await _ask(process, encode_content(content))
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                raise Unreadable(self._reason(await self._end(process))) from error
            except BaseException:
                await self._end(process)
                raise
            self._idle.append(process)
            return decode_result(answer)

    async def aclose(self) -> None:
        for process in list(self._started):
            await self._end(process)

    async def _start(self) -> Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-W", "ignore", "-m", "ingest.adapters.readers.worker"),
            *(str(self._seconds_max), str(self._memory_bytes_max)),
            stdin=PIPE,
            stdout=PIPE,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # its threads would count as memory
        )
        self._started.add(process)
        return process

    async def _end(self, process: Process) -> int:
        self._started.discard(process)
        if process.returncode is None:
            process.kill()
        return await process.wait()

    def _reason(self, status: int) -> str:
        if status == -signal.SIGALRM:
            return f"reading it takes more than {self._seconds_max} s (INGEST_READ_SECONDS_MAX)"
        return (
            f"its reader broke down ({_name(status)}); it may need more memory (INGEST_READ_MEMORY_BYTES_MAX)"
        )


async def _ask(process: Process, message: bytes) -> bytes:
    assert process.stdin  # noqa: S101 - both are pipes
    assert process.stdout  # noqa: S101
    process.stdin.write(LENGTH.pack(len(message)) + message)
    await process.stdin.drain()
    head = await process.stdout.readexactly(LENGTH.size)
    return await process.stdout.readexactly(LENGTH.unpack(head)[0])


def _name(status: int) -> str:
    return signal.Signals(-status).name if status < 0 else f"exit code {status}"
