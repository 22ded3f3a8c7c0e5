"""S14: Flower behind its password, on loopback, fed by refnet's workers."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from refnet.domain.errors import ConfigurationError
from refnet.entrypoints.celery.flower import check_password
from tests.cluster.lab import Lab, Worker, until
from tests.servers import free_port

PASSWORD = "you:secret-of-the-test"
#: What asks for no password, whatever is set.
OPEN = ("/metrics", "/healthcheck")


def flower(lab: Lab, port: int, **environment: str) -> Worker:
    words = ["-m", "celery", "-A", "celery_app", "flower", f"--port={port}"]
    # The lab's `--loglevel info` behind it is no option of Flower's, which takes no notice of it.
    return lab.with_(**environment)._start(words, "flower", wait=False)


def ask(port: int, path: str, user: str | None = PASSWORD) -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    if user is not None:
        request.add_header("Authorization", f"Basic {base64.b64encode(user.encode()).decode()}")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def listens_on(port: int) -> set[str]:
    """Addresses, as the kernel writes them."""
    files = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
    rows = [line.split() for file in files if file.exists() for line in file.read_text().splitlines()[1:]]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")}


@pytest.mark.slow
def test_s14_flower_asks_for_its_password_on_loopback_and_shows_the_queues_and_the_tasks(lab: Lab) -> None:
    port = free_port()
    seen = flower(lab, port, FLOWER_BASIC_AUTH=PASSWORD)
    seen.until_logs("Visit me at")
    lab.worker("crawler,summarizer,generator")
    with lab.app() as app:
        sent = [app.send_task("health_check") for _ in range(3)]
        for one in sent:
            one.get(timeout=60)
        lab.workers[1].kill()
        for queue, number in (("summarizer", 2), ("generator", 1)):
            for _ in range(number):
                app.send_task(f"{queue}.tasks.x", (), queue=queue)

    assert listens_on(port) == {"0100007F"}
    for path in ("/", "/tasks", "/broker", "/api/tasks"):
        assert ask(port, path, None)[0] == 401
        assert ask(port, path, "you:another")[0] == 401
        assert ask(port, path)[0] == 200
    assert [ask(port, path, None)[0] for path in OPEN] == [200, 200], "hence loopback"

    def tasks() -> dict[str, Any]:
        return {key: one["name"] for key, one in json.loads(ask(port, "/api/tasks")[1]).items()}

    until(lambda: {one.id for one in sent} <= set(tasks()), what="the tasks to be shown")
    assert tasks()[sent[0].id] == "health_check"
    lengths = json.loads(ask(port, "/api/queues/length")[1])["active_queues"]
    assert {one["name"]: one["messages"] for one in lengths} == {"crawler": 0, "summarizer": 2, "generator": 1}
    assert PASSWORD.partition(":")[2] not in seen.text


@pytest.mark.slow
def test_s14_without_a_password_of_ones_own_flower_does_not_start(lab: Lab) -> None:
    for given in ({}, {"FLOWER_BASIC_AUTH": "admin:password"}, {"FLOWER_BASIC_AUTH": "you:${FLOWER_PASSWORD}"}):
        port = free_port()
        refused = flower(lab, port, **given)
        until(lambda one=refused: one.is_over, what="Flower to give up")  # type: ignore[misc]

        assert refused.process.returncode == 2
        assert "Error: " in refused.text
        assert "FLOWER_BASIC_AUTH" in refused.text
        assert "Traceback" not in refused.text
        assert listens_on(port) == set()


@pytest.mark.slow
def test_s14_the_password_may_stand_in_a_file(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    port = free_port()
    flower(lab, port, FLOWER_BASIC_AUTH_FILE=str(tmp_path / "password")).until_logs("Visit me at")

    assert [ask(port, "/tasks", user)[0] for user in (None, PASSWORD)] == [401, 200]


@pytest.mark.slow
def test_s14_elsewhere_than_on_loopback_flower_wants_a_proxy_and_says_what_stays_open(lab: Lab) -> None:
    port = free_port()
    everywhere = {"FLOWER_BASIC_AUTH": PASSWORD, "FLOWER_ADDRESS": "0.0.0.0"}  # noqa: S104 - that is what is refused
    refused = flower(lab, port, **everywhere)
    until(lambda: refused.is_over, what="Flower to give up")

    assert refused.process.returncode == 2
    for words in ("/metrics and /healthcheck ask for no password", "FLOWER_XHEADERS"):
        assert words in refused.text

    behind = flower(lab, port, **everywhere, FLOWER_XHEADERS="true")
    behind.until_logs("Visit me at")
    assert "/metrics and /healthcheck ask for no password" in behind.text
    assert listens_on(port) == {"00000000"}


@pytest.mark.parametrize(
    "given",
    [
        *(None, [], ["you"], ["you:"], [":long-enough"], ["you:short"], ["admin:password"], ["you:ChangeMe"]),
        *(["you:${FLOWER_PASSWORD}"], ["you:long-enough", "another:"]),
    ],
)
def test_s14_a_password_that_anybody_would_try_is_refused(given: list[str] | None) -> None:
    with pytest.raises(ConfigurationError, match="FLOWER_BASIC_AUTH"):
        check_password(given)


def test_s14_a_password_may_hold_colons() -> None:
    check_password(["you:a:b:c:d:e:f"])
