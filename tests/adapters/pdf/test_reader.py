"""The parent's side: children are kept, replaced, bounded and ended, and can do nothing but read."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from refnet.adapters.pdf import limits
from refnet.adapters.pdf.encoding import Malformed, decode, encode
from refnet.adapters.pdf.reader import BoundedPdfReader
from refnet.domain.documents import Document, DocumentSection, Hidden, NoFullText, SectionKind, Sentence
from tests.adapters.pdf.hostile import book, one_page, words
from tests.adapters.pdf.hostile import endless as endless_pdf
from tests.servers import missing


@pytest.fixture
def linux() -> None:
    """What only its kernel does."""
    if sys.platform != "linux":
        missing("this system is not Linux")


ON_LINUX = pytest.mark.usefixtures("linux")
PATIENCE = 60.0


@pytest.fixture
def paper(tmp_path: Path) -> str:
    path = tmp_path / "paper.pdf"
    path.write_bytes(one_page(words()))
    return str(path)


@pytest.fixture
def endless(tmp_path: Path) -> str:
    """Takes longer than anybody waits, and no memory, so that it is the time that ends it."""
    path = tmp_path / "endless.pdf"
    path.write_bytes(endless_pdf())
    return str(path)


def ends(pid: int) -> bool:
    """Whether a process, which need not be ours, ends in time."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    poll = select.poll()
    poll.register(process, select.POLLIN)
    try:
        return bool(poll.poll(PATIENCE * 1000))
    finally:
        os.close(process)


@contextmanager
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.0)
        yield server


def test_a_child_is_kept_for_further_papers(paper: str) -> None:
    with BoundedPdfReader() as reader:
        assert isinstance(reader.read(paper), Document)
        first = reader.children
        assert isinstance(reader.read(paper), Document)
        assert reader.children == first


def test_a_child_is_replaced_after_so_many_papers(paper: str) -> None:
    with BoundedPdfReader(papers=2) as reader:
        reader.read(paper)
        first = reader.children
        reader.read(paper)
        assert reader.children == frozenset()
        reader.read(paper)
        assert reader.children.isdisjoint(first)


def test_a_child_that_died_meanwhile_is_replaced(paper: str) -> None:
    with BoundedPdfReader() as reader:
        reader.read(paper)
        (child,) = reader.children
        os.kill(child, signal.SIGKILL)
        assert isinstance(reader.read(paper), Document)


def test_closing_ends_the_children(paper: str) -> None:
    reader = BoundedPdfReader()
    reader.read(paper)
    (child,) = reader.children
    reader.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_a_file_that_takes_too_long_costs_its_child_and_no_more_time(endless: str, paper: str) -> None:
    with BoundedPdfReader(wall_seconds=4.0) as reader:
        begun = time.monotonic()
        assert reader.read(endless) is NoFullText.TOO_LONG
        assert time.monotonic() - begun < 10.0
        assert reader.children == frozenset()
    with BoundedPdfReader() as reader:
        assert isinstance(reader.read(paper), Document)


def test_an_interrupt_ends_the_child_that_was_at_work(endless: str) -> None:
    class Interrupted(BaseException):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with BoundedPdfReader() as reader:
            signal.setitimer(signal.ITIMER_REAL, 2.0)
            with pytest.raises(Interrupted):
                reader.read(endless)
            assert reader.children == frozenset()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.slow
def test_of_a_long_book_as_much_is_read_as_there_is_time_for_and_that_is_told(tmp_path: Path) -> None:
    path = tmp_path / "book.pdf"
    path.write_bytes(book(1_900))
    with BoundedPdfReader(wall_seconds=60.0) as reader:
        read = reader.read(str(path))
    assert isinstance(read, Document)
    assert read.pages == 1_900
    assert 0 < read.pages_read < 1_900


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.pdf"
    with path.open("wb") as file:
        file.write(one_page(words()))
        file.truncate(limits.MOST_BYTES + 1)
    with BoundedPdfReader() as reader:
        assert reader.read(str(path)) is NoFullText.TOO_LARGE
        assert reader.children == frozenset()


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_no_pdf(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "strange.pdf"
    if kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    with BoundedPdfReader() as reader:
        assert reader.read(str(path)) is NoFullText.NOT_A_PDF


def test_a_file_that_is_gone_is_an_error_and_no_damaged_pdf(tmp_path: Path) -> None:
    with BoundedPdfReader() as reader, pytest.raises(FileNotFoundError):
        reader.read(str(tmp_path / "gone.pdf"))


def test_threads_read_side_by_side(paper: str) -> None:
    found: list[object] = []
    with BoundedPdfReader() as reader:
        threads = [
            threading.Thread(target=lambda: found.extend(reader.read(paper) for _ in range(3))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 12
        assert all(isinstance(one, Document) for one in found)
        assert len(reader.children) <= 4


def test_a_forked_process_starts_children_of_its_own_and_leaves_those_of_its_parent(paper: str) -> None:
    with BoundedPdfReader() as reader:
        reader.read(paper)
        before = reader.children
        forked = os.fork()
        if forked == 0:  # nothing of pytest may run here
            status = 1
            try:
                read = isinstance(reader.read(paper), Document)
                own = reader.children
                reader.close()
                status = 0 if read and own and own.isdisjoint(before) else 1
            finally:
                os._exit(status)
        assert os.waitpid(forked, 0)[1] == 0
        assert isinstance(reader.read(paper), Document)
        assert reader.children == before


_PARENT = """
import sys, threading
from refnet.adapters.pdf.reader import BoundedPdfReader
reader = BoundedPdfReader()
threading.Thread(target=reader.read, args=(sys.argv[1],)).start()
while not reader.children:
    pass
if sys.argv[2] == "idle":
    while reader.sandbox_kinds() == ():
        pass
print(*reader.children, flush=True)
sys.stdin.read()
"""


@ON_LINUX
@pytest.mark.parametrize("doing", ["idle", "at work"])
def test_children_end_with_a_parent_that_is_killed(paper: str, endless: str, doing: str) -> None:
    command = [sys.executable, "-c", _PARENT, paper if doing == "idle" else endless, doing]
    parent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdin is not None
    children = [int(pid) for pid in parent.stdout.readline().split()]
    assert children
    parent.kill()
    parent.wait()
    parent.stdout.close()
    parent.stdin.close()
    assert all(ends(child) for child in children)


@ON_LINUX
def test_a_child_can_neither_open_nor_write_nor_connect_nor_start_nor_signal_nor_limit_others(tmp_path: Path) -> None:
    with BoundedPdfReader() as reader, listening() as server:
        said = reader.attempt("/etc/passwd", server.getsockname()[1])
        with pytest.raises(BlockingIOError):
            server.accept()
    assert said.keys() == {"open", "write", "connect", "fork", "kill", "limit"}
    assert set(said.values()) <= {"EMFILE", "EACCES", "EPERM"}


@ON_LINUX
def test_what_holds_the_children_is_told() -> None:
    with BoundedPdfReader() as reader:
        kinds = reader.sandbox_kinds()
    assert {"rlimits", "no new privileges"} <= set(kinds) <= {"rlimits", "no new privileges", "landlock", "seccomp"}


def test_a_child_is_started_without_the_environment_and_folders_of_its_parent(
    paper: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("SECRET", "of-the-user")
    with BoundedPdfReader() as reader:
        assert isinstance(reader.read(paper), Document)
        if sys.platform == "linux":
            (child,) = reader.children
            try:
                told = Path(f"/proc/{child}/environ").read_bytes()
            except PermissionError:
                told = b""  # not even its parent may look into it
            assert b"of-the-user" not in told
    assert not (tmp_path / "ran").exists()


_LAYER = """
import ctypes, errno, socket, sys
from refnet.adapters.pdf import sandbox
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(38, 1, 0, 0, 0)
if not getattr(sandbox, sys.argv[1])(libc):
    print("none")
    sys.exit()
said = []
for way in (lambda: open("/etc/passwd"), lambda: socket.create_connection(("127.0.0.1", int(sys.argv[2])))):
    try:
        way()
        said.append("done")
    except OSError as error:
        said.append(errno.errorcode[error.errno])
print(*said)
"""


@ON_LINUX
@pytest.mark.parametrize("layer", ["landlock", "seccomp"])
def test_each_layer_of_the_kernel_holds_by_itself(layer: str) -> None:
    with listening() as server:
        command = [sys.executable, "-c", _LAYER, layer, str(server.getsockname()[1])]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    if said == ["none"]:
        missing(f"this kernel has no {layer}")
    assert set(said) <= {"EACCES", "EPERM"}


@ON_LINUX
def test_the_system_ends_a_child_that_takes_more_of_the_processor_than_a_paper_may() -> None:
    program = "from refnet.adapters.pdf.sandbox import allow_processor; allow_processor(0)\nwhile True: pass"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGXCPU


_LIMITED = """
import ctypes, os, resource, sys
from refnet.adapters.pdf import sandbox
other, most = int(sys.argv[1]), resource.getrlimit(resource.RLIMIT_NOFILE)
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(38, 1, 0, 0, 0)
if not sandbox.seccomp(libc):
    print("none")
    sys.exit()
try:
    resource.prlimit(other, resource.RLIMIT_NOFILE, most)
    print("done", flush=True)
except PermissionError:
    print("EPERM", flush=True)
sandbox.allow_processor(0)
while True: pass
"""


@ON_LINUX
def test_seccomp_refuses_the_limits_of_another_process_and_leaves_those_of_its_own() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        command = [sys.executable, "-c", _LIMITED, str(other.pid)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        other.kill()
    if ended.stdout.split() == ["none"]:
        missing("this kernel has no seccomp")
    assert (ended.stdout.split(), ended.returncode) == (["EPERM"], -signal.SIGXCPU)


WHOLE = Document(
    pages=3,
    pages_read=2,
    sections=(DocumentSection(SectionKind.ABSTRACT, "概要", (Sentence("潮は遅れる。", 1), Sentence("So we say.", 2))),),
    keywords=("潮汐",),
    lang="ja",
    hidden=Hidden(4, (2,), ("white",)),
    damaged_pages=(2,),
    picture_pages=(3,),
)


@pytest.mark.parametrize("read", [WHOLE, *NoFullText])
def test_what_is_sent_arrives(read: Document | NoFullText) -> None:
    assert decode(encode(read)) == read


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"null",
        b'"none"',
        b'{"none": "something else"}',
        b'{"none": ["no text"]}',
        b"[" * 100_000,
        b"9" * 10_000,
        b"\xff\xfe",
        encode(WHOLE).replace(b'"pages":3', b'"pages":-1'),
        encode(WHOLE).replace(b'"pages":3', b'"pages":true'),
        encode(WHOLE).replace(b'"pages":3', b'"pages":1e3'),
        encode(WHOLE).replace(b'"pages_read":2', b'"pages_read":4'),
        encode(WHOLE).replace(b'"lang":"ja"', b'"lang":"xx"'),
        encode(WHOLE).replace(b'"kind":"abstract"', b'"kind":"praise"'),
        encode(WHOLE).replace(b'"pages":[1,2]', b'"pages":[1]'),
        encode(WHOLE).replace(b'"pages":[1,2]', b'"pages":[1,9]'),
        encode(WHOLE).replace(b"So we say.", b"\\ud800"),
        encode(WHOLE).replace(b"So we say.", b"\\u0000"),
        encode(WHOLE).replace(b'"So we say."', b"7"),
        encode(WHOLE).replace(b'"damaged":[2]', b'"damaged":{"2":2}'),
        encode(WHOLE).replace(b'"pictures":[3]', b'"pictures":[4]'),
    ],
)
def test_an_answer_that_no_reader_writes_is_refused(answer: bytes) -> None:
    with pytest.raises(Malformed):
        decode(answer)
