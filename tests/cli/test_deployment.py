"""What is said about running it for real fits the program: the compose file, the image, the example environment."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from operator_tools import tool

from touchpoint.cli import COMMANDS
from touchpoint.settings import PREFIX, Settings
from touchpoint.settings.web_section import WebSettings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def test_compose_file_has_all_that_an_installation_needs(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {
        "kafka", "postgres", "migrate", "topics", "worker-1", "worker-2", "owner", "web-key", "web",
        "prometheus", "grafana",
    }  # fmt: skip
    assert compose["services"]["worker-2"] == compose["services"]["worker-1"]


def test_workers_and_web_log_in_as_whom_the_database_was_made_with_and_not_as_its_owner(
    compose: dict[str, Any],
) -> None:
    script = (ROOT / "deploy/logins.sh").read_text()
    logins = set(re.findall(r"CREATE ROLE (\w+) LOGIN", script))
    used = {}
    for name, service in compose["services"].items():
        if url := service.get("environment", {}).get("TOUCHPOINT_DATABASE_URL"):
            used[name] = re.sub(r"postgresql://(\w+)@.*", r"\1", url)
    assert used == {
        "migrate": "touchpoint", "owner": "touchpoint", "web-key": "touchpoint", "topics": "worker",
        "worker-1": "worker", "worker-2": "worker", "web": "web",
    }  # fmt: skip
    assert logins == {"worker", "web"}
    given = compose["services"]["postgres"]["environment"]
    assert {"WORKER_PASSWORD", "WEB_PASSWORD"} <= set(given) & set(re.findall(r"\$(\w+)", script))


def test_what_containers_mount_is_there_and_prometheus_scrapes_every_worker(compose: dict[str, Any]) -> None:
    mounts = [m for service in compose["services"].values() for m in service.get("volumes", ()) if m.startswith("./")]
    assert len(mounts) == 5
    assert all((ROOT / mount.partition(":")[0]).exists() for mount in mounts)
    scraped = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text())["scrape_configs"][0]["static_configs"]
    workers = [name for name, service in compose["services"].items() if service.get("command") == "worker"]
    assert scraped == [{"targets": [f"{name}:9464" for name in workers]}]


@pytest.mark.parametrize(
    "unit", ["touchpoint@1.service", "touchpoint-partitions.service", "touchpoint-partitions.timer"]
)
def test_systemd_finds_nothing_wrong_in_a_unit(unit: str, tmp_path: Path) -> None:
    program = tmp_path / "touchpoint"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for each in (ROOT / "deploy/systemd").iterdir():
        text = each.read_text().replace("/opt/touchpoint/bin/touchpoint", str(program))
        (tmp_path / each.name.replace("@", "@1")).write_text(text)
        words = re.findall(r"^ExecStart=\S+ (\S+)", each.read_text(), re.MULTILINE)
        assert set(words) <= {command.name for command in COMMANDS}
    done = subprocess.run(
        [tool("systemd-analyze"), "verify", tmp_path / unit], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_service_dependencies_exist_and_can_be_waited_for(compose: dict[str, Any]) -> None:
    services = compose["services"]
    waits = [
        (name, on, how["condition"])
        for name, s in services.items()
        for on, how in (s["depends_on"].items() if isinstance(s.get("depends_on"), dict) else ())
    ]
    assert len(waits) == 9
    for _, on, condition in waits:
        assert condition == ("service_healthy" if "healthcheck" in services[on] else "service_completed_successfully")


def test_our_services_run_commands_that_exist(compose: dict[str, Any]) -> None:
    commands = {service["command"].split()[0] for service in compose["services"].values() if "command" in service}
    assert commands == {"migrate", "topics", "worker", "web"}
    assert commands < {command.name for command in COMMANDS}


def test_every_variable_is_a_setting(compose: dict[str, Any]) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    known |= {f"{PREFIX}WEB__{name.upper()}" for name in WebSettings.model_fields}
    ours = [service["environment"] for service in compose["services"].values() if service["image"] == "touchpoint"]
    image = re.findall(rf"\b({PREFIX}\w+)=", (ROOT / "deploy/Dockerfile").read_text())
    assert len(ours) == 7
    assert {name for environment in ours for name in environment} | set(image) <= known


def test_compose_file_holds_no_password_and_no_secret(compose: dict[str, Any]) -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    needed = set(re.findall(r"\$\{(\w+):\?", text))
    example = dict(line.split("=") for line in (ROOT / "deploy/example.env").read_text().splitlines() if "=" in line)
    assert (
        needed
        == {
            "POSTGRES_PASSWORD",
            "WEB_PASSWORD",
            "WORKER_PASSWORD",
            "GRAFANA_PASSWORD",
            "TOUCHPOINT_PARTY_SECRET",
            "TOUCHPOINT_WEB__KEY",
        }
        == set(example)
    )
    assert set(example.values()) == {""}
    assert compose["services"]["postgres"]["environment"]["POSTGRES_PASSWORD"].startswith("${")


def test_the_worker_is_given_time_to_end(compose: dict[str, Any]) -> None:
    grace = compose["services"]["worker-1"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > Settings.model_fields["grace_seconds"].default


@pytest.mark.parametrize("volume", ["kafka", "postgres", "prometheus", "grafana"])
def test_data_outlives_its_container(compose: dict[str, Any], volume: str) -> None:
    assert volume in compose["volumes"]
    assert any(mount.startswith(f"{volume}:") for mount in compose["services"][volume]["volumes"])


def test_the_image_installs_locked_packages_and_runs_as_nobody_special() -> None:
    text = (ROOT / "deploy/Dockerfile").read_text()
    assert "--require-hashes" in text
    assert re.search(r"^USER touchpoint$", text, re.MULTILINE)
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        assert all((ROOT / part).exists() for part in source.split())
