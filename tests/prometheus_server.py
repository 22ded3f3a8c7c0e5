"""Prometheus as Debian has it, started by the tests, and its tool."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers import free_port, missing, ticks


def program(name: str) -> str:
    """The path of `prometheus` or `promtool`; without it the test is skipped."""
    if (found := shutil.which(name)) is None:
        missing(f"{name} is not installed (Debian's package prometheus)")
    return found


class Prometheus:
    """A server at work, asked over HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an expression now."""
        return list(self._get("query", query=expression)["result"])

    def alerts(self) -> set[str]:
        """Names of the alerts that fire."""
        found = self._get("alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in found if alert["state"] == "firing"}

    def fired(self) -> set[str]:
        """Names of the alerts that fired at any time so far."""
        found = self.query('count by (alertname) (count_over_time(ALERTS{alertstate="firing"}[1h]))')
        return {series["metric"]["alertname"] for series in found}

    def _get(self, what: str, **words: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(words)}", timeout=30) as answer:  # noqa: S310 - loopback
            document: dict[str, Any] = json.load(answer)
        assert document["status"] == "success", document
        data: dict[str, Any] = document["data"]
        return data


@contextmanager
def running_prometheus(folder: Path, config: Path) -> Iterator[Prometheus]:
    """A server of our own on a free port of loopback, with that configuration; what it keeps is in `folder`."""
    port = free_port()
    log = folder / "prometheus.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=folder,
        )
    try:
        for _ in ticks(30):
            if _is_ready(port) or process.poll() is not None:
                break
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        yield Prometheus(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()
            process.wait()


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
