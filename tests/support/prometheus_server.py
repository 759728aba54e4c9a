"""A real Prometheus that scrapes what a test tells it to, every second."""

from __future__ import annotations

import asyncio
import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from operator_tools import tool

from touchpoint.embedded.broker import free_port


class Prometheus:
    """A server and its HTTP API."""

    def __init__(self, port: int) -> None:
        self._api = f"http://127.0.0.1:{port}/api/v1/"

    async def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer of the API; None while nobody answers. Raises AssertionError where it refuses."""
        return await asyncio.to_thread(self._ask, path, parameters)

    def _ask(self, path: str, parameters: dict[str, str]) -> Any:
        try:
            with urllib.request.urlopen(f"{self._api}{path}?{urllib.parse.urlencode(parameters)}", timeout=10) as said:
                return json.loads(said.read())["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it is starting
                return None
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None
        except OSError:
            return None


@contextmanager
def prometheus(folder: Path, targets: Sequence[str], rules: Sequence[Path] = ()) -> Iterator[Prometheus]:
    """Scrapes ``targets`` (host:port) as the job `touchpoint` until the context ends."""
    port = free_port()
    jobs = [{"job_name": "touchpoint", "static_configs": [{"targets": list(targets)}]}]
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(path) for path in rules],
        "scrape_configs": jobs,
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = [
        tool("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        yield Prometheus(port)
    finally:
        process.kill()
        process.wait()
