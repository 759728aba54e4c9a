"""What every test shares: how properties are searched, and that Kafka's tests run where Kafka can run."""

from __future__ import annotations

import os
import shutil
import signal

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci" if os.environ.get("CI") else "default")


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background: processes under test inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The fast ones first; what needs Apache Kafka is skipped where Java or Maven is missing, which CI may not be."""
    items.sort(key=lambda item: [item.get_closest_marker(name) is not None for name in ("kafka", "slow")])
    missing = [tool for tool in ("java", "mvn") if shutil.which(tool) is None]
    if not missing or os.environ.get("CI"):
        return
    skip = pytest.mark.skip(reason=f"needs a real Apache Kafka: {' and '.join(missing)} not found")
    for item in items:
        if item.get_closest_marker("kafka"):
            item.add_marker(skip)
