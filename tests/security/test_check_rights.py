"""`touchpoint check` on a Kafka with an authorizer: rights that a worker lacks are named, each with its topic."""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from pathlib import Path

import pytest
from installation import Installation
from secure_kafka import PASSWORD, USER, SecureBroker

from touchpoint.embedded.broker import free_port

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


async def test_rights_that_are_missing_are_named_until_they_are_given(
    secure_kafka: SecureBroker, database: str, tmp_path: Path
) -> None:
    name = f"i{uuid.uuid4().hex[:8]}"
    installation = Installation(secure_kafka.bootstrap, database, tmp_path, name)
    await installation.prepare()
    login = {
        "brokers": secure_kafka.at("LOGIN"), "security": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN",
        "sasl_username": USER, "sasl_password": PASSWORD, "metrics_port": free_port(),
        "party_secret": "a secret of more than sixteen characters",
    }  # fmt: skip

    async def rights() -> tuple[int | None, dict[str, tuple[str, str]]]:
        command = [sys.executable, "-m", "touchpoint", "check", "--json"]
        process = await asyncio.create_subprocess_exec(*command, env=installation.environment(**login), stdout=-1)
        out, _ = await process.communicate()
        found = {each["check"]: (each["state"], each["detail"]) for each in json.loads(out)["findings"]}
        return process.returncode, found

    status, found = await rights()
    assert status == 3
    assert found["rights"][0] == "failed"
    assert f"no Describe on {name}.calls" in found["rights"][1]
    assert found["topics"][0] == "skipped"
    assert found["group"] == ("failed", f"no Read on group {name}")

    secure_kafka.allow(["Describe", "Read"], "--topic", f"{name}.")
    secure_kafka.allow(["Describe", "Read", "Write"], "--topic", f"{name}-")
    status, found = await rights()
    assert (status, found["rights"][0]) == (3, "failed")
    assert f"no Write on {name}.calls" in found["rights"][1]
    assert f"{name}-media-changelog" not in found["rights"][1]
    assert found["topics"][0] == "ok"

    secure_kafka.allow(["Write", "DescribeConfigs"], "--topic", f"{name}.")
    secure_kafka.allow(["Read"], "--group", name)
    status, found = await rights()
    assert status == 0, found
    assert found["rights"] == ("ok", "Describe, Read and Write on the topics")
