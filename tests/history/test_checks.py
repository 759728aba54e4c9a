"""What a worker looks at before it reads anything: each mistake is told with its way out, and with the right status."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import Any, NamedTuple

import asyncpg
import pytest
from patience import LIMIT
from postgres_server import TestPostgres

from touchpoint.embedded.broker import free_port
from touchpoint.history.agreement import fingerprint
from touchpoint.history.checks import UnusableError, Wanted, check
from touchpoint.history.sink import History, history_pool
from touchpoint.history.watch import HistoryWatch
from touchpoint.settings import load_settings
from touchpoint.settings.database_url import place
from touchpoint.stages.protocol import Record
from touchpoint.telemetry.metrics import Metrics

pytestmark = pytest.mark.slow
SECRET = b"the secret of the tests"
USAGE, REFUSED = 2, 3


# --- the URL

WRONG_URLS = {
    "mysql://root@host/db": "must begin with postgresql://",
    "host=localhost dbname=calls": "must begin with postgresql://",
    "postgresql:worker@host/db": "must begin with postgresql://",
    "postgresql://worker:a/b@c#d@host/db": "contains a #",
    "postgresql://worker:hunter2/b@host/db": "has an @ that does not stand between",
    "postgresql://worker:1234/b@host/db": "has an @ that does not stand between",
    "postgresql://worker:hun@ter2@host/db": "has an @ that does not stand between",
    "postgresql://worker:12?hunter2@host/db": "has an @ that does not stand between",
    "postgresql://worker:hunter2%@host/db": "% is not followed",
    "postgresql://worker:hunter2%zz@host/db": "% is not followed",
    "postgresql://worker:hun[ter2@host/db": "another character",
    "postgresql://worker:hunter2@host/db\n": "white space",
    "postgresql://worker:hunter2 @host/db": "white space",
    "postgresql://worker:hunter2": "its port is not a number",
    "postgresql://worker@host:five/db": "its port is not a number",
    "postgresql://worker@host:0/db": "its port is not a number",
    "postgresql://worker@host:65536/db": "its port is not a number",
    "postgresql://worker@host:/db": "its port is not a number",
    "postgresql://worker@a:1,b:two/db": "its port is not a number",
    "postgresql://worker@ho|st/db": "its host is no name",
    "postgresql://worker@host/calls/more": "has a / in the name of the database",
    "postgresql://worker@host/db?sslmode": "is not name=value",
    "postgresql://worker@host/db?sslmode=strict": "sslmode must be one of disable, allow",
    "postgresql://worker@host/db?sslrootcert=/nowhere/ca.pem": "there is no file '/nowhere/ca.pem'",
    "postgresql://worker@host/db?target_session_attrs=any-will-do": "target_session_attrs must be one of",
    "postgresql://worker@host/db?port=x": "port must be a number",
}


@pytest.mark.parametrize("url", WRONG_URLS)
def test_a_wrong_url_is_told_without_what_may_be_its_password(url: str) -> None:
    with pytest.raises(ValueError, match=".") as raised:  # noqa: RUF043 - any text
        place(url)
    assert WRONG_URLS[url] in str(raised.value)
    for part in ("hunter2", "ter2", "hun", "1234"):
        assert part not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://worker:p%2Fa%40b%23c@host:5432/calls", "database calls at host:5432"),
        ("postgres://worker:a:b=c!d@host/calls?sslmode=require&application_name=x", "database calls at host"),
        ("postgresql://worker@[::1]:5433/calls", "database calls at [::1]:5433"),
        ("postgresql://worker@a:1,b:2/calls?target_session_attrs=read-write", "database calls at a:1,b:2"),
        ("postgresql:///calls?host=/tmp", "database calls at the local socket"),
        ("postgresql://postgres@/calls?host=/tmp/x&jit=off", "database calls at the local socket"),
        ("postgresql://host", "database (unnamed) at host"),
    ],
)
def test_a_url_that_can_be_used_names_its_place(url: str, said: str) -> None:
    assert place(url) == said


# --- the database


class Wrong(NamedTuple):
    """A database that is of no use: what is done to it by its owner, as whom to come, what is said."""

    sql: str
    said: str
    user: str = "worker"
    options: str = ""
    status: int = REFUSED


ROLE = "CREATE ROLE {0} LOGIN IN ROLE touchpoint_writer"
WRONG = {
    "no migrations": Wrong("DROP SCHEMA touchpoint CASCADE", "run touchpoint migrate"),
    "somebody else's schema": Wrong("DROP TABLE touchpoint.migration", "run touchpoint migrate"),
    "an older schema": Wrong(
        "DELETE FROM touchpoint.migration WHERE name >= '0012'; DROP TABLE touchpoint.setting",
        "older than this version needs (0012_settings",
    ),
    "a changed migration": Wrong(
        "UPDATE touchpoint.migration SET checksum = 'x' WHERE name = '0003_read_only'", "0003"
    ),
    "the viewer's role": Wrong("", "grant it the role touchpoint_writer", user="viewer"),
    "the administrator's role": Wrong("", "grant it the role touchpoint_writer", user="administrator"),
    "no role": Wrong("", "grant it the role touchpoint_writer", user="stranger"),
    "a role that inherits nothing": Wrong(
        "GRANT touchpoint_writer TO worker WITH INHERIT FALSE", "grant it the role touchpoint_writer"
    ),
    "one right less": Wrong("REVOKE INSERT ON touchpoint.segment FROM touchpoint_writer", "INSERT on segment"),
    "no right to make months": Wrong(
        "REVOKE EXECUTE ON FUNCTION touchpoint.ensure_partitions FROM touchpoint_writer", "EXECUTE on ensure_partitions"
    ),
    "a role that cannot log in": Wrong("ALTER ROLE worker NOLOGIN", "check user and password"),
    "no such role": Wrong("", "check user and password", user="nobody_here"),
    "no right to connect": Wrong("REVOKE CONNECT ON DATABASE {1} FROM PUBLIC", "grant the worker's login CONNECT"),
    "read only for the role": Wrong("ALTER ROLE worker SET default_transaction_read_only = on", "it is read only"),
    "read only": Wrong("ALTER DATABASE {1} SET default_transaction_read_only = on", "it is read only"),
    "read only by the URL": Wrong("", "it is read only", options="&default_transaction_read_only=on"),
    "an option that is none": Wrong(
        "", "unrecognized configuration parameter", options="&connect_timeut=3", status=USAGE
    ),
    "an option's value": Wrong("", "requires a Boolean value", options="&jit=perhaps", status=USAGE),
    "another secret": Wrong(
        "INSERT INTO touchpoint.setting (app_id, name, value) VALUES ('', 'party_secret', 'other')",
        "TOUCHPOINT_PARTY_SECRET is not the one",
        status=USAGE,
    ),
}


@pytest.fixture
def logins(postgres: TestPostgres) -> Any:
    """Logins of each kind, which belong to the whole server."""
    asyncio.run(
        postgres._execute(
            "CREATE ROLE worker LOGIN IN ROLE touchpoint_writer; CREATE ROLE viewer LOGIN IN ROLE touchpoint_viewer;"
            "CREATE ROLE administrator LOGIN IN ROLE touchpoint_admin; CREATE ROLE stranger LOGIN"
        )
    )
    yield
    asyncio.run(postgres._execute("DROP ROLE worker, viewer, administrator, stranger"))


def as_user(database: str, user: str) -> str:
    return database.replace("postgres@", f"{user}@", 1)


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.usefixtures("logins")
async def test_a_database_that_is_of_no_use_is_told_with_the_way_out(database: str, name: str) -> None:
    wrong = WRONG[name]
    owner = await asyncpg.connect(database)
    if wrong.sql:
        await owner.execute(wrong.sql.format("", await owner.fetchval("SELECT current_database()")))
    with pytest.raises(UnusableError) as raised:
        await check(Wanted(as_user(database, wrong.user) + wrong.options, SECRET), 10)
    assert wrong.said in str(raised.value)
    assert raised.value.configuration is (wrong.status == USAGE)
    await owner.execute("REVOKE ALL ON SCHEMA public FROM stranger")
    await owner.close()


async def test_a_database_that_is_not_there_or_lacks_characters_is_told(postgres: TestPostgres) -> None:
    with pytest.raises(UnusableError, match="create it and run touchpoint migrate"):
        await check(Wanted(postgres.dsn("nowhere"), SECRET), 10)
    await postgres._execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    try:
        with pytest.raises(UnusableError, match="its encoding is LATIN1"):
            await check(Wanted(postgres.dsn("latin"), SECRET), 10)
    finally:
        await postgres._execute("DROP DATABASE latin")


@pytest.mark.usefixtures("logins")
async def test_the_worker_s_login_is_enough_and_a_newer_schema_is_told(database: str) -> None:
    owner = await asyncpg.connect(database)
    wanted = Wanted(as_user(database, "worker"), SECRET)
    assert await check(wanted, 10) == []
    await owner.execute("INSERT INTO touchpoint.migration (name, checksum) VALUES ('9999_future', 'x')")
    assert await check(wanted, 10) == ["its schema is newer than this version: it has 9999_future"]
    assert await owner.fetchval("SELECT value FROM touchpoint.setting WHERE app_id = ''") == fingerprint(SECRET)
    with pytest.raises(UnusableError, match="TOUCHPOINT_PARTY_SECRET"):
        await check(Wanted(wanted.url, b"another"), 10)
    await owner.close()


async def test_a_database_that_does_not_answer_is_no_refusal(database: str, postgres: TestPostgres) -> None:
    name = database.partition("?")[0].rpartition("/")[2]
    for url in (f"postgresql://worker@127.0.0.1:{free_port()}/calls", "postgresql:///calls?host=/nowhere"):
        with pytest.raises(OSError, match="."):  # noqa: RUF043 - any text
            await check(Wanted(url, SECRET), 10)
    await postgres._execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
        await check(Wanted(database, SECRET), 10)
    await postgres._execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


# --- the worker


def run_worker(**fields: object) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TOUCHPOINT_")}
    fields = {"brokers": "127.0.0.1:1", "metrics_port": 0, **fields}
    environment |= {f"TOUCHPOINT_{name.upper()}": str(value) for name, value in fields.items()}
    return subprocess.run(
        [sys.executable, "-m", "touchpoint", "worker"],
        env=environment, capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip


def test_worker_with_an_unusable_database_ends_before_it_asks_a_broker(postgres: TestPostgres, database: str) -> None:
    asyncio.run(check(Wanted(database, SECRET), 10))
    for fields, status, said in (
        ({"database_url": "postgresql://worker:a/b@c#d@host/db"}, USAGE, "TOUCHPOINT_DATABASE_URL: contains a #"),
        ({"database_url": postgres.dsn()}, REFUSED, "has no schema touchpoint yet: run touchpoint migrate"),
        ({"database_url": database, "party_secret": "another"}, USAGE, "TOUCHPOINT_PARTY_SECRET is not the one"),
    ):
        done = run_worker(**fields)
        assert done.returncode == status, done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr


async def test_writer_stores_nothing_before_the_database_has_answered_once(
    database: str, postgres: TestPostgres
) -> None:
    name = database.partition("?")[0].rpartition("/")[2]
    settings = load_settings({}, database_url=database, party_secret=SECRET.decode())
    await postgres._execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    refused: list[UnusableError] = []
    answered = False
    async with history_pool(database) as pool:
        watch = HistoryWatch(settings, pool, Metrics())
        history = History(pool, watch)
        await watch.look()
        assert not watch.usable
        assert f"database {name} at the local socket cannot be written to" in watch.trouble
        await postgres._execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        with pytest.raises(ConnectionError):
            await history.write([Record("interactions", 0, 0, b"k", b"{}", [], 0)])
        following = asyncio.create_task(watch.follow(refused.append))
        async with asyncio.timeout(LIMIT):
            while not answered:
                await asyncio.sleep(0.02)
                answered = watch.usable
        assert len(await history.write([Record("interactions", 0, 0, b"k", b"{}", [], 0)])) == 1
        assert (watch.trouble, refused) == ("", [])
        following.cancel()


async def test_limits_that_changed_are_told_once_and_shown_while_workers_differ(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def started(pool: asyncpg.Pool, **limits: str) -> HistoryWatch:
        watch = HistoryWatch(load_settings({}, database_url=database, limits=limits), pool, Metrics())
        await watch.look()
        return watch

    def differ(watch: HistoryWatch) -> float | None:
        return watch.metrics.registry.get_sample_value("touchpoint_limits_differ")

    async with history_pool(database) as pool:
        first, same = await started(pool), await started(pool)
        assert "limits differ" not in caplog.text
        other = await started(pool, quiet="7m", disorder="90s")
        [told] = [record.getMessage() for record in caplog.records if "limits differ" in record.getMessage()]
        assert told.endswith("TOUCHPOINT_LIMITS__DISORDER 1m -> 90s, TOUCHPOINT_LIMITS__QUIET 30s -> 7m")
        for watch in (first, same, other):
            await watch._compare_with_others()
        assert [differ(watch) for watch in (first, same, other)] == [1, 1, 0]
        again = await started(pool, quiet="7m", disorder="90s")
        assert caplog.text.count("limits differ") == 1
        assert differ(again) == 0
