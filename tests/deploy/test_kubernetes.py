"""The chart for Kubernetes, and the manifests that are rendered from it: valid, and fit for the program."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from operator_tools import tool

from touchpoint.cli import COMMANDS
from touchpoint.settings import PREFIX, Settings
from touchpoint.settings.secret_files import FILE, secret_places, variable

DEPLOY = Path(__file__).parents[2] / "deploy"
RENDERED = DEPLOY / "kubernetes.yaml"
MANIFESTS: list[dict[str, Any]] = [each for each in yaml.safe_load_all(RENDERED.read_text()) if each]


def named(kind: str) -> dict[str, Any]:
    [found] = [manifest for manifest in MANIFESTS if manifest["kind"] == kind]
    return found


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for manifest in MANIFESTS:
        spec = manifest.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template is not None:
            yield manifest["metadata"]["name"], template["spec"]


def containers() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, pod in pods():
        yield from ((name, each) for each in (*pod.get("initContainers", ()), *pod["containers"]))


def test_what_is_committed_is_what_helm_renders() -> None:
    environment = {"PATH": f"{Path(tool('helm')).parent}:/usr/bin:/bin"}
    done = subprocess.run(
        [DEPLOY / "kubernetes.sh"], capture_output=True, text=True, check=False, env=environment, cwd=DEPLOY
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == RENDERED.read_text(), "out of date: deploy/kubernetes.sh > deploy/kubernetes.yaml"


@pytest.mark.parametrize(
    "values", ["", "settings.brokers=k:9092,settings.party_secret=s", "settings.brokers=k:9092,a=1"]
)
def test_helm_refuses_values_without_brokers_with_a_secret_or_with_an_unknown_name(values: str) -> None:
    command: list[str | Path] = [
        tool("helm"),
        "template",
        "touchpoint",
        DEPLOY / "helm/touchpoint",
        "--kube-version",
        "1.31.0",
    ]
    done = subprocess.run([*command, "--set", values or "replicas=1"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "values don't meet the specifications of the schema" in done.stderr


def test_helm_finds_nothing_in_the_chart() -> None:
    command: list[str | Path] = [
        tool("helm"),
        "lint",
        "--strict",
        "--values",
        DEPLOY / "helm/example.yaml",
        DEPLOY / "helm/touchpoint",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("version", ["1.28", "1.34"])
def test_manifests_are_valid_for_kubernetes(version: str) -> None:
    command: list[str | Path] = [tool("kubernetes-validate"), "-k", version, "--strict", "--no-warn", RENDERED]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    ours = {manifest["kind"] for manifest in MANIFESTS} - {"ScaledObject"}  # KEDA's: Kubernetes has no schema of it
    passed = set(re.findall(r"passed for resource (\w+)/", done.stdout + done.stderr))
    assert passed == {kind.lower() for kind in ours}


def test_there_is_what_an_installation_needs() -> None:
    assert sorted(manifest["kind"] for manifest in MANIFESTS) == [
        "CronJob", "Job", "Job", "NetworkPolicy", "PodDisruptionBudget", "ScaledObject", "Service", "StatefulSet"
    ]  # fmt: skip
    commands = [(name, *container["args"]) for name, container in containers()]
    assert commands == [
        ("touchpoint-worker", "check"), ("touchpoint-worker", "worker"), ("touchpoint-partitions", "partitions"),
        ("touchpoint-migrate", "migrate"), ("touchpoint-topics", "topics"),
    ]  # fmt: skip
    assert {command for _, command in commands} <= {command.name for command in COMMANDS}


def test_every_variable_is_a_setting_and_every_file_of_a_secret_is_mounted() -> None:
    settings = {PREFIX + name.upper() for name in Settings.model_fields}
    files = {variable(PREFIX, place) + FILE for place in secret_places(Settings)}
    for name, pod in pods():
        mounted = {
            item["path"] for volume in pod["volumes"] for source in volume["projected"]["sources"]
            for item in source["secret"]["items"]
        }  # fmt: skip
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            values = {each["name"]: each.get("value", "") for each in container["env"]}
            assert values.keys() <= settings | files, name
            wanted = {Path(value).name for variable_, value in values.items() if variable_ in files}
            assert wanted == mounted, name
            assert container["volumeMounts"][0]["mountPath"] == "/run/secrets/touchpoint"


def test_nothing_runs_as_root_or_writes_to_its_file_system() -> None:
    for name, container in containers():
        allowed = container["securityContext"]
        assert allowed["readOnlyRootFilesystem"], name
        assert not allowed["allowPrivilegeEscalation"], name
        assert allowed["capabilities"] == {"drop": ["ALL"]}, name
    for name, pod in pods():
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["enableServiceLinks"] is False, f"{name}: TOUCHPOINT_WORKER_PORT would be an unknown setting"


def test_worker_has_a_stable_instance_id_and_time_to_end_and_is_scaled_to_its_partitions_at_most() -> None:
    pod = named("StatefulSet")["spec"]["template"]["spec"]
    [worker] = pod["containers"]
    values = {each["name"]: each for each in worker["env"]}
    assert values["TOUCHPOINT_INSTANCE_ID"]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert pod["terminationGracePeriodSeconds"] > Settings.model_fields["grace_seconds"].default
    assert (worker["livenessProbe"]["httpGet"]["path"], worker["readinessProbe"]["httpGet"]["path"]) == (
        "/livez", "/readyz"
    )  # fmt: skip
    scaled = named("ScaledObject")["spec"]
    assert scaled["maxReplicaCount"] <= int(values["TOUCHPOINT_PARTITIONS"]["value"])
    assert scaled["scaleTargetRef"]["name"] == named("StatefulSet")["metadata"]["name"]
    assert "touchpoint_lag_records" in scaled["triggers"][0]["metadata"]["query"]
