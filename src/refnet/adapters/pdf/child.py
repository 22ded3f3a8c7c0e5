"""The process in which a PDF is read. It is given bytes and gives back JSON; between the two it can open nothing.

A request is a line of JSON (`size` in bytes, `seconds` to go) and then the bytes of the file, on standard input; an answer is
four bytes of length, big-endian, and so much JSON. The first answer is unasked: it tells what holds this process. Whatever
goes wrong otherwise ends the process, and its parent sees that.
"""

from __future__ import annotations

import errno
import json
import os
import queue
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

from refnet.adapters.pdf import limits
from refnet.adapters.pdf.encoding import encode
from refnet.adapters.pdf.reading import read_document
from refnet.adapters.pdf.sandbox import allow_processor, lock_down, start_nothing_more
from refnet.domain.documents import NoFullText

#: A PDF of one page with a few words, some white, by which everything is loaded that reading loads when it first needs it.
_SMALLEST = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1/MediaBox[0 0 99 99]>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>endobj\n"
    b"4 0 obj<</Length 87>>stream\nBT /F 9 Tf 9 50 Td (Abstract. Ready.) Tj 1 g 0 -20 Td (Set.) Tj ET "
    b"0 g 0 0 50 50 re f \nendstream\nendobj\n"
    b"5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n"
    b"trailer<</Root 1 0 R>>\n"
)

_Request = tuple[Mapping[str, Any], bytearray, float]


def main() -> None:
    """Answer requests until the parent has no more of them, or is gone."""
    try:
        _serve()
    finally:
        # At once: the usual end waits for the thread that reads, and it waits for the parent.
        os._exit(1)


def _serve() -> None:
    asked, answers = os.fdopen(0, "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not stand between the answers
    encode(read_document(bytearray(_SMALLEST), 5.0))
    kinds = lock_down(limits.MEMORY, (limits.CPU_SECONDS + 2) * limits.PAPERS_PER_CHILD)
    requests: queue.SimpleQueue[_Request] = queue.SimpleQueue()
    # A thread of its own sees the parent go even while PDFium is at work, which runs without the interpreter's lock. The
    # signal that the kernel offers for this (PR_SET_PDEATHSIG) comes when the thread ends that started the child.
    threading.Thread(target=_receive, args=(asked, requests), daemon=True).start()
    start_nothing_more()
    _send(answers, json.dumps({"ready": kinds}).encode())
    while True:
        try:
            wanted, content, until = requests.get(timeout=limits.IDLE_SECONDS)
        except queue.Empty:
            return
        if "path" in wanted:
            _send(answers, json.dumps(attempt(wanted["path"], wanted["port"], wanted["pid"])).encode())
        else:
            allow_processor(limits.CPU_SECONDS)
            _send(answers, _answer(content, until))
        del content


def _receive(asked: BufferedReader, requests: queue.SimpleQueue[_Request]) -> None:
    """Put what is asked into the queue; end the process where the parent closes its end, or is gone."""
    while line := asked.readline(8192):
        wanted = json.loads(line)
        content = bytearray(wanted.get("size", 0))
        if asked.readinto(content) != len(content):
            break
        requests.put((wanted, content, time.monotonic() + wanted.get("seconds", 0.0)))
        del content
    os._exit(0)


def _answer(content: bytearray, until: float) -> bytes:
    try:
        answer = encode(read_document(content, until - time.monotonic()))
    except MemoryError:
        os._exit(1)  # nobody knows what is half done
    return answer if len(answer) <= limits.MOST_ANSWER else encode(NoFullText.TOO_LARGE)


def _send(answers: BinaryIO, answer: bytes) -> None:
    answers.write(len(answer).to_bytes(4, "big") + answer)
    answers.flush()


def attempt(path: str, port: int, pid: int) -> dict[str, str]:
    """Try to reach out, and return the name of the error for each way, or `done`."""

    def connect() -> None:
        with socket.socket() as connection:
            connection.connect(("127.0.0.1", port))

    def fork() -> None:
        if os.fork() == 0:
            os._exit(0)

    ways: dict[str, Callable[[], object]] = {
        "open": lambda: Path(path).read_bytes(),
        "write": lambda: Path(f"{path}.written-by-a-pdf").touch(),
        "connect": connect,
        "fork": fork,
        "kill": lambda: os.kill(pid, signal.SIGCONT),
    }
    if sys.platform == "linux":
        # Only a look, so that nothing changes where nothing refuses it; setting them is the same call.
        ways["limit"] = lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE)
    return {name: _said(way) for name, way in ways.items()}


def _said(way: Callable[[], object]) -> str:
    try:
        way()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "OSError")
    return "done"


if __name__ == "__main__":
    main()
