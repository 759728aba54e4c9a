"""`touchpoint check` beside a real Kafka and PostgreSQL: what it says before a start is what a worker would find."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from installation import Installation

from touchpoint.embedded.broker import free_port
from touchpoint.history.agreement import fingerprint
from touchpoint.stream.terms import headers_of

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
SECRET = {"party_secret": "a secret of more than sixteen characters"}
Found = dict[str, dict[str, Any]]


def fingerprint_of(secret: str) -> bytes:
    return bytes.fromhex(fingerprint(secret.encode()))


async def checked(installation: Installation, **own: object) -> tuple[int, Found]:
    """The exit status, and what was found by the name of the check."""
    environment = installation.environment(**{**SECRET, "metrics_port": free_port(), **own})
    asked = [sys.executable, "-m", "touchpoint", "check", "--json"]
    process = await asyncio.create_subprocess_exec(*asked, env=environment, stdout=-1, stderr=-1)
    out, err = await process.communicate()
    assert not err, err.decode()
    report = json.loads(out)
    assert report["status"] == process.returncode
    return report["status"], {finding["check"]: finding for finding in report["findings"]}


def states(found: Found) -> dict[str, str]:
    """What is not well, but for the brokers' clock, which only workers that run can tell."""
    unwell = {name: finding["state"] for name, finding in found.items() if finding["state"] != "ok"}
    return {name: state for name, state in unwell.items() if (name, state) != ("brokers' clock", "skipped")}


async def test_installation_that_is_as_it_should_be_has_no_findings_and_stays_as_it_is(
    installation: Installation,
) -> None:
    status, found = await checked(installation)
    assert (status, states(found)) == (0, {}), found
    assert set(found) == {
        "settings", "party secret", "secrets' files", "port", "database", "schema", "role", "secret in the database",
        "limits", "clock", "broker", "rights", "topics", "replicas", "topics' settings", "group", "changelogs",
        "brokers' clock",
    }  # fmt: skip
    async with installation.connected() as connection:
        assert await connection.fetchval("SELECT count(*) FROM touchpoint.setting") == 0


async def test_secret_limits_and_instance_id_of_a_worker_that_runs_are_compared(installation: Installation) -> None:
    worker = installation.worker(**SECRET, instance_id="one")
    await installation.until(lambda: _is_ready(worker), "the worker")

    async def written() -> bool:
        return bool((await checked(installation))[1]["changelogs"]["detail"].startswith("their form is ours"))

    await installation.until(written, "the changelogs")
    status, found = await checked(installation, instance_id="two")
    assert (status, states(found)) == (0, {})
    assert found["group"]["detail"].endswith("has 1 workers")
    assert found["brokers' clock"]["state"] == "ok"
    status, found = await checked(
        installation, instance_id="one", party_secret="another secret than before", limits__disorder="3s",
        metrics_port=worker.port,
    )  # fmt: skip
    assert status == 2
    assert states(found) == {
        "port": "note", "secret in the database": "failed", "group": "note", "changelogs": "failed",
    }  # fmt: skip
    assert "has our instance id 'one'" in found["group"]["detail"]
    status, found = await checked(installation, limits__disorder="3s")
    assert (status, states(found)) == (0, {"limits": "note"})
    assert "TOUCHPOINT_LIMITS__DISORDER 1m -> 3s" in found["limits"]["detail"]


@pytest.mark.parametrize(
    ("headers", "status", "said"),
    [
        (headers_of(b"x" * 14, fingerprint_of(SECRET["party_secret"])), 0, "their form is ours"),
        (headers_of(b"x" * 14, fingerprint_of("another")), 2, "PARTY_SECRET is not the one"),
        ([("term999", b"x" * 14)], 3, "state of form '999'"),
    ],
    ids=("ours", "another secret", "a newer form"),
)
async def test_latest_records_of_the_changelogs_are_read(
    installation: Installation, headers: list[tuple[str, bytes]], status: int, said: str
) -> None:
    async with installation.producer() as producer:
        log = f"{installation.settings.app_id}-parties-changelog"
        await producer.send_and_wait(log, b"value", b"key", 3, headers=headers)
    found_status, found = await checked(installation)
    assert (found_status, states(found)) == (status, {"changelogs": "failed"} if status else {})
    assert said in found["changelogs"]["detail"]


async def _is_ready(worker: Any) -> bool:
    return bool(worker.page("readyz")[0] == 200)


async def test_what_a_worker_could_not_use_is_named_with_the_way_out(installation: Installation) -> None:
    url = urlsplit(installation.database)
    nobody = f"postgresql://nobody_here@127.0.0.1:{free_port()}/x"
    no_such = installation.database.replace(url.path, "/no_such_database", 1)
    cases: list[tuple[dict[str, object], int, str, str]] = [
        ({"brokers": f"127.0.0.1:{free_port()}"}, 3, "broker", "none answers at"),
        ({"app_id": "nothing-of-this-name"}, 1, "topics", "nothing-of-this-name-media-changelog does not exist"),
        ({"database_url": nobody}, 3, "database", "does not answer"),
        ({"database_url": no_such}, 3, "database", 'database "no_such_database" does not exist'),
        ({"database_url": ""}, 2, "settings", "TOUCHPOINT_DATABASE_URL: must begin with postgresql://"),
        ({"partitons": 3}, 2, "settings", "did you mean TOUCHPOINT_PARTITIONS?"),
    ]
    for own, status, check, said in cases:
        found_status, found = await checked(installation, **own)
        assert (found_status, found[check]["state"]) == (status, "failed"), found
        assert said in found[check]["detail"]


async def test_login_without_rights_and_database_without_schema_are_named(installation: Installation) -> None:
    async with installation.connected() as connection:
        await connection.execute("DROP ROLE IF EXISTS check_viewer")
        await connection.execute("CREATE ROLE check_viewer LOGIN IN ROLE touchpoint_viewer")
        separator = "&" if "?" in installation.database else "?"
        viewer = f"{installation.database}{separator}user=check_viewer".replace("postgres@", "", 1)
        status, found = await checked(installation, database_url=viewer)
        assert (status, found["role"]["state"]) == (3, "failed")
        assert "grant it the role touchpoint_writer" in found["role"]["detail"]
        await connection.execute("DROP SCHEMA touchpoint CASCADE")
    status, found = await checked(installation)
    assert (status, found["schema"]["state"]) == (3, "failed")
    assert "run touchpoint migrate" in found["schema"]["detail"]


async def test_topics_that_differ_are_named_and_no_reason_not_to_start(installation: Installation) -> None:
    admin = AIOKafkaAdminClient(**installation.client)
    await admin.start()
    name = f"{installation.settings.topic_prefix}calls"
    other = {"max.message.bytes": "2000000", "message.timestamp.type": "CreateTime"}
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=other)])
    await admin.close()
    status, found = await checked(installation, partitions=24)
    assert (status, states(found)) == (0, {"topics": "note", "topics' settings": "note"})
    assert f"{name} has max.message.bytes=2000000, not 1048576" in found["topics' settings"]["detail"]
    assert f"{name} has message.timestamp.type=CreateTime" in found["topics' settings"]["detail"]
    assert "each has 4 partitions" in found["topics"]["detail"]


async def test_secret_that_anybody_may_read_is_noted(installation: Installation, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("a secret of more than sixteen characters")
    environment = {"party_secret_file": file}
    installation._fields.pop("party_secret")  # the fixture's own
    file.chmod(0o644)
    for mode, expected in ((0o644, {"secrets' files": "note"}), (0o640, {})):
        file.chmod(mode)
        asked = [sys.executable, "-m", "touchpoint", "check", "--json"]
        made = installation.environment(metrics_port=free_port(), **environment)
        process = await asyncio.create_subprocess_exec(*asked, env=made, stdout=-1)
        out, _ = await process.communicate()
        found = {finding["check"]: finding for finding in json.loads(out)["findings"]}
        assert states(found) == expected


async def test_text_is_a_line_for_each_finding(installation: Installation) -> None:
    environment = installation.environment(**{**SECRET, "metrics_port": 0})
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "touchpoint", "check", env=environment, stdout=-1, stderr=-1
    )
    out, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    lines = out.decode().splitlines()
    assert "note     port                   metrics and health are off" in lines
    assert " " * 32 + "-> set TOUCHPOINT_METRICS_PORT" in lines
