"""What is said about running it for real fits the program: the compose file, the image, the example environment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from touchpoint.cli import COMMANDS
from touchpoint.settings import PREFIX, Settings
from touchpoint.settings.web_section import WebSettings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def test_compose_file_has_kafka_postgres_one_shot_jobs_a_worker_and_the_web(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"kafka", "postgres", "migrate", "topics", "worker", "web-key", "web"}


def test_service_dependencies_exist_and_can_be_waited_for(compose: dict[str, Any]) -> None:
    services = compose["services"]
    waits = [
        (name, on, how["condition"]) for name, s in services.items() for on, how in s.get("depends_on", {}).items()
    ]
    assert len(waits) == 6
    for _, on, condition in waits:
        assert condition == ("service_healthy" if "healthcheck" in services[on] else "service_completed_successfully")


def test_our_services_run_commands_that_exist(compose: dict[str, Any]) -> None:
    commands = {service["command"].split()[0] for service in compose["services"].values() if "command" in service}
    assert commands == {"migrate", "topics", "worker", "web"}
    assert commands < {command.name for command in COMMANDS}


def test_every_variable_is_a_setting(compose: dict[str, Any]) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {"PGPASSWORD"}  # the driver reads it
    known |= {f"{PREFIX}WEB__{name.upper()}" for name in WebSettings.model_fields}
    ours = [service["environment"] for service in compose["services"].values() if service["image"] == "touchpoint"]
    image = re.findall(rf"\b({PREFIX}\w+)=", (ROOT / "deploy/Dockerfile").read_text())
    assert len(ours) == 5
    assert {name for environment in ours for name in environment} | set(image) <= known


def test_compose_file_holds_no_password_and_no_secret(compose: dict[str, Any]) -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    needed = set(re.findall(r"\$\{(\w+):\?", text))
    example = dict(line.split("=") for line in (ROOT / "deploy/example.env").read_text().splitlines() if "=" in line)
    assert (
        needed
        == {"POSTGRES_PASSWORD", "WEB_PASSWORD", "TOUCHPOINT_PARTY_SECRET", "TOUCHPOINT_WEB__KEY"}
        == set(example)
    )
    assert set(example.values()) == {""}
    assert compose["services"]["postgres"]["environment"]["POSTGRES_PASSWORD"].startswith("${")


def test_the_worker_is_given_time_to_end(compose: dict[str, Any]) -> None:
    grace = compose["services"]["worker"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > Settings.model_fields["grace_seconds"].default


@pytest.mark.parametrize("volume", ["kafka", "postgres"])
def test_data_outlives_its_container(compose: dict[str, Any], volume: str) -> None:
    assert volume in compose["volumes"]
    assert any(mount.startswith(f"{volume}:") for mount in compose["services"][volume]["volumes"])


def test_the_image_installs_locked_packages_and_runs_as_nobody_special() -> None:
    text = (ROOT / "deploy/Dockerfile").read_text()
    assert "--require-hashes" in text
    assert re.search(r"^USER touchpoint$", text, re.MULTILINE)
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        assert all((ROOT / part).exists() for part in source.split())
