"""`python -m tests.soak.forking_refnet`: runs `refnet` many times, and loads only once what takes long to load.

Each line on stdin is an order, a JSON object with `words`, `folder`, `environment` and the files `out` and `err`. A
process of its own is forked for it; a line on stdout tells its number, and another its exit code. With CRASH_POINTS in
the environment the code reaches its crash points; see `tests.soak.crashing`.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, NoReturn

from tests.soak.crashing import install


def serve() -> None:
    """Take orders until stdin ends."""
    points = install("command")
    _load()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            if points is not None:
                points.forked()
            _run(json.loads(line))
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _load() -> None:
    import alembic.command  # noqa: F401 - loaded for those who are forked
    import openai.resources.chat.completions  # noqa: F401
    import sqlalchemy.dialects.sqlite  # noqa: F401

    import refnet.adapters.database.downloads
    import refnet.adapters.database.spending
    import refnet.adapters.full_text.finder
    import refnet.adapters.full_text.places
    import refnet.adapters.language_model.summarizer
    import refnet.adapters.pdf.reader
    import refnet.adapters.semantic_scholar
    import refnet.bootstrap.application
    import refnet.entrypoints.cli.main
    import refnet.entrypoints.cli.report
    import refnet.entrypoints.web.app
    import refnet.entrypoints.web.serving
    import refnet.pipeline.map_papers  # noqa: F401


def _run(order: dict[str, Any]) -> NoReturn:
    from refnet.entrypoints.cli.main import main

    os.setsid()
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    for number, path in ((0, os.devnull), (1, order["out"]), (2, order["err"])):
        handle = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(handle, number)
        os.close(handle)
    sys.argv = ["refnet", *order["words"]]
    code = 1
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
