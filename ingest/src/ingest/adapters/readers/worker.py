"""Reads documents in a process of its own: requests come on stdin, answers go to stdout.

A broken or hostile document can keep a library busy for hours, fill the memory or crash it. Here it costs one
process: an alarm ends it after a time, and it may not have more than a certain memory.
"""

from __future__ import annotations

import base64
import contextlib
import json
import resource
import signal
import struct
import sys
from dataclasses import asdict
from typing import IO, Any

from ingest.adapters.readers import documents
from ingest.core.documents import Content, Parsed, Section, Unreadable, Unsupported

LENGTH = struct.Struct(">Q")
"""Before each message: its number of bytes."""


def encode_content(content: Content) -> bytes:
    fields = {**asdict(content), "data": base64.b64encode(content.data).decode()}
    return json.dumps(fields).encode()


def decode_result(message: bytes) -> Parsed:
    """Return what a document was read as. Errors: Unreadable, if that was the answer."""
    fields = json.loads(message)
    if "unsupported" in fields:
        raise Unsupported(fields["unsupported"])
    if "unreadable" in fields:
        raise Unreadable(fields["unreadable"])
    return Parsed(fields["text"], [Section(*section) for section in fields["sections"]], fields["title"])


def _result(message: bytes) -> bytes:
    fields = json.loads(message)
    content = Content(**{**fields, "data": base64.b64decode(fields["data"])})
    answer: dict[str, Any]
    try:
        parsed = documents.read(content)
        sections = [(each.start, each.end, each.heading, each.rows) for each in parsed.sections]
        answer = {"text": parsed.text, "sections": sections, "title": parsed.title}
    except Unsupported:
        answer = {"unsupported": content.media_type}
    except Unreadable as error:
        answer = {"unreadable": str(error)}
    return json.dumps(answer).encode()


def serve(requests: IO[bytes], answers: IO[bytes], *, seconds_max: int) -> None:
    """Answer until the requests end. A document that takes too long ends the process with SIGALRM."""
    while len(head := requests.read(LENGTH.size)) == LENGTH.size:
        message = requests.read(LENGTH.unpack(head)[0])
        signal.alarm(seconds_max)
        answer = _result(message)
        signal.alarm(0)
        answers.write(LENGTH.pack(len(answer)) + answer)
        answers.flush()


def main(seconds_max: str, memory_bytes_max: str) -> None:
    # Ctrl-C on a terminal goes to every process of the run: the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit = int(memory_bytes_max)
    with contextlib.suppress(OSError, ValueError):  # macOS knows the limit and does not take it
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    answers = sys.stdout.buffer
    sys.stdout = sys.stderr  # what a library prints is no answer
    serve(sys.stdin.buffer, answers, seconds_max=int(seconds_max))


if __name__ == "__main__":
    main(*sys.argv[1:])
