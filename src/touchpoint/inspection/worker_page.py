"""What a worker's own page of metrics tells of it."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec
from prometheus_client.parser import text_string_to_metric_families

SECONDS = 3.0


class Sample(msgspec.Struct, frozen=True):
    """One value of a metric."""

    name: str
    labels: dict[str, str]
    value: float


class WorkerPage(msgspec.Struct, frozen=True):
    """A worker's metrics, or why they could not be read."""

    url: str
    samples: list[Sample] = []
    trouble: str = ""

    def values(self, name: str, **labels: str) -> Iterator[Sample]:
        """The samples of a metric, without `touchpoint_`, that have these labels."""
        wanted = labels.items()
        return (s for s in self.samples if s.name == f"touchpoint_{name}" and wanted <= s.labels.items())

    def value(self, name: str, **labels: str) -> float | None:
        """The first of them."""
        return next((sample.value for sample in self.values(name, **labels)), None)


async def read_page(url: str) -> WorkerPage:
    """Ask a worker for its metrics; ``url`` as http://host:port/metrics."""
    try:
        text = await asyncio.to_thread(_get, url)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return WorkerPage(url, trouble=f"{url} cannot be read: {reason}")
    try:
        families = list(text_string_to_metric_families(text))
    except ValueError:
        return WorkerPage(url, trouble=f"{url} has no metrics")
    return WorkerPage(url, [Sample(s.name, dict(s.labels), s.value) for each in families for s in each.samples])


def _get(url: str) -> str:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=SECONDS)
    try:
        connection.request("GET", parts.path or "/metrics")
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise http.client.HTTPException(f"status {response.status}")
        return response.read().decode()
    finally:
        connection.close()
