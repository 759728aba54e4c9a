"""Programs of operators that tests run: Prometheus and its promtool, helm, a validator of Kubernetes manifests."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

INSTALLED_BY_CI = {
    "promtool": "apt-get install prometheus",
    "prometheus": "apt-get install prometheus",
    "kubernetes-validate": "uv tool install kubernetes-validate",
}
WAYS = (
    INSTALLED_BY_CI
    | {"systemd-analyze": "apt-get install systemd"}
    | {"helm": "go install helm.sh/helm/v3/cmd/helm@v3.18.4"}
)
PLACES = os.pathsep.join((os.environ.get("PATH", ""), str(Path.home() / ".local/bin"), str(Path.home() / "go/bin")))


def tool(name: str) -> str:
    """Where a program is. Where it is missing a test is skipped with a notice; in CI, which installs most, it fails."""
    found = shutil.which(name, path=PLACES)
    if found is not None:
        return found
    missing = f"{name} is missing: {WAYS[name]}"
    if os.environ.get("CI") and name in INSTALLED_BY_CI:
        pytest.fail(missing)
    pytest.skip(missing)
