"""The moments at which a crash would hurt most, found in the code: around each commit, publish, rename and outside call.

The list is read from the syntax of `src/refnet`, so that nobody keeps it. `instrumented` makes the same code reach its
points one by one; `tests.soak.crashing` is what they reach. This module imports nothing of refnet.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

SOURCE = Path(__file__).resolve().parents[2] / "src" / "refnet"
#: What the instrumented code calls; see `tests.soak.crashing`.
RUNTIME = "__crash__"
#: The stand-in for Semantic Scholar is no part of what is tested.
APART = ("demo/",)

Kind = Literal["commit", "publish", "broker", "rename", "remove", "copy", "outside"]
Moment = Literal["before", "after"]
MOMENTS: tuple[Moment, ...] = ("before", "after")

_PUBLISHING = {"publish", "basic_publish", "_basic_publish", "send_task", "apply_async", "delay"}
_RENAMING = {"rename", "renames", "link", "symlink", "hardlink_to", "symlink_to", "move"}
_REMOVING = {"unlink", "remove", "rmdir", "removedirs", "rmtree"}
#: What changes something at Redis, of what its client can do.
_REDIS = {
    "delete",
    "incr",
    "decr",
    "incrby",
    "decrby",
    "lpush",
    "rpush",
    "lrem",
    "ltrim",
    "zadd",
    "expire",
    "hset",
    "hdel",
}
_HTTP = {"httpx", "httpx2", "requests", "urllib.request", "http.client", "aiohttp", "urllib3"}
_ASKING = {"send", "request", "stream", "get", "post", "put", "urlopen"}
#: What asks by other names: of the library below HTTP, of the language models' own clients, of the process that reads PDFs.
_ASKING_OTHERWISE = {("handle_request", "connection"), ("create", "with_raw_response"), ("ask", "child")}


@dataclass(frozen=True, slots=True)
class Site:
    """A place in the code with a point before and one after it. `name` does not change when lines move."""

    name: str
    kind: Kind
    line: int

    @property
    def points(self) -> list[str]:
        return [f"{self.name}:{moment}" for moment in MOMENTS]


@cache
def all_sites() -> tuple[Site, ...]:
    """Every site of the package, by file and in the order of the code."""
    found: list[Site] = []
    for file in sorted(SOURCE.rglob("*.py")):
        name = file.relative_to(SOURCE).as_posix()
        if not name.startswith(APART):
            found += sites(name, file.read_text(encoding="utf-8"))
    return tuple(found)


def sites(file: str, text: str) -> list[Site]:
    """The sites of one module; `file` is its path below the package."""
    walk = _Walk(file, tree := ast.parse(text))
    walk.visit(tree)
    return walk.found


def instrumented(file: str, text: str) -> ast.Module:
    """The module's syntax, with a call of the runtime around each of its sites."""
    tree = ast.parse(text)
    made: ast.Module = _Walk(file, tree).visit(tree)
    return ast.fix_missing_locations(made)


class _Walk(ast.NodeTransformer):
    """Finds the sites of a module, and puts the runtime around them."""

    def __init__(self, file: str, tree: ast.Module) -> None:
        self.found: list[Site] = []
        self._file = file
        self._imported = _imported(tree)
        self._scope: list[str] = []
        self._count: dict[str, int] = {}

    def _enter(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> ast.AST:
        self._scope.append(node.name)
        try:
            return self.generic_visit(node)
        finally:
            self._scope.pop()

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _enter  # noqa: N815 - named by ast

    def visit_With(self, node: ast.With) -> ast.AST:
        for item in node.items:
            kind = self._kind_of_context(item.context_expr)
            if kind is None:
                item.context_expr = self.visit(item.context_expr)
            else:
                item.context_expr = self._around("around", kind, item.context_expr, [item.context_expr])
            if item.optional_vars is not None:
                item.optional_vars = self.visit(item.optional_vars)
        node.body = [self.visit(one) for one in node.body]
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        kind = self._kind_of_call(node)
        if kind is None:
            return self.generic_visit(node)
        called = self._around("call", kind, node, [node.func, *node.args], node.keywords)
        return self.generic_visit(called)

    def _around(
        self,
        how: str,
        kind: Kind,
        at: ast.expr,
        arguments: list[ast.expr],
        keywords: list[ast.keyword] | None = None,
    ) -> ast.Call:
        name = f"{self._file}:{'.'.join(self._scope) or '<module>'}:{kind}"
        number = self._count[name] = self._count.get(name, 0) + 1
        site = Site(name if number == 1 else f"{name}#{number}", kind, at.lineno)
        self.found.append(site)
        made = ast.Call(
            ast.Attribute(ast.Name(RUNTIME, ast.Load()), how, ast.Load()),
            [ast.Constant(site.name), *arguments],
            keywords or [],
        )
        return ast.copy_location(made, at)

    def _kind_of_context(self, node: ast.expr) -> Kind | None:
        if not isinstance(node, ast.Call):
            return None
        if isinstance(node.func, ast.Name) and node.func.id == "writing":
            return "commit"
        # What is published inside is only sent at the end.
        if isinstance(node.func, ast.Attribute) and node.func.attr == "batch":
            return "publish"
        return None

    def _kind_of_call(self, node: ast.Call) -> Kind | None:
        if isinstance(node.func, ast.Name):
            return (
                "broker" if node.func.id == "run" and "refnet.adapters.celery_queue.scripts" in self._imported else None
            )
        if not isinstance(node.func, ast.Attribute):
            return None
        name, receiver = node.func.attr, _last(node.func.value)
        alone = len(node.args) == 1 and not node.keywords
        if name in _PUBLISHING or (name == "retry" and any(one.arg == "exc" for one in node.keywords)):
            return "publish"
        if name in _RENAMING or (name == "replace" and (receiver == "os" or alone)):
            return "rename"
        if name in _REMOVING and (receiver in ("os", "shutil") or name != "remove"):
            return "remove"
        if name == "backup":
            return "copy"
        return self._kind_of_connection(name, receiver)

    def _kind_of_connection(self, name: str, receiver: str) -> Kind | None:
        if name == "execute" and receiver == "connection" and "psycopg" in self._imported:
            return "commit"  # each statement by itself
        if name == "send_command" or (name == "execute" and receiver == "pipe"):
            return "broker"
        if name in _REDIS and receiver in ("client", "redis"):
            return "broker"
        if (name, receiver) in _ASKING_OTHERWISE:
            return "outside"
        if name in _ASKING and receiver in ("client", "urllib", "request", *_HTTP) and _HTTP & self._imported:
            return "outside"
        return None


def _imported(tree: ast.Module) -> set[str]:
    """Names of the modules that a module imports, at its top."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module)
    return found


def _last(node: ast.expr) -> str:
    """The last name of what a method is called on: `client` of `line.client`."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
