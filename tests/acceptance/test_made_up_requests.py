"""schemathesis: requests made up from the OpenAPI document, valid and hostile, in each role.

Here for some seconds each; `make test ARGS='-n 0 -s -k made_up --made-up-seconds 600'` is the long form, and tells its
numbers.

All its checks are held, in all its phases, but for these:
`ignored_auth`, since an address that tries many bad keys is told to wait (429), which the check takes for an answer;
the matrix of `test_permission` tries each operation without a key, and with keys that do not hold.
`positive_data_acceptance` where a text has to be one that exists (a seed, a cursor): no schema can say which do.
Of `negative_data_rejection` a refusal as too large (413) at `/login` is one, too, which the check does not know: whom nobody
knows may send little.
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

#: Keys that do not hold are refused as they are tried, and told to wait; as many seconds are spent on them as on others.
ROLES = ("none", "bad", "revoked", "read", "write", "admin")
SETTINGS = """
[checks.ignored_auth]
enabled = false

[[operations]]
include-operation-id = ["ask_for_crawl", "list_crawls", "list_papers", "list_dead_letters"]

[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "401", "403", "422", "429"]

[[operations]]
include-operation-id = ["log_in"]

[operations.checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "406", "413", "415", "422", "428", "429", "5xx"]
"""


@pytest.mark.slow
@pytest.mark.parametrize("role", ROLES)
def test_whatever_can_be_made_up_from_the_document_is_answered_as_it_says(
    refnet: Refnet, tmp_path: Path, role: str, request: pytest.FixtureRequest
) -> None:
    # Nobody reads the log here, which has a line for each that is refused.
    refnet = refnet.with_(REFNET_API_RPS="1000000", REFNET_LOG_LEVEL="WARNING")
    refnet.done("map", SEED, "--limit", "20")
    made = {
        name: refnet.done("keys", "create", "--scope", scope, "--json").json
        for name, scope in {"read": "read", "write": "write", "admin": "admin", "revoked": "admin"}.items()
    }
    refnet.done("keys", "revoke", made["revoked"]["id"])
    keys = {name: one["key"] for name, one in made.items()} | {"bad": f"{made['admin']['key'][:-1]}_"}
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    server = serving(refnet)
    with server.client(keys["admin"]) as client:
        (tmp_path / "openapi.json").write_text(client.get("/openapi.json").text)
    program = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    assert program is not None

    done = subprocess.run(
        [
            *(program, "--config-file", "schemathesis.toml", "run", "openapi.json", "--url", server.url),
            *(
                "--max-time",
                str(request.config.getoption("--made-up-seconds")),
                "--seed",
                "1",
                "--continue-on-failure",
                "--no-color",
            ),
            *("--exclude-operation-id", "follow_crawl", "--warnings", "off"),
            # A busy machine makes up requests slowly; that is nothing of the server's.
            *("--suppress-health-check", "too_slow"),
            *([] if role == "none" else ["--header", f"Authorization: Bearer {keys[role]}"]),
        ],
        cwd=tmp_path,
        env=clean_environment(tmp_path / "data"),
        capture_output=True,
        text=True,
        check=False,
    )

    print(done.stdout[-1_500:])
    with server.client(keys["read"]) as client:
        assert client.get("/ready").status_code == 200
    ended = server.running.interrupt()
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    assert "Traceback" not in ended.err
    assert ended.code == 0
