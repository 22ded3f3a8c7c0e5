"""schemathesis, the short form: requests made up from the OpenAPI document, valid and hostile, in each role.

All its checks are held, in all its phases, but for these:
`ignored_auth`, since an address that tries many bad keys is told to wait (429), which the check takes for an answer;
the matrix of `test_permission` tries each operation without a key, and with keys that do not hold.
`positive_data_acceptance` where a text has to be one that exists (a seed, a cursor): no schema can say which do.
The event stream is left out: it lasts as long as its crawl. `test_events` has it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from refnet.demo.bundled import SEED
from tests.acceptance.command import Refnet, clean_environment
from tests.acceptance.serving import serving

#: Seconds for each role; as many are spent on those that are refused as on those that are let in.
SECONDS = 12
SETTINGS = """
[checks.ignored_auth]
enabled = false

[[operations]]
include-operation-id = ["ask_for_crawl", "list_crawls", "list_papers", "list_dead_letters"]

[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "401", "403", "422", "429"]
"""


@pytest.mark.slow
@pytest.mark.parametrize("role", ["none", "read", "write", "admin"])
def test_whatever_can_be_made_up_from_the_document_is_answered_as_it_says(
    refnet: Refnet, tmp_path: Path, role: str
) -> None:
    refnet = refnet.with_(REFNET_API_RPS="1000000")
    refnet.done("map", SEED, "--limit", "20")
    keys = {
        scope: refnet.done("keys", "create", "--scope", scope, "--json").json["key"]
        for scope in ("read", "write", "admin")
    }
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    server = serving(refnet)
    with server.client(keys["admin"]) as client:
        (tmp_path / "openapi.json").write_text(client.get("/openapi.json").text)
    program = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    assert program is not None

    done = subprocess.run(
        [
            *(program, "--config-file", "schemathesis.toml", "run", "openapi.json", "--url", server.url),
            *("--max-time", str(SECONDS), "--seed", "1", "--continue-on-failure", "--no-color"),
            *("--exclude-operation-id", "follow_crawl", "--warnings", "off"),
            *([] if role == "none" else ["--header", f"Authorization: Bearer {keys[role]}"]),
        ],
        cwd=tmp_path,
        env=clean_environment(tmp_path / "data"),
        capture_output=True,
        text=True,
        check=False,
    )

    with server.client(keys["read"]) as client:
        assert client.get("/ready").status_code == 200
    ended = server.running.interrupt()
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    assert "Traceback" not in ended.err
    assert ended.code == 0
