"""What instrumented code calls at its crash points: it notes that it came by, and dies at the point that is armed.

Everything lies in the folder that the environment variable CRASH_POINTS names, so that workers need not be started anew
for each point: `armed` says where to die, `hit` that it has happened (once, whoever came first), `seen` where
processes came by. Installed before anything of refnet is imported; without the variable it does nothing.
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
import json
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any, ParamSpec, TypeVar

from tests.soak.crash_points import RUNTIME, SOURCE, instrumented

Given = ParamSpec("Given")
Result = TypeVar("Result")

FOLDER = "CRASH_POINTS"
#: How a process ends at its point: by itself; or with its worker and all children of that, as by a power cut.
ALONE, TOGETHER = "alone", "together"
#: Where nothing says which stage is at work.
NO_STAGE = "-"
#: What code says by being called at all.
_STAGES = {
    "pipeline/seeds.py": "crawl",
    "pipeline/crawl.py": "crawl",
    "pipeline/runner.py": "crawl",
    "pipeline/summarize.py": "summarize",
    "pipeline/full_texts.py": "read",
    "pipeline/generate.py": "generate",
    "pipeline/standing.py": "generate",
    "pipeline/vault_turns.py": "generate",
}
_MAY_HOLD_SITES = re.compile(
    r"\b(writing|run|publish|_?basic_publish|send|send_task|apply_async|delay|retry|batch|execute|send_command|replace|link"
    r"|rename|unlink|rmdir|backup|delete|decrby|lrem|zadd|expire|handle_request|create|ask)\("
)
_ROOT = str(SOURCE) + os.sep
#: By module, the seconds that it lets go by from one time to the next. None go by here: else it would be chance who comes to
#: a point in a stage that is over sooner.
_EVERY_TIME = {"refnet.pipeline.crawl_requests": "TELL_EVERY"}


class CrashPoints:
    """The points of a process and, by fork, of its children."""

    def __init__(self, folder: Path, role: str) -> None:
        self._folder = folder
        self._role = role
        self._leader = os.getpid()
        self._armed = folder / "armed"
        self._hit = folder / "hit"
        self._passed = 0
        self._arming = ""

    def forked(self) -> None:
        """From now on this process has the role of the one that it was forked from."""
        self._leader = os.getpid()

    def call(self, site: str, do: Callable[Given, Result], *args: Given.args, **options: Given.kwargs) -> Result:
        self._reach(site, "before")
        result = do(*args, **options)
        self._reach(site, "after")
        return result

    @contextmanager
    def around(self, site: str, inner: AbstractContextManager[Result]) -> Iterator[Result]:
        """The points are around what the context does at its end: the commit."""
        with self._after(site), inner as entered:
            yield entered
            self._reach(site, "before")

    @contextmanager
    def _after(self, site: str) -> Iterator[None]:
        yield
        self._reach(site, "after")

    def _reach(self, site: str, moment: str) -> None:
        point = f"{site}:{moment}@{_stage(sys._getframe(1))}"
        self._see(point)
        try:
            text = self._armed.read_text()
        except FileNotFoundError:
            return
        armed = json.loads(text)
        if armed["point"] != point or (armed["role"] and armed["role"] != self.role):
            return
        if text != self._arming:
            self._arming, self._passed = text, 0
        self._passed += 1
        if self._passed < armed["nth"]:
            return
        with suppress(FileExistsError):
            handle = os.open(self._hit, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            os.write(handle, f"{self.role} {os.getpid()}".encode())
            os.close(handle)
            if armed["how"] == TOGETHER:
                self._kill_worker()
            os._exit(9)

    def _kill_worker(self) -> None:
        children = Path(f"/proc/{self._leader}/task/{self._leader}/children").read_text().split()
        for pid in {self._leader, *map(int, children)} - {os.getpid()}:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    @property
    def role(self) -> str:
        """A `command`; or `main`, the process of a worker that forks the others, or its `child`."""
        return self._role if os.getpid() == self._leader else "child"

    def _see(self, point: str) -> None:
        handle = os.open(self._folder / "seen", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(handle, f"{self.role} {point}\n".encode())
        os.close(handle)


def _stage(frame: FrameType | None) -> str:
    """The stage that is at work, as the nearest code that knows says it."""
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_ROOT):
            for said in (frame.f_locals.get("stage"), getattr(frame.f_locals.get("self"), "_stage", None)):
                if type(said).__name__ == "Stage":
                    return str(said.value)  # type: ignore[union-attr]
            if found := _STAGES.get(file.removeprefix(_ROOT)):
                return found
        frame = frame.f_back
    return NO_STAGE


class _Loader(SourceFileLoader):
    """Compiles a module with its crash points; nothing is kept in a cache."""

    def get_code(self, fullname: str) -> CodeType:
        path = Path(self.get_filename(fullname))
        text = path.read_text(encoding="utf-8")
        tree: ast.Module | str = text
        if _MAY_HOLD_SITES.search(text):
            tree = instrumented(path.relative_to(SOURCE).as_posix(), text)
        return compile(tree, str(path), "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        if module.__name__ in _EVERY_TIME:
            setattr(module, _EVERY_TIME[module.__name__], 0.0)


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith("refnet."):
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None or not spec.origin.startswith(_ROOT) or "/demo/" in spec.origin:
            return spec
        if _MAY_HOLD_SITES.search(Path(spec.origin).read_text(encoding="utf-8")):
            spec.loader = _Loader(fullname, spec.origin)
        return spec


def install(role: str) -> CrashPoints | None:
    """Let what is imported of refnet from now on reach its crash points; `role` is this process's."""
    folder = os.environ.get(FOLDER)
    if not folder:
        return None
    assert not any(name.startswith("refnet.adapters") for name in sys.modules), "too late"
    points = CrashPoints(Path(folder), role)
    setattr(builtins, RUNTIME, points)
    sys.meta_path.insert(0, _Finder())
    plain = importlib.util.spec_from_file_location

    def with_points(name: str, location: Any = None, **options: Any) -> ModuleSpec | None:
        """Alembic loads migrations by their place, past the finders."""
        if location is not None and str(location).startswith(_ROOT):
            options["loader"] = _Loader(name, str(location))
        return plain(name, location, **options)

    importlib.util.spec_from_file_location = with_points
    return points


def seen(folder: Path) -> Counter[tuple[str, str]]:
    """Role and point of all that processes came by since the file was begun, and how often."""
    file = folder / "seen"
    lines = file.read_text().splitlines() if file.exists() else []
    return Counter((role, point) for role, _, point in (line.partition(" ") for line in lines))


def forget_seen(folder: Path) -> None:
    (folder / "seen").unlink(missing_ok=True)


def arm(folder: Path, point: str, *, role: str = "", how: str = ALONE, nth: int = 1) -> None:
    """Let the first process that comes to `point` for the `nth` time die there."""
    disarm(folder)
    (folder / "hit").unlink(missing_ok=True)
    made = folder / "armed.new"
    made.write_text(json.dumps({"point": point, "role": role, "how": how, "nth": nth}))
    made.replace(folder / "armed")


def disarm(folder: Path) -> None:
    (folder / "armed").unlink(missing_ok=True)


def hit_by(folder: Path) -> str | None:
    """The role of the process that died at the armed point; None while none has."""
    file = folder / "hit"
    return file.read_text().partition(" ")[0] or None if file.exists() else None
