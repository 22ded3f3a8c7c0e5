"""Prometheus' configuration and alert rules, and Grafana's dashboard, as files."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.prometheus_server import program


@pytest.fixture
def prometheus(root: Path) -> Path:
    return root / "deploy" / "prometheus"


@pytest.fixture
def rules(prometheus: Path) -> list[dict[str, Any]]:
    document = yaml.safe_load((prometheus / "alerts.yml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program("promtool"), *map(str, words)], capture_output=True, text=True, check=False)


def test_prometheus_takes_the_configuration(prometheus: Path) -> None:
    done = promtool("check", "config", "--syntax-only", prometheus / "prometheus.yml")

    assert done.returncode == 0, done.stderr
    document = yaml.safe_load((prometheus / "prometheus.yml").read_text())
    assert [(prometheus / file).is_file() for file in document["rule_files"]] == [True]


def test_every_alert_fires_when_it_should_and_not_in_a_quiet_run(root: Path, prometheus: Path, tmp_path: Path) -> None:
    cases = (root / "tests" / "deploy" / "alert_cases.yml").read_text()
    (tmp_path / "cases.yml").write_text(cases.replace("ALERTS", str(prometheus / "alerts.yml"), 1))

    done = promtool("test", "rules", tmp_path / "cases.yml")

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried(root: Path, rules: list[dict[str, Any]]) -> None:
    cases = yaml.safe_load((root / "tests" / "deploy" / "alert_cases.yml").read_text())
    fired = {case["alertname"] for test in cases["tests"] for case in test["alert_rule_test"] if case["exp_alerts"]}

    assert fired == {rule["alert"] for rule in rules}


def test_every_alert_is_on_the_page_that_explains_them(root: Path, rules: list[dict[str, Any]]) -> None:
    page = (root / "docs" / "how-to" / "watch-a-cluster.md").read_text(encoding="utf-8")

    assert set(re.findall(r"`(Refnet\w+)`", page)) == {rule["alert"] for rule in rules}


def test_every_alert_says_how_grave_it_is_and_what_to_do(rules: list[dict[str, Any]]) -> None:
    for rule in rules:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]


def test_the_stall_alert_is_evaluated_often_enough_to_fire_within_a_minute(
    prometheus: Path, rules: list[dict[str, Any]]
) -> None:
    often = yaml.safe_load((prometheus / "prometheus.yml").read_text())["global"]
    (stalled,) = [rule for rule in rules if rule["alert"] == "RefnetStalled"]
    quiet = max(map(int, re.findall(r"seconds > (\d+)", stalled["expr"])))
    scrape, evaluation = (int(often[key].rstrip("s")) for key in ("scrape_interval", "evaluation_interval"))

    assert quiet + scrape + 2 * evaluation + int(stalled["for"].rstrip("s")) < 60


def test_the_dashboard_is_found_by_grafana_and_asks_the_prometheus_that_is_set_up(root: Path) -> None:
    grafana = root / "deploy" / "grafana"
    board = json.loads((grafana / "dashboards" / "refnet.json").read_text())
    (source,) = yaml.safe_load((grafana / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"]
    (folder,) = yaml.safe_load((grafana / "provisioning" / "dashboards" / "refnet.yml").read_text())["providers"]

    assert folder["options"]["path"] == "/var/lib/grafana/dashboards"
    asked = [*board["panels"], *(target for panel in board["panels"] for target in panel["targets"])]
    assert {one["datasource"]["uid"] for one in asked} == {source["uid"]}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    places = sorted((panel["gridPos"]["y"], panel["gridPos"]["x"], panel["gridPos"]["w"]) for panel in board["panels"])
    assert all(x + w <= 24 for _, x, w in places)
