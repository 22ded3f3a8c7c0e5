"""What a deployment is made of, read from its files: services of Compose with what is interpolated filled in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "compose.yaml"
#: `${NAME:-default}` and `${NAME:?why}`.
_INTERPOLATED = re.compile(r"\$\{(\w+):([-?])([^}]*)\}")


def compose(path: Path = COMPOSE) -> dict[str, Any]:
    """The whole file as Compose reads it where nothing is set: by defaults, and by its name where there is none."""
    found: dict[str, Any] = filled(yaml.safe_load(path.read_text(encoding="utf-8")))
    return found


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def filled(value: Any) -> Any:
    if isinstance(value, str):
        plain = _INTERPOLATED.sub(lambda found: found[3] if found[2] == "-" else f"<{found[1]}>", value)
        return plain.replace("$$", "$")
    if isinstance(value, list):
        return [filled(each) for each in value]
    if isinstance(value, dict):
        return {name: filled(each) for name, each in value.items()}
    return value


def seconds(text: str) -> float:
    """Of a length of time such as `60s` or `1h`."""
    found = re.fullmatch(r"(\d+)(s|m|h)", text)
    assert found is not None, text
    return int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


def procfile() -> dict[str, list[str]]:
    """The words of each process's command."""
    lines = (ROOT / "deploy" / "Procfile").read_text(encoding="utf-8").splitlines()
    return {name: words.split() for name, _, words in (line.partition(": ") for line in lines if line)}


def units() -> dict[str, list[str]]:
    """The lines of each systemd unit, without comments."""
    found = {}
    for path in sorted((ROOT / "deploy" / "systemd").iterdir()):
        lines = path.read_text(encoding="utf-8").splitlines()
        found[path.name] = [line for line in lines if line and not line.startswith("#")]
    return found


def instructions() -> list[tuple[str, str]]:
    """Those of the Dockerfile, each with the rest of its line, continued lines joined."""
    text = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]
