"""S08, and S18 of reliability.md: each rule for every service, and each broken once to see that it is found."""

from __future__ import annotations

import copy
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import refnet
from refnet.adapters.celery_queue.application import SOFT_SHUTDOWN
from refnet.domain.workers import WORKERS
from refnet.settings import SECRETS, Settings
from tests.deploy.deployment import COMPOSE, ROOT, compose, seconds, services
from tests.servers import missing

Service = dict[str, Any]
Rule = Callable[[str, Service], bool]

#: Ours, which all run from one image; `migrate` ends, the others go on.
OURS = {"api", "crawler", "summarizer", "generator", "beat", "flower", "migrate"}
SERVERS = {"postgres", "redis", "rabbitmq", "prometheus", "grafana", "proxy"}
#: Seconds until a worker that hangs ends itself.
HANGS = 25.0
TAG = re.compile(r"[a-z][a-z0-9./-]*:v?\d+\.\d+(\.\d+)?(-[a-z]+[0-9.]*)*")
#: Reached by what asks for a password or a key: a worker, or a server of data.
WITHOUT = {"egress", "outside"}


def networks(service: Service) -> set[str]:
    return set(service.get("networks", ["default"]))


def is_exact(image: str) -> bool:
    return TAG.fullmatch(image) is not None


def mounts(service: Service) -> list[str]:
    return [str(volume) for volume in service.get("volumes", [])]


def words(service: Service) -> list[str]:
    """Of what the service's own process and its health check are started with."""
    parts = [service.get("command", []), service.get("entrypoint", []), service.get("healthcheck", {}).get("test", [])]
    return [str(word) for part in parts for word in part]


RULES: dict[str, Rule] = {
    "runs as a user who is not root": lambda _, s: re.fullmatch(r"[1-9]\d*:\d+", s.get("user", "")) is not None,
    "has a read-only root file system": lambda _, s: s.get("read_only") is True,
    "has none of the kernel's capabilities": lambda _, s: s.get("cap_drop") == ["ALL"] and "cap_add" not in s,
    "can gain no privileges": lambda _, s: s.get("security_opt") == ["no-new-privileges:true"],
    "is not privileged and shares nothing of the host": lambda _, s: (
        not s.keys() & {"privileged", "network_mode", "pid", "ipc", "devices", "userns_mode"}
    ),
    "has a limit of memory": lambda _, s: re.fullmatch(r"\d+[mg]", s.get("mem_limit", "")) is not None,
    "has a limit of processes": lambda _, s: 0 < s.get("pids_limit", 0) <= 256,
    "is looked after by a health check": lambda name, s: (
        name == "migrate" or {"test", "interval", "timeout", "retries"} <= s.get("healthcheck", {}).keys()
    ),
    "is started again, but the one that ends": lambda name, s: (
        s.get("restart") == ("no" if name == "migrate" else "unless-stopped")
    ),
    "has time to end in order": lambda _, s: seconds(s.get("stop_grace_period", "10s")) >= 60 > HANGS > SOFT_SHUTDOWN,
    "is of an exact version": lambda _, s: is_exact(s["image"]),
    "lets its log grow no further than to 50 MB": lambda _, s: (
        s["logging"]["options"] == {"max-size": "10m", "max-file": "5"}
    ),
    "is reached from outside only if it is the proxy, and from this machine only": lambda name, s: (
        s.get("ports", []) == (["127.0.0.1:8000:8080"] if name == "proxy" else [])
    ),
    "belongs to a profile": lambda _, s: (
        bool(s.get("profiles")) and set(s["profiles"]) <= {"core", "rabbitmq", "monitoring"}
    ),
    "is in networks of its own choice": lambda _, s: (
        networks(s) <= {"outside", "egress", "web", "servers", "monitoring"}
    ),
    "has a way out only if it asks Semantic Scholar, or is the proxy": lambda name, s: (
        networks(s) & WITHOUT
        == ({"outside"} if name == "proxy" else {"egress"} if name in ("crawler", "summarizer") else set())
    ),
    "mounts what is the repository's for reading alone": lambda _, s: all(
        volume.endswith(":ro") for volume in mounts(s) if volume.startswith("./deploy")
    ),
    "mounts no socket and no other folder of the host": lambda _, s: all(
        re.match(r"(\./deploy/|\./vault:/vault$|[a-z]+:/)", volume) for volume in mounts(s)
    ),
    "is started without a shell, and with no variable that only a shell would expand": lambda _, s: (
        not any(word in ("sh", "bash", "/bin/sh") for word in words(s))
        and not any("$" in word for word in words(s) if s.get("healthcheck", {}).get("test", [""])[0] != "CMD-SHELL")
        and isinstance(s.get("command", []), list)
    ),
    "is given no secret but by a file": lambda _, s: (
        not any(
            re.search("PASSWORD|SECRET|TOKEN|_KEY|BASIC_AUTH|DATABASE_URL|BROKER_URL|SIGNING", name)
            and not (name.endswith("_FILE") and str(value).startswith("/run/secrets/"))
            for name, value in s.get("environment", {}).items()
        )
    ),
    "is given each secret that it names": lambda _, s: (
        {str(value).rpartition("/")[2] for value in s.get("environment", {}).values() if "/run/secrets/" in str(value)}
        <= {secret if isinstance(secret, str) else secret["source"] for secret in s.get("secrets", [])}
    ),
    "has an init that buries what its processes leave": lambda _, s: s.get("init") is True,
}

#: What breaks each rule, of a service that kept it.
BREAKS: dict[str, tuple[str, Service]] = {
    "runs as a user who is not root": ("redis", {"user": "0:0"}),
    "has a read-only root file system": ("api", {"read_only": False}),
    "has none of the kernel's capabilities": ("proxy", {"cap_add": ["NET_BIND_SERVICE"]}),
    "can gain no privileges": ("grafana", {"security_opt": []}),
    "is not privileged and shares nothing of the host": ("crawler", {"network_mode": "host"}),
    "has a limit of memory": ("crawler", {"mem_limit": ""}),
    "has a limit of processes": ("crawler", {"pids_limit": -1}),
    "is looked after by a health check": ("beat", {"healthcheck": {"disable": True}}),
    "is started again, but the one that ends": ("summarizer", {"restart": "no"}),
    "has time to end in order": ("generator", {"stop_grace_period": "10s"}),
    "is of an exact version": ("postgres", {"image": "postgres:17"}),
    "lets its log grow no further than to 50 MB": ("api", {"logging": {"options": {}}}),
    "is reached from outside only if it is the proxy, and from this machine only": ("redis", {"ports": ["6379:6379"]}),
    "belongs to a profile": ("api", {"profiles": []}),
    "is in networks of its own choice": ("api", {"networks": ["default"]}),
    "has a way out only if it asks Semantic Scholar, or is the proxy": (
        "postgres",
        {"networks": ["servers", "egress"]},
    ),
    "mounts what is the repository's for reading alone": (
        "prometheus",
        {"volumes": ["./deploy/prometheus:/etc/prometheus"]},
    ),
    "mounts no socket and no other folder of the host": (
        "flower",
        {"volumes": ["/var/run/docker.sock:/var/run/docker.sock"]},
    ),
    "is started without a shell, and with no variable that only a shell would expand": (
        "flower",
        {"command": ["celery", "-A", "refnet", "flower", "--basic_auth=${FLOWER_USER}:${FLOWER_PASSWORD}"]},
    ),
    "is given no secret but by a file": ("grafana", {"environment": {"GF_SECURITY_ADMIN_PASSWORD": "admin"}}),
    "is given each secret that it names": ("api", {"secrets": ["database_url"]}),
    "has an init that buries what its processes leave": ("crawler", {"init": False}),
}


@pytest.mark.parametrize("rule", RULES)
def test_s18_every_service(rule: str) -> None:
    assert [name for name, service in services().items() if not RULES[rule](name, service)] == []


@pytest.mark.parametrize("rule", RULES)
def test_s18_a_service_that_does_not_is_found(rule: str) -> None:
    name, broken = BREAKS[rule]
    service = copy.deepcopy(services()[name])
    assert RULES[rule](name, service)

    assert not RULES[rule](name, service | broken)


def test_s08_every_part_of_the_design_is_a_service_and_one_image_is_ours() -> None:
    found = services()

    assert set(found) == OURS | SERVERS
    assert {name for name, service in found.items() if "build" in service} == OURS
    assert {found[name]["image"] for name in OURS} == {f"refnet:{refnet.__version__}"}


def test_s18_servers_of_data_and_of_figures_are_in_networks_without_a_way_out_or_in() -> None:
    found = compose()["networks"]

    assert {name for name, network in found.items() if network.get("internal")} == {"servers", "web", "monitoring"}
    for name in ("postgres", "redis", "rabbitmq"):
        assert networks(services()[name]) == {"servers"}


def test_s18_a_secret_is_a_file_of_the_folder_named_and_nothing_else() -> None:
    for name, secret in compose()["secrets"].items():
        assert set(secret) == {"file"}, name
        assert re.fullmatch(r"<REFNET_SECRETS>/[a-z_]+(\.conf)?", secret["file"]), name


def test_s18_no_password_stands_in_any_file() -> None:
    texts = [COMPOSE, *(path for path in (ROOT / "deploy").rglob("*") if path.is_file())]
    found = [
        (path.name, line)
        for path in texts
        for line in path.read_text(encoding="utf-8").splitlines()
        if not line.lstrip().startswith("#")
        and re.search(r"(?i)(password|passwd|requirepass|secret)\s*[:=]\s*[\"']?[a-z0-9]{4,}[\"']?$", line)
    ]
    assert found == []


def test_s08_what_our_services_are_told_is_what_the_settings_read() -> None:
    read = {str(field.validation_alias) for field in Settings.model_fields.values()} | {
        f"{name}_FILE" for name in SECRETS
    }
    told = {name for service in OURS for name in services()[service]["environment"]}

    # These Flower reads by itself.
    assert told - read == {"FLOWER_ADDRESS", "FLOWER_PORT", "FLOWER_URL_PREFIX", "FLOWER_XHEADERS"}


def test_s08_each_worker_has_its_own_service_with_its_health_check() -> None:
    for kind in WORKERS:
        service = services()[kind.queue]
        assert service["command"] == ["refnet", "worker", kind.queue]
        assert service["healthcheck"]["test"] == ["CMD-SHELL", f'refnet doctor --worker "{kind.queue}@$(hostname)"']


def test_s08_the_database_is_well_once_the_others_can_reach_it() -> None:
    """While its first start makes the database, it listens at its own socket alone."""
    test = services()["postgres"]["healthcheck"]["test"]

    assert test[:4] == ["CMD", "pg_isready", "-h", "127.0.0.1"]


def test_s08_what_shows_the_source_is_told_the_same_address_as_what_asks_it() -> None:
    address = {name: services()[name]["environment"].get("SEMANTIC_SCHOLAR_URL") for name in OURS}

    assert {name for name, url in address.items() if url is not None} == {"api", "crawler"}


def test_s08_the_how_to_backs_the_database_up_before_it_is_changed() -> None:
    page = (ROOT / "docs" / "how-to" / "deploy.md").read_text(encoding="utf-8")
    section = page.partition("\n## Upgrade, back up, stop\n")[2].partition("\n## ")[0]

    assert 0 < section.index("pg_dump") < section.index("docker compose down")


def test_s08_generators_alone_see_the_vault() -> None:
    assert {name for name, service in services().items() if any(":/vault" in volume for volume in mounts(service))} == {
        "generator"
    }


# ---------------------------------------------------------------- as Compose itself reads it


@pytest.fixture(scope="module")
def program() -> list[str]:
    """Compose itself, which needs no engine to read a file: Debian's, or the plugin of Docker's client."""
    found = shutil.which("docker-compose")
    chosen = ["docker", "compose"] if found is None else [found]
    if (
        shutil.which(chosen[0]) is None
        or subprocess.run([*chosen, "version"], capture_output=True, check=False).returncode
    ):
        missing("no docker-compose on this machine")
    return chosen


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What somebody has who wants to deploy."""
    shutil.copy(COMPOSE, tmp_path)
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    return tmp_path


def made(clone: Path, *words: str) -> None:
    subprocess.run(["sh", "deploy/secrets.sh", *words], cwd=clone, check=True, capture_output=True)


def read(program: list[str], clone: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(clone)}
    return subprocess.run([*program, *words], cwd=clone, env=environment, capture_output=True, text=True, check=False)


CORE = {"api", "crawler", "summarizer", "generator", "beat", "migrate", "postgres", "proxy"}
MONITORING = {"flower", "prometheus", "grafana"}
#: The profiles that go together, and what they start.
PROFILES = {
    "core": CORE | {"redis"},
    "rabbitmq": CORE | {"rabbitmq"},
    "monitoring": MONITORING,
    "core,monitoring": CORE | MONITORING | {"redis"},
    "rabbitmq,monitoring": CORE | MONITORING | {"rabbitmq"},
}


@pytest.mark.parametrize("profiles", PROFILES)
def test_s08_each_profile_has_its_services_and_all_that_they_wait_for(profiles: str) -> None:
    chosen = set(profiles.split(","))
    started = {name: service for name, service in services().items() if chosen & set(service["profiles"])}

    assert set(started) == PROFILES[profiles]
    assert {other for service in started.values() for other in service.get("depends_on", [])} <= set(started)


@pytest.mark.parametrize("profiles", PROFILES)
def test_s08_compose_takes_the_file_by_the_specification(program: list[str], clone: Path, profiles: str) -> None:
    made(clone)
    (clone / ".env").write_text(f"REFNET_SECRETS=./secrets\nCOMPOSE_PROFILES={profiles}\n")

    done = read(program, clone, "config", "-q")

    assert (done.returncode, done.stderr) == (0, "")


def test_s08_the_settings_that_are_made_choose_the_profile(clone: Path) -> None:
    for words, profile in (((), "core"), (("rabbitmq",), "rabbitmq")):
        made(clone, *words)
        assert f"COMPOSE_PROFILES={profile}\n" in (clone / ".env").read_text()
        (clone / ".env").unlink()
        (clone / "secrets" / "broker_url").unlink()


def test_s08_compose_refuses_what_the_specification_does_not_know(program: list[str], clone: Path) -> None:
    made(clone)
    text = (clone / "compose.yaml").read_text()
    (clone / "compose.yaml").write_text(text.replace("read_only: true", "read_onyl: true"))

    done = read(program, clone, "config", "-q")

    assert done.returncode != 0
    assert "read_onyl" in done.stderr


def test_s18_without_secrets_compose_stops_and_says_how_they_are_made(program: list[str], clone: Path) -> None:
    done = read(program, clone, "--profile", "core", "config", "-q")

    assert done.returncode != 0
    assert "REFNET_SECRETS" in done.stderr
    assert "sh deploy/secrets.sh makes it" in done.stderr


# ---------------------------------------------------------------- the secrets


def contents(clone: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted((clone / "secrets").iterdir())}


def test_s18_secrets_are_random_closed_to_others_and_made_once(clone: Path) -> None:
    made(clone)
    first = contents(clone)
    made(clone)

    assert contents(clone) == first
    assert (clone / "secrets").stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in (clone / "secrets").iterdir())
    for name, text in first.items():
        assert name in ("semantic_scholar_key", "openai_key", "anthropic_key") or re.search(r"[0-9a-f]{48}", text), name
    assert first["database_url"] == f"postgresql://refnet:{first['postgres_password']}@postgres:5432/refnet\n"
    assert first["broker_url"] == f"redis://:{first['redis_password']}@redis:6379/0\n"
    assert first["redis.conf"].endswith(f"requirepass {first['redis_password']}\n")

    for name in first:
        (clone / "secrets" / name).unlink()
    made(clone)
    assert contents(clone).keys() == first.keys()
    assert all(text != first[name] for name, text in contents(clone).items() if text)


def test_s18_every_secret_of_compose_is_made_but_the_key_that_the_interface_makes(clone: Path) -> None:
    made(clone)
    (clone / "secrets" / "broker_url").unlink()
    made(clone, "rabbitmq")

    wanted = {secret["file"].rpartition("/")[2] for secret in compose()["secrets"].values()}
    assert wanted - contents(clone).keys() == {"metrics_key"}
    assert contents(clone)["broker_url"] == f"amqp://refnet:{contents(clone)['rabbitmq_password']}@rabbitmq:5672//\n"


def test_a_broker_that_there_is_not_is_refused_and_nothing_is_made(clone: Path) -> None:
    done = subprocess.run(["sh", "deploy/secrets.sh", "kafka"], cwd=clone, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (2, "usage: sh deploy/secrets.sh [core|rabbitmq]\n")
    assert not (clone / "secrets").exists()


# ---------------------------------------------------------------- digests

#: Stands for Docker's client, which asks a registry: every image has a digest of its own, and one has none.
DOCKER = """#!/bin/sh
case $4 in *nothing*) echo 'manifest unknown'; exit 0;; esac
echo "sha256:$(printf %s "$4" | sha256sum | cut -d' ' -f1)"
"""


def pin(clone: Path) -> subprocess.CompletedProcess[str]:
    programs = clone / "programs"
    programs.mkdir()
    (programs / "docker").write_text(DOCKER)
    (programs / "docker").chmod(0o755)
    environment = {"PATH": f"{programs}:{os.environ['PATH']}"}
    words = ["sh", "deploy/pin.sh"]
    return subprocess.run(words, cwd=clone, env=environment, capture_output=True, text=True, check=False)


def test_s18_the_documented_command_pins_every_image_by_its_digest_and_compose_takes_that(
    program: list[str], clone: Path
) -> None:
    made(clone)

    assert pin(clone).returncode == 0

    pinned = compose(clone / "compose.pinned.yaml")["services"]
    for name, service in pinned.items():
        image = service["build"]["args"]["PYTHON"] if name in OURS else service["image"]
        assert re.fullmatch(r"\S+:\S+@sha256:[0-9a-f]{64}", image), name
    assert pinned["redis"]["image"].startswith(services()["redis"]["image"] + "@")
    assert len({service["image"] for service in pinned.values()}) == len(SERVERS) + 1
    assert (
        read(program, clone, "--file", "compose.pinned.yaml", "--profile", "monitoring", "config", "-q").returncode == 0
    )


def test_s18_an_image_without_a_digest_ends_the_pinning_and_leaves_no_file(clone: Path) -> None:
    text = (clone / "compose.yaml").read_text()
    (clone / "compose.yaml").write_text(text.replace("image: redis:", "image: nothing:"))

    done = pin(clone)

    assert done.returncode != 0
    assert "no digest for nothing:" in done.stderr
    assert not (clone / "compose.pinned.yaml").exists()


# ---------------------------------------------------------------- the how-tos

PAGES = sorted((ROOT / "docs" / "how-to").glob("deploy*.md"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_s08_every_service_and_file_that_the_how_tos_name_is_there() -> None:
    assert len(PAGES) == 4
    verbs = re.compile(r"docker compose (?:--\S+ \S+ )*(?:run|exec|up) (.+)")
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for words in verbs.findall("\n".join(body for kind, body in BLOCK.findall(text) if kind == "sh")):
            plain = [word for word in words.split() if not word.startswith("-") and "=" not in word]
            named = plain[:1] if "refnet" in plain or "pg_dump" in plain else plain
            assert set(named) <= set(services()), (page.name, words)
        for path in re.findall(r"(?<![/\w])deploy/[\w./-]+", text):
            assert (ROOT / path.rstrip("./")).exists(), (page.name, path)


def test_s08_the_overrides_that_the_how_tos_show_are_taken_by_compose(program: list[str], clone: Path) -> None:
    made(clone)
    shown = [body for page in PAGES for kind, body in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == "yaml"]
    assert len(shown) == 2
    for body in shown:
        (clone / "compose.override.yaml").write_text(body)
        done = read(program, clone, "--profile", "core", "config")
        assert done.returncode == 0, done.stderr


def test_s08_the_how_tos_choose_profiles_in_the_settings_alone(program: list[str], clone: Path) -> None:
    """Chosen in one command they would go with one broker only, and be forgotten by the next."""
    shown = {page.name: page.read_text(encoding="utf-8") for page in PAGES}
    assert [name for name, text in shown.items() if "--profile" in text] == []
    added = re.search(r"add `(,\w+)` to `COMPOSE_PROFILES` in `.env`", shown["deploy.md"])
    assert added is not None

    for words in ((), ("rabbitmq",)):
        made(clone, *words)
        settings = (clone / ".env").read_text()
        (clone / ".env").write_text(re.sub(r"(?m)^COMPOSE_PROFILES=.*", rf"\g<0>{added[1]}", settings))
        done = read(program, clone, "config", "-q")
        assert (done.returncode, done.stderr) == (0, "")
        chosen = re.search(r"(?m)^COMPOSE_PROFILES=(.*)", (clone / ".env").read_text())
        assert chosen is not None
        assert PROFILES[chosen[1]] > MONITORING
        (clone / ".env").unlink()
        (clone / "secrets" / "broker_url").unlink()


def test_s08_each_setting_of_compose_is_in_the_how_to() -> None:
    used = set(re.findall(r"\$\{(\w+):", COMPOSE.read_text(encoding="utf-8")))
    page = (ROOT / "docs" / "how-to" / "deploy.md").read_text(encoding="utf-8")

    assert [name for name in sorted(used) if f"`{name}`" not in page] == []
