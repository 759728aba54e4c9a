"""TLS and passwords against a real PostgreSQL: what should be refused is, in words, without the password."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest
from installation import Installation, arrival, offline
from kafka_broker import KafkaBroker
from patience import LIMIT
from secure_postgres import PASSWORD, USER, SecurePostgres

from touchpoint.history.migration_runner import migrate
from touchpoint.settings import PREFIX
from touchpoint.simulate import simulate
from touchpoint.simulate.produce import produce

pytestmark = [pytest.mark.kafka, pytest.mark.slow]  # its PostgreSQL comes from Maven as Kafka does
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
UNREACHABLE = 3


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecurePostgres]:
    """A migrated server with TLS, and the worker's login."""
    with SecurePostgres(tmp_path_factory.mktemp("tls")) as server:
        server.serve()
        asyncio.run(migrate(server.dsn()))
        server.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}' IN ROLE touchpoint_writer")
        server.execute(f"CREATE ROLE anna LOGIN PASSWORD '{PASSWORD}' IN ROLE touchpoint_viewer")
        yield server


async def over_tls(url: str) -> bool:
    connection = await asyncpg.connect(url)
    try:
        return bool(await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
    finally:
        await connection.close()


async def test_postgres_is_reached_over_tls_with_authority_and_name_checked(secure: SecurePostgres) -> None:
    assert await over_tls(secure.url(sslmode="verify-full", sslrootcert=secure.authority.file))


async def test_passwords_are_kept_and_sent_as_scram_alone(secure: SecurePostgres) -> None:
    connection = await asyncpg.connect(secure.dsn())
    kept = await connection.fetchval("SELECT rolpassword FROM pg_authid WHERE rolname = $1", USER)
    await connection.close()
    assert kept.startswith("SCRAM-SHA-256$")


class Wrong(NamedTuple):
    what: str
    mode: str
    authority: str | None
    host: str | None  # of the server's certificate; None: no TLS there
    said: str
    password: str = PASSWORD


WRONG = [
    Wrong("wrong password", "require", None, "127.0.0.1", "password authentication failed", password="guessed"),
    Wrong("foreign authority", "verify-full", "foreign", "127.0.0.1", "sslrootcert"),
    Wrong("foreign authority, host not asked for", "verify-ca", "foreign", "127.0.0.1", "sslrootcert"),
    Wrong("certificate for another host", "verify-full", "authority", "db.example.com", "not valid for '127.0.0.1'"),
    *(Wrong(f"no TLS there, {mode}", mode, "authority", None, "rejected SSL") for mode in ("require", "verify-full")),
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.what)
def test_wrong_database_url_is_refused_with_the_place_and_no_password(secure: SecurePostgres, wrong: Wrong) -> None:
    authority = getattr(secure, wrong.authority).file if wrong.authority else None
    options = {"sslmode": wrong.mode} | ({"sslrootcert": authority} if authority else {})
    url = secure.url(wrong.password, user="anna", **options)
    secure.serve(wrong.host)
    try:
        done = command("history", "tel:+441632960960", database_url=url)
    finally:
        secure.serve()
    assert done.returncode == UNREACHABLE, done.stderr
    assert f"database postgres at 127.0.0.1:{secure.port}" in done.stderr
    assert wrong.said in done.stderr
    for secret in (PASSWORD, "guessed", "Traceback"):
        assert secret not in done.stderr + done.stdout


def command(name: str, *arguments: str, **fields: object) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment |= {PREFIX + field.upper(): str(value) for field, value in fields.items()}
    call = [sys.executable, "-m", "touchpoint", name, *arguments]
    return subprocess.run(call, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False)


async def test_worker_over_tls_needs_the_writers_role_and_its_password_alone(
    secure: SecurePostgres, kafka: KafkaBroker, tmp_path: Path
) -> None:
    """A backfill of an old month too: the worker makes its partitions. One with a wrong password reads nothing."""
    options: dict[str, Any] = {"sslmode": "verify-full", "sslrootcert": secure.authority.file}
    events = [*simulate(3, START.replace(year=2019), 0.1, 120), *simulate(4, START, 0.1, 120)]
    name = f"i{uuid.uuid4().hex[:8]}"
    wrong = Installation(kafka.bootstrap, secure.url("guessed", **options), tmp_path, name)
    right = Installation(kafka.bootstrap, secure.url(**options), tmp_path / "right", name)
    right.directory.mkdir()
    right.database = secure.dsn()  # to look at the rows; workers have the other
    try:
        await right.prepare()
        ended = wrong.worker()
        assert await asyncio.to_thread(ended.process.wait, 30) == UNREACHABLE
        said = ended.log.read_text()
        assert "password authentication failed" in said
        assert "check user and password in TOUCHPOINT_DATABASE_URL" in said
        assert "guessed" not in said
        assert not {"Traceback", "Worker ready"} & set(said.split())
        await produce(arrival(events, 3), right.client, right.settings.topic_prefix, finish=True)
        worker = right.worker()
        await right.until_stored(offline(events))
        assert await worker.end() == 0
        assert PASSWORD not in worker.log.read_text()
    finally:
        wrong.close()
        right.close()
